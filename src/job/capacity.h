/* In: what a script takes, what the provider allows, how scripts are worked off, and how many
 * people ask. Out: how long they wait, how many scripts an hour come out, and what keeps it from
 * being more. Waits are a discrete-event simulation, rates a sum; pure, and without chance. */
#ifndef JOB_CAPACITY_H
#define JOB_CAPACITY_H

#include <stddef.h>
#include <stdint.h>

#define CAPACITY_SCRIPTS_MAX 1000000
#define CAPACITY_SLOTS_MAX   1000000 /* workers times concurrency */
#define CAPACITY_WORKERS_MAX 10000
#define CAPACITY_CALLS_MAX   100

struct capacity_call {
    double part; /* of its script's time; those of all calls are 1 together */
    double input_tokens, output_tokens;
};

struct capacity_script {
    const int64_t
        *service_us; /* how long scripts take, one after the other and around again; > 0 */
    size_t n_service;
    const struct capacity_call *calls; /* model calls of one, in a row */
    int n_calls;                       /* 1..CAPACITY_CALLS_MAX */
    int64_t cost_udollar;              /* of a whole script */
};

struct capacity_limits {                           /* 0 = none */
    int64_t requests, input_tokens, output_tokens; /* a minute, of all keys together */
    int64_t budget_udollar;                        /* an hour */
};

struct capacity_setup {
    int workers, concurrency; /* scripts at once: their product */
    int64_t every_us; /* a worker is called so often, and takes what it has room for; 0 = at once */
};

struct capacity_load {
    int64_t scripts; /* 1..CAPACITY_SCRIPTS_MAX */
    int64_t
        over_us; /* they come evenly in that time; 0 = all at once, just before the workers' call */
};

enum capacity_bound {
    CAPACITY_WORKERS, /* slots stand empty until the next call */
    CAPACITY_SLOTS,
    CAPACITY_RPM,
    CAPACITY_ITPM,
    CAPACITY_OTPM,
    CAPACITY_MONEY,
    CAPACITY_BOUND_MAX
};
const char *capacity_bound_name(enum capacity_bound b);

struct capacity_waits {                                     /* from asking to the first call */
    int64_t first_us, median_us, tenth_us, p95_us, last_us; /* tenth: -1 = there are fewer */
    int64_t done_us;                                        /* the last script is finished */
};
struct capacity_rate { /* with more to do than can be done */
    double scripts_per_hour;
    int64_t cost_udollar_per_hour;
    enum capacity_bound bound;
};

/* Scripts without limits take so long. */
double capacity_mean_us(const struct capacity_script *script);
/* Tokens of a whole script. */
struct capacity_call capacity_sum(const struct capacity_script *script);

void capacity_wait(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, const struct capacity_load *load,
                   struct capacity_waits *ret_waits);
void capacity_rate(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, struct capacity_rate *ret_rate);

#endif
