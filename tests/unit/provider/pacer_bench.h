/* In: nothing. Out: what tests of the pacer share: a fake clock's start, and ends as they come from
 * a provider that tells nothing. */
#ifndef TESTS_PACER_BENCH_H
#define TESTS_PACER_BENCH_H

#include "base/clock.h"
#include "provider/pacer.h"

#define T0    (1000 * USEC_PER_SEC)
#define WALL0 ((int64_t)1795000000 * USEC_PER_SEC)
#define S     USEC_PER_SEC

static inline struct rate_report nothing_told(void)
{
    struct limit_report none = {-1, -1, -1};
    return (struct rate_report){none, none, none, 0};
}

static inline struct provider_end end_of(enum call_class class, int status)
{
    return (struct provider_end){.class = class,
                                 .sent = true,
                                 .http_status = status,
                                 .retry_after_us = -1,
                                 .should_retry = -1,
                                 .text = "",
                                 .served_model = "",
                                 .request_id = "",
                                 .error = "trouble",
                                 .rates = nothing_told()};
}

#endif
