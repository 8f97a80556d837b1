/* In: what this process would use of the provider's limits, and what all processes agreed is its
 * part. Out: a pacer that keeps to its part, also while nobody answers. The agreement itself is
 * made where all can see it, in the store. Pure. */
#ifndef PROVIDER_SHARE_H
#define PROVIDER_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include "provider/pacer.h"

enum pace_limit { PACE_REQUESTS, PACE_INPUT, PACE_OUTPUT, PACE_LIMIT_MAX };

/* Of one rate class; per minute unless another unit is named. */
struct share_ask {
    const char *rate_class;            /* borrowed from the pacer */
    int64_t wanted[PACE_LIMIT_MAX];    /* what would be used if it were there */
    int64_t committed;                 /* output of streams that run and cannot be taken back */
    int64_t limit[PACE_LIMIT_MAX];     /* as known here; 0 = not */
    int64_t told_us;                   /* since the provider told it; -1 = configured, or unknown */
    int64_t frozen_us[PACE_LIMIT_MAX]; /* refused for so long from now on; 0 = open */
    int64_t cut_us;                    /* since we saw an overload; -1 = none */
};
struct share {
    int64_t part[PACE_LIMIT_MAX];      /* ours; -1 = all of it */
    int64_t limit[PACE_LIMIT_MAX];     /* as the provider told it last, to anybody; 0 = never */
    int64_t frozen_us[PACE_LIMIT_MAX]; /* for anybody */
    int64_t cut_us;                    /* since anybody saw an overload; -1 = nobody */
};

/* From now on the pacer admits only what a share allows. */
void pacer_share_begin(struct pacer *p);
/* What the classes that are in use would use, counted since the last time; `waiting` in the
 * caller's own words: pacer_share_waits() for each call that waits, before. Returns how many, `max`
 * at most. */
void pacer_share_waits(struct pacer *p, const struct pacer_need *need);
size_t pacer_share_asks(struct pacer *p, struct share_ask *out, size_t max, int64_t now_us);
/* The answer to what was asked at asked_us. */
void pacer_share_set(struct pacer *p, const char *rate_class, const struct share *share,
                     int64_t asked_us, int64_t now_us);
/* Some class has nothing to give to those that wait: ask soon. */
bool pacer_share_lacks(const struct pacer *p);

/* What is left of a part when nobody has confirmed it for so long: all of it for 10 s, then half as
 * much every 10 s. */
int64_t share_left(int64_t part, int64_t age_us);

#endif
