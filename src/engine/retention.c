/* In: how long ended jobs keep their texts. Out: those that are older lose them: a few rows a
 * second, so that nobody notices, and a rest after each round. */
#include "engine/retention.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define ROWS    200
#define STEP_US (500 * USEC_PER_MSEC)
#define REST_US (300 * USEC_PER_SEC)
#define TURN_US (50 * USEC_PER_MSEC)

struct retention {
    struct loop *loop;
    struct store *store;
    struct store_sweep sweep;
    struct loop_timer timer;
    int64_t round; /* jobs changed in it */
    bool asking;
};

static void step(void *ctx);

static void on_sweep(void *ctx, const struct store_result *result)
{
    struct retention *r = ctx;
    bool more = result->err == OK && result->due_left;
    r->asking = false;
    if (result->err != OK && !err_passes(result->err))
        log_error(NULL, "retention: nothing was taken, it is tried again in five minutes: %s",
                  result->message);
    r->round += result->err == OK ? result->count : 0;
    if (!more && r->round > 0) {
        log_info(NULL, "retention: %lld job(s) were older than they may be", (long long)r->round);
        r->round = 0;
    }
    timer_set(r->loop, &r->timer, loop_now(r->loop) + (more ? STEP_US : REST_US), step, r);
}

static void step(void *ctx)
{
    struct retention *r = ctx;
    r->asking = true;
    store_sweep(r->store, &r->sweep, on_sweep, r);
}

struct retention *retention_new(struct loop *loop, struct store *store,
                                const struct store_sweep *sweep)
{
    struct retention *r = mem_alloc(sizeof *r);
    r->loop = loop;
    r->store = store;
    retention_set(r, sweep);
    timer_set(loop, &r->timer, loop_now(loop) + STEP_US, step, r);
    return r;
}

void retention_set(struct retention *r, const struct store_sweep *sweep)
{
    r->sweep = *sweep;
    r->sweep.look = ROWS;
}

void retention_free(struct retention *r)
{
    if (r == NULL)
        return;
    while (r->asking)
        loop_turn(r->loop, TURN_US);
    timer_stop(r->loop, &r->timer);
    free(r);
}
