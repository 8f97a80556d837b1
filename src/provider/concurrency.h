/* In: calls begun and refused for overload, time. Out: how many calls may run at once (additive
 * increase, multiplicative decrease). Pure. */
#ifndef PROVIDER_CONCURRENCY_H
#define PROVIDER_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

struct concurrency {
    int max;        /* never more than this; 0 = no bound */
    double allowed; /* as of at_us; 0 = not cut, only `max` holds */
    double peak;    /* what ran when the trouble began; growth is in proportion to it */
    int64_t at_us, cut_us;
};

/* When one more may start beside `running`: now_us, a later time, or INT64_MAX (one must end). */
int64_t concurrency_when(struct concurrency *c, int running, int64_t now_us);
/* The provider is overloaded: half as many, at most once a second. */
void concurrency_cut(struct concurrency *c, int running, int64_t now_us);

#endif
