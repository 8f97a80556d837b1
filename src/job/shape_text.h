/* In: JSON values of any shape. Out: texts and lists of texts. */
#ifndef JOB_SHAPE_TEXT_H
#define JOB_SHAPE_TEXT_H

#include "job/shape.h"

void shape_trim(const char **s, size_t *n);                          /* white space at both ends */
bool shape_text_is(const json_t *value, const char *text, size_t n); /* in any case */
/* "yes", "0", "none" ...: whether it is such a word, and which flag it says. */
bool shape_flag_word(const json_t *value, bool *ret);

/* What a text holds that is a JSON object or array, else the value itself; new reference. NULL
 * stays NULL. */
json_t *shape_open_text(const json_t *value);
/* A text's lines (or, of one line, with `commas`, its parts), trimmed and without list marks. */
json_t *shape_split(const json_t *text, bool commas);

/* As shape_value() does for SHAPE_TEXT and SHAPE_PROSE, and for lists of texts. */
enum err shape_to_text(const struct shape *shape, const json_t *value, json_t **ret,
                       struct errmsg *msg) MUST_CHECK;
enum err shape_to_texts(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg) MUST_CHECK;

#endif
