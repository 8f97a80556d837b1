/* In: a call that would pass a cap on spending. Out: its job, which waits until the day turns or
 * the cap is raised, and an operator who knows. */
#include <stdio.h>

#include "base/clock.h"
#include "engine/impl.h"

#define DAY_US    (86400 * USEC_PER_SEC)
#define AGAIN_US  (600 * USEC_PER_SEC) /* the cap may have been raised meanwhile */
#define SPREAD_US (10 * USEC_PER_SEC)  /* jobs that were put off come back one after the other */

static void describe(char *out, size_t size, const char *whose, int64_t cap_udollar)
{
    (void)snprintf(out, size,
                   ENGINE_SPEND_CAP
                   "%s model calls of today (UTC) reach the $%.2f of %s; it goes on "
                   "when the day turns or the cap is raised",
                   whose, (double)cap_udollar / 1e6,
                   whose[0] == 't' ? "budget.per_user_per_day_usd" : "budget.per_day_usd");
}

/* One user's cap holds up that user's jobs only. */
static void put_off(struct run *r, const char *why)
{
    struct engine *e = r->engine;
    int64_t wait_us = DAY_US - claim_wall(e) % DAY_US;
    if (wait_us > AGAIN_US)
        wait_us = AGAIN_US;
    wait_us += (int64_t)(rng_unit(&e->rng) * (double)SPREAD_US);
    run_release(r, wait_us, why);
}

void spend_capped(struct run *r, enum store_cap cap)
{
    struct engine *e = r->engine;
    char why[256];
    if (cap == STORE_CAP_USER) {
        describe(why, sizeof why, "this user's", e->config.user_day_cap_udollar);
        put_off(r, why);
        return;
    }
    describe(why, sizeof why, "all", e->config.day_cap_udollar);
    claim_park(e, why, true); /* nothing is claimed meanwhile; it looks again each minute */
    run_release(r, call_park_wait(e), why);
}
