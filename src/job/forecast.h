/* In: how many people ask, what a script takes, what the provider allows. Out: the set-ups side by
 * side: the guide's, with the figures it quotes, and ours. forecast_steps.c: the calls of a
 * script. Pure. */
#ifndef JOB_FORECAST_H
#define JOB_FORECAST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "job/capacity.h"

#define FORECAST_ROWS_MAX    6
#define FORECAST_SERVICE_MAX 1000
#define FORECAST_NODE_SLOTS  256 /* of a process, as `serve` has them */
#define FORECAST_GUIDE_ROWS  4
#define FORECAST_STEPS_MAX   16
#define FORECAST_NAME_SIZE   32

/* Limits per minute of a provider's tier, by name; false for another name. */
bool forecast_tier(const char *name, struct capacity_limits *ret_limits);
extern const char *const forecast_tiers; /* "start, build, scale" */
/* Of that tier; NULL: those of `own` that are not 0, else the start tier's. The budget stays. False
 * for another name. */
bool forecast_limits(const char *tier, const struct capacity_limits *own,
                     struct capacity_limits *io_limits);

/* What calls of one kind ("outline", "chunk") took, in sum of those that were looked at. */
struct forecast_seen {
    char name[FORECAST_NAME_SIZE];
    int64_t calls, us, input_tokens, output_tokens;
};

struct forecast_step { /* of a script */
    char name[FORECAST_NAME_SIZE];
    int calls; /* of this kind, in a row; given as 0: as measured, else one */
    double us; /* of one of them */
    double input_tokens, output_tokens;
};

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
    struct forecast_seen seen[FORECAST_STEPS_MAX]; /* in the order they come in a script */
    size_t n_seen;
    int64_t seen_scripts;
    struct forecast_step
        given[FORECAST_STEPS_MAX]; /* instead of minutes_us and what was measured */
    size_t n_given;
    int calls; /* per script; 0 = not known, as are these: */
    int64_t input_tokens, output_tokens, cost_udollar;
};

struct forecast_row {
    const char *name, *about;
    struct capacity_setup setup;
    struct capacity_waits waits;
    struct capacity_rate rate;
    const char *quoted_per_hour, *quoted_wait; /* by the guide, or NULL */
};

struct forecast {
    struct forecast_row rows[FORECAST_ROWS_MAX];
    size_t n;
    /* The guide's own case: ten people, scripts of five minutes, no limits. */
    struct forecast_row guide[FORECAST_GUIDE_ROWS];
    struct capacity_script
        script; /* its times lie in the input, its calls here: not to be copied */
    struct capacity_call calls[CAPACITY_CALLS_MAX];
    struct forecast_step steps[FORECAST_STEPS_MAX]; /* n_steps 0: nothing is known of them */
    size_t n_steps;
    struct capacity_limits limits; /* of all keys */
    int64_t mean_us, given_us;
    bool measured, tokens_measured;
};

/* "outline=20,chunk=4x90": seconds of each step's call, and how many there are; without a number as
 * many as were measured, else one. Fills `given`. ERR_INVALID. */
enum err forecast_read_steps(struct forecast_input *in, const char *text,
                             struct errmsg *msg) MUST_CHECK;
/* ERR_INVALID names what is out of range. Keeps a pointer into the input. */
enum err forecast_make(const struct forecast_input *in, struct forecast *ret_forecast,
                       struct errmsg *msg) MUST_CHECK;
/* Why the guide's figures are not what its set-ups compute to. */
extern const char *const forecast_difference;

#endif
