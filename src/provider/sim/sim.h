/* In: an address and a seed. Out: a faithful Messages API on that address, in this process, on
 * this loop, with a truth ledger of what each request really produced. */
#ifndef PROVIDER_SIM_SIM_H
#define PROVIDER_SIM_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"
#include "job/price.h"

struct sim;

struct sim_config {
    const char *host; /* "127.0.0.1" */
    uint16_t port;    /* 0 = any free one */
    uint64_t seed;
    double speed;            /* >= 0.01; divides durations, multiplies limits */
    const char *api_key;     /* the one it accepts; NULL = any non-empty one */
    int64_t rpm, itpm, otpm; /* per model class; 0 = the Scale tier's */
    int64_t burst_us;        /* of the buckets, 0 = 5 s */
    double ttft_median_s, ttft_p95_s, tps_median, tps_cv; /* 0 = 0.94, 2.9, 80, 0.25 */
    const struct catalog *catalog; /* borrowed: which models exist, which rules each has */
};
enum err sim_new(struct loop *loop, const struct sim_config *config, struct sim **ret_sim,
                 struct errmsg *msg) MUST_CHECK;
/* Orders faults, as POST /sim/faults does: the same JSON. ERR_INVALID says what is wrong. */
enum err sim_order_faults(struct sim *sim, const char *json, size_t n,
                          struct errmsg *msg) MUST_CHECK;
void sim_free(struct sim *sim);             /* takes NULL */
const char *sim_url(const struct sim *sim); /* "http://127.0.0.1:PORT"; borrowed */

#endif
