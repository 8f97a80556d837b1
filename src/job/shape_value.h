/* In: one JSON value or name of any shape. Out: the plain value that a row of the table wants. */
#ifndef JOB_SHAPE_VALUE_H
#define JOB_SHAPE_VALUE_H

#include "job/shape.h"

#define SHAPE_NAME_MAX 64

/* One of "a|b.c|d=e". */
struct shape_name {
    char outer[SHAPE_NAME_MAX], inner[SHAPE_NAME_MAX]; /* inner: "" or what is behind a point */
    const char *equals;
    size_t equals_len;
};

/* Takes the next name off the list; false at its end. NULL is an empty list. */
bool shape_next_name(const char **list, struct shape_name *ret);
/* In camelCase or snake_case; borrowed, NULL when absent or null. */
const json_t *shape_find(const json_t *object, const struct shape_name *name);
void shape_remove(json_t *object, const struct shape_name *name);
bool shape_text_is(const json_t *value, const char *text, size_t n); /* in any case */

/* What a text holds that is a JSON object or array, else the value itself; new reference. NULL
 * stays NULL. */
json_t *shape_open_text(const json_t *value);
/* A text's lines (or, of one line, with `commas`, its parts), trimmed and without list marks. */
json_t *shape_split(const json_t *text, bool commas);

/* Kinds other than objects and lists. *ret stays NULL for what counts as absent. ERR_INVALID with
 * what is wrong, without the member's name. */
enum err shape_value(const struct shape *shape, const json_t *value, json_t **ret,
                     struct errmsg *msg) MUST_CHECK;

#endif
