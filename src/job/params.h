/* In: the users' generation_params in any shape that their forms wrote. Out: one canonical object,
 * or an error that names the member. Pure. */
#ifndef JOB_PARAMS_H
#define JOB_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/json.h"

#define PARAMS_SIZE_MAX ((size_t)8 << 20)

struct params_limits {
    int64_t duration_default_s, duration_max_s; /* 600, 14400 */
};

struct params {  /* the typed members; strings are borrowed from `all` */
    json_t *all; /* owned: canonical members, and unknown ones untouched */
    const char *topic, *title, *platform, *model, *language;
    int64_t duration_s;
    int outline_only;         /* type: outline */
    int variants;             /* 1..5 */
    int64_t max_cost_udollar; /* 0 = none */
    int64_t deadline_us;      /* wall; 0 = none */
};

/* `raw` is the row's JSON text (NULL = null). `overlay` (may be NULL) is the input hook's result;
 * its members win. ERR_INVALID / ERR_TOO_BIG with a message for people that names the member. */
enum err params_normalise(const char *raw, size_t n, const json_t *overlay,
                          const struct params_limits *limits, struct params *ret_params,
                          struct errmsg *msg) MUST_CHECK;
void params_free(struct params *p);

#endif
