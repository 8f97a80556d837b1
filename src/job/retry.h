/* In: how an attempt or a call failed, how often, a random number. Out: when to try again. Pure. */
#ifndef JOB_RETRY_H
#define JOB_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

/* A job's attempts: 5 s, 10 s, 20 s ... up to 10 min, +-20 %. `attempts` failed so far (1..). */
int64_t retry_job_delay_us(int attempts, struct rng *rng);

/* A model call's tries, as the provider's official SDK does (min(0.5 * 2^n, 8) s, less up to 25 %),
 * `tries` failed so far (1..). retry_after_us >= 0: the server's wish, clamped to RETRY_AFTER_MAX;
 * < 0: none. */
#define RETRY_AFTER_MAX_US ((int64_t)3600 * 1000000)
int64_t retry_call_delay_us(int tries, int64_t retry_after_us, struct rng *rng);

/* Waiting longer than this gives the job's slot back. */
#define RETRY_HOLD_MAX_US ((int64_t)60 * 1000000)

/* Reads retry-after-ms, else retry-after (float seconds or an HTTP date) as microseconds from
 * wall_us; clamped to 0..RETRY_AFTER_MAX; -1 when absent or senseless (negative, NaN). Arguments
 * may be NULL. */
int64_t retry_after_parse(const char *retry_after_ms, const char *retry_after, int64_t wall_us);

#endif
