/* In: how many people ask, what a script takes, what the provider allows. Out: the set-ups side by
 * side: the guide's, with the figures it quotes, and ours. Pure. */
#ifndef JOB_FORECAST_H
#define JOB_FORECAST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "job/capacity.h"

#define FORECAST_ROWS_MAX    6
#define FORECAST_SERVICE_MAX 1000
#define FORECAST_NODE_SLOTS  256 /* of a process, as `serve` has them */

/* Limits per minute of a provider's tier, by name; false for another name. */
bool forecast_tier(const char *name, struct capacity_limits *ret_limits);
extern const char *const forecast_tiers; /* "start, build, scale" */

struct forecast_input {
    int64_t users;                 /* at once, a script each; or 0: */
    int64_t per_day;               /* evenly over a day */
    int workers, concurrency;      /* of a set-up of one's own; 0 = not given */
    int64_t every_us;              /* that its workers are called; 0 = a minute */
    int keys;                      /* limits are those of one key times this; 0 = 1 */
    struct capacity_limits limits; /* of one key; the budget is that of all */
    int64_t minutes_us;            /* a script takes so long; 0 = measured, else five minutes */
    int64_t measured_us[FORECAST_SERVICE_MAX]; /* how long scripts took lately */
    size_t n_measured;
    int calls; /* per script; 0 = not known, as are these: */
    int64_t input_tokens, output_tokens, cost_udollar;
};

struct forecast_row {
    const char *name, *about;
    struct capacity_setup setup;
    struct capacity_waits waits;
    struct capacity_rate rate;
    const char *quoted_per_hour,
        *quoted_wait; /* by the guide, for ten people and five minutes; or NULL */
};

struct forecast {
    struct forecast_row rows[FORECAST_ROWS_MAX];
    size_t n;
    struct capacity_script script; /* its service times lie in the input */
    struct capacity_limits limits; /* of all keys */
    int64_t mean_us, given_us;
    bool measured, tokens_measured, guide; /* guide: its own case, ten people and five minutes */
};

/* ERR_INVALID names what is out of range. Keeps a pointer into the input. */
enum err forecast_make(const struct forecast_input *in, struct forecast *ret_forecast,
                       struct errmsg *msg) MUST_CHECK;
/* Why the guide's figure is not what its set-up computes to; "" when it is not the guide's case. */
void forecast_put_difference(struct buf *out, const struct forecast *f);

#endif
