/* In: a row's names. Out: where an object holds the member. */
#ifndef JOB_SHAPE_NAME_H
#define JOB_SHAPE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "text/json.h"

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

#endif
