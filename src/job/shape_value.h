/* In: one JSON value of any shape. Out: the plain value that a row of the table wants. */
#ifndef JOB_SHAPE_VALUE_H
#define JOB_SHAPE_VALUE_H

#include "job/shape.h"

/* Kinds other than objects and lists. *ret stays NULL for what counts as absent. ERR_INVALID with
 * what is wrong, without the member's name; ERR_TOO_BIG past a limit. */
enum err shape_value(const struct shape *shape, const json_t *value, json_t **ret,
                     struct errmsg *msg) MUST_CHECK;

#endif
