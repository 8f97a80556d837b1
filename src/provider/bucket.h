/* In: a limit per minute, the time, what is taken, what the provider's headers say. Out: one token
 * bucket with continuous refill, and when it will hold enough. Pure. */
#ifndef PROVIDER_BUCKET_H
#define PROVIDER_BUCKET_H

#include <stdint.h>

#include "provider/provider.h"

struct bucket {
    int64_t per_minute;   /* 0 = unknown: everything passes */
    int64_t part;         /* of it, per minute, that is ours; < 0 = all */
    int64_t burst_us;     /* the bucket holds this much of the limit */
    int64_t burst_min_us; /* refusals make burst_us no smaller than this */
    double level;         /* tokens; negative = debt */
    int64_t debt_us;      /* no deeper in debt than this much of the limit; 0 = any depth */
    int64_t at_us;        /* when the level was true */
    int64_t frozen_until_us;
};

void bucket_init(struct bucket *b, int64_t per_minute, int64_t burst_us, int64_t now_us);
/* A new limit takes effect at once; the level never rises by it. */
void bucket_set_limit(struct bucket *b, int64_t per_minute, int64_t now_us);
/* From now on only so much of the limit is ours: the bucket fills at that rate and holds as much
 * less. The level never rises by it. */
void bucket_set_part(struct bucket *b, int64_t part, int64_t now_us);
double bucket_capacity(const struct bucket *b);
double bucket_per_second(const struct bucket *b);
void bucket_refill(struct bucket *b, int64_t now_us);

/* The earliest time at which `need` may be taken; `now_us` when at once. A need above the capacity
 * waits for a full bucket and leaves a debt. */
int64_t bucket_when(struct bucket *b, double need, int64_t now_us);
void bucket_take(struct bucket *b, double tokens, int64_t now_us);
void bucket_give(struct bucket *b, double tokens, int64_t now_us);
/* What was taken turns out to have been another amount. */
void bucket_correct(struct bucket *b, int64_t taken, int64_t truth, int64_t now_us);
/* Refused by the provider: closed until then, when it will hold just so many tokens. Their burst
 * seems smaller than ours: ours is halved, once for each freeze. */
void bucket_freeze(struct bucket *b, int64_t until_us, double holds, int64_t now_us);

struct bucket_report {
    struct limit_report told;
    double rounding;  /* the true remainder is below remaining + rounding */
    double in_flight; /* taken by us, possibly not yet counted by them */
    int64_t at_us;    /* when the headers came, loop clock */
};
/* Headers may lower the level (others may use the same account, and our estimates err). They raise
 * it only when they show a bucket that is full. */
void bucket_report(struct bucket *b, const struct bucket_report *r, int64_t now_us,
                   int64_t wall_us);

#endif
