/* In: takes, returns, header reports, time. Out: the level of one limit's bucket. */
#include "provider/bucket.h"

#include <math.h>

#include "base/clock.h"

#define USEC_PER_MIN (60 * USEC_PER_SEC)

/* A reset further from our clock than this says more about the clocks than about the bucket. */
#define RESET_PAST_MAX_US (2 * USEC_PER_SEC)
#define BURST_MIN_US      (100 * USEC_PER_MSEC)
#define NO_PART_US        (500 * USEC_PER_MSEC) /* nothing is ours: ask again then */

void bucket_init(struct bucket *b, int64_t per_minute, int64_t burst_us, int64_t now_us)
{
    *b = (struct bucket){.per_minute = per_minute,
                         .part = -1,
                         .burst_us = burst_us,
                         .burst_min_us = BURST_MIN_US,
                         .at_us = now_us};
    b->level = bucket_capacity(b);
}

/* Of the limit, what is ours. */
static double ours(const struct bucket *b)
{
    return (double)(b->part >= 0 && b->part < b->per_minute ? b->part : b->per_minute);
}

double bucket_per_second(const struct bucket *b)
{
    return ours(b) / 60.0;
}

double bucket_capacity(const struct bucket *b)
{
    double tokens = ours(b) * (double)b->burst_us / (double)USEC_PER_MIN;
    return fmax(tokens, 1.0);
}

void bucket_refill(struct bucket *b, int64_t now_us)
{
    if (now_us > b->at_us) {
        double seconds = (double)(now_us - b->at_us) / (double)USEC_PER_SEC;
        b->level = fmin(b->level + seconds * bucket_per_second(b), bucket_capacity(b));
        b->at_us = now_us;
    }
}

void bucket_set_limit(struct bucket *b, int64_t per_minute, int64_t now_us)
{
    bool known = b->per_minute > 0;
    bucket_refill(b, now_us);
    b->per_minute = per_minute;
    b->level = known ? fmin(b->level, bucket_capacity(b)) : bucket_capacity(b);
}

void bucket_set_part(struct bucket *b, int64_t part, int64_t now_us)
{
    bucket_refill(b, now_us);
    b->part = part;
    b->level = fmin(b->level, bucket_capacity(b));
}

int64_t bucket_when(struct bucket *b, double need, int64_t now_us)
{
    if (need <= 0)
        return now_us;
    bucket_refill(b, now_us);
    double gap = b->per_minute == 0 ? 0 : fmin(need, bucket_capacity(b)) - b->level;
    int64_t at = now_us;
    if (b->per_minute > 0 && b->part == 0)
        at += NO_PART_US;
    else if (gap > 1e-6) /* far below one token: only what rounding left over */
        at += (int64_t)ceil(gap / bucket_per_second(b) * (double)USEC_PER_SEC);
    return at > b->frozen_until_us ? at : b->frozen_until_us;
}

void bucket_take(struct bucket *b, double tokens, int64_t now_us)
{
    if (b->per_minute == 0)
        return;
    bucket_refill(b, now_us);
    b->level -= tokens;
    if (b->debt_us > 0)
        b->level =
            fmax(b->level, -(double)b->debt_us * bucket_per_second(b) / (double)USEC_PER_SEC);
}

void bucket_give(struct bucket *b, double tokens, int64_t now_us)
{
    if (b->per_minute == 0)
        return;
    bucket_refill(b, now_us);
    b->level = fmin(b->level + tokens, bucket_capacity(b));
}

void bucket_correct(struct bucket *b, int64_t taken, int64_t truth, int64_t now_us)
{
    if (truth > taken)
        bucket_take(b, (double)(truth - taken), now_us);
    else if (truth < taken)
        bucket_give(b, (double)(taken - truth), now_us);
}

void bucket_freeze(struct bucket *b, int64_t until_us, double holds, int64_t now_us)
{
    bucket_refill(b, now_us);
    if (now_us >= b->frozen_until_us)
        b->burst_us = b->burst_us / 2 > b->burst_min_us ? b->burst_us / 2 : b->burst_min_us;
    double wait = (double)(until_us - now_us) / (double)USEC_PER_SEC;
    b->level = fmin(b->level, holds - wait * bucket_per_second(b));
    if (until_us > b->frozen_until_us)
        b->frozen_until_us = until_us;
}

/* Full: nothing is missing, or the time of full replenishment has just come and what remains
 * covers all that we would ever take at once. */
static bool told_full(const struct bucket *b, const struct limit_report *told, int64_t wall_us)
{
    if (told->limit > 0 && told->remaining >= told->limit)
        return true;
    int64_t past = wall_us - told->reset_us;
    return told->reset_us > 0 && past >= 0 && past <= RESET_PAST_MAX_US &&
           (double)told->remaining >= bucket_capacity(b);
}

void bucket_report(struct bucket *b, const struct bucket_report *r, int64_t now_us, int64_t wall_us)
{
    if (r->told.limit > 0 && r->told.limit != b->per_minute)
        bucket_set_limit(b, r->told.limit, now_us);
    if (r->told.remaining < 0 || b->per_minute == 0)
        return;
    bucket_refill(b, now_us);
    if (told_full(b, &r->told, wall_us)) {
        b->level = fmax(b->level, bucket_capacity(b) - r->in_flight);
        return;
    }
    /* What they can hold at most by now: the rest they told, and the refill since. */
    double age = now_us > r->at_us ? (double)(now_us - r->at_us) / (double)USEC_PER_SEC : 0;
    double most = (double)r->told.remaining + r->rounding + age * bucket_per_second(b);
    b->level = fmin(b->level, most);
}
