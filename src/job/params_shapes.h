/* In: nothing. Out: the table of every shape that a request may have. */
#ifndef JOB_PARAMS_SHAPES_H
#define JOB_PARAMS_SHAPES_H

#include "job/shape.h"

#define PARAMS_DOLLARS_MAX  1000000
#define PARAMS_VARIANTS_MAX 5

extern const struct shape params_shapes[];
extern const char params_inside[]; /* what the whole request may be nested in */

#endif
