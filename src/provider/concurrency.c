/* In: overload events and time. Out: the number of calls allowed at once. */
#include "provider/concurrency.h"

#include <math.h>

#include "base/clock.h"

/* From a cut to half, what ran at first is back after thirty seconds. */
#define RECOVER_S 60.0

static double growth_per_second(const struct concurrency *c)
{
    return fmax(1.0, c->peak / RECOVER_S);
}

static void grow(struct concurrency *c, int64_t now_us)
{
    if (c->allowed <= 0 || now_us <= c->at_us)
        return;
    double seconds = (double)(now_us - c->at_us) / (double)USEC_PER_SEC;
    c->allowed += seconds * growth_per_second(c);
    c->at_us = now_us;
    if (c->allowed > 2 * c->peak)
        c->allowed = 0;
}

int64_t concurrency_when(struct concurrency *c, int running, int64_t now_us)
{
    if (c->max > 0 && running >= c->max)
        return INT64_MAX;
    grow(c, now_us);
    double missing = (double)running + 1 - c->allowed;
    if (c->allowed <= 0 || missing <= 1e-9)
        return now_us;
    return now_us + (int64_t)ceil(missing / growth_per_second(c) * (double)USEC_PER_SEC);
}

void concurrency_cut(struct concurrency *c, int running, int64_t now_us)
{
    grow(c, now_us);
    bool cut_before = c->allowed > 0;
    if (cut_before && now_us - c->cut_us < USEC_PER_SEC)
        return;
    double level = cut_before ? fmin(c->allowed, running) : running;
    if (!cut_before || level > c->peak)
        c->peak = level;
    c->allowed = fmax(1.0, level / 2);
    c->at_us = now_us;
    c->cut_us = now_us;
}
