/* In: the worker's lease, other workers' leases, the jobs we hold. Out: a renewed lease, rescued
 * jobs of the dead, an end to runs that are no longer ours. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"

#define LOOK_REST_US 100 /* after a look, for each job that was looked at */

static void renew(void *ctx);
static void sweep(void *ctx);
static void check(void *ctx);

bool lease_held(const struct engine *e)
{
    return loop_now(e->loop) < e->lease_until_us;
}

void lease_start(struct engine *e)
{
    int64_t now = loop_now(e->loop);
    timer_set(e->loop, &e->renew_timer, now + e->config.lease_us / 3, renew, e);
    timer_set(e->loop, &e->sweep_timer, now + e->config.sweep_us, sweep, e);
    timer_set(e->loop, &e->check_timer, now + e->config.check_us, check, e);
}

void lease_stop(struct engine *e)
{
    timer_stop(e->loop, &e->renew_timer);
    timer_stop(e->loop, &e->sweep_timer);
    timer_stop(e->loop, &e->check_timer);
}

/* ---- our own lease ---- */

static void on_reopened(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    e->renewing = false;
    if (engine_store_failed(e, r))
        e->lease_until_us = 0; /* the next renewal finds that there is none */
    else
        e->lease_lost = false;
    claim_soon(e);
    engine_op_done(e);
}

/* A rescuer thought us dead: every job we ran is somebody else's now. Start over as a new worker.
 */
static void start_over(struct engine *e)
{
    struct run *run, *next;
    DL_FOREACH_SAFE (e->runs, run, next) {
        if (run->stage != RUN_FINISHING) /* a finish answers for itself */
            run_lost(run, STORE_REPLACED);
    }
    if (!e->lease_lost) {
        e->leases_lost++;
        log_warn(NULL, "the lease was lost: another worker has taken over our jobs");
    }
    e->lease_lost = true;
    struct store_worker w = {
        .name = e->worker_name, .lease_us = e->config.lease_us, .version = versions_current(e)};
    w.id = e->worker = uuid_new(loop_wall(e->loop));
    e->lease_until_us = loop_now(e->loop) + e->config.lease_us;
    e->ops++;
    e->renewing = true;
    store_worker_open(e->store, &w, on_reopened, e);
}

struct renewal {
    struct engine *engine;
    int64_t sent_us;
};

static void on_renewed(void *ctx, const struct store_result *r)
{
    struct renewal *renewal = ctx;
    struct engine *e = renewal->engine;
    e->renewing = false;
    bool was_held = lease_held(e);
    if (r->err == OK) {
        e->lease_until_us = renewal->sent_us + e->config.lease_us;
        e->lease_lost = false; /* the answer to its opening was */
    } else if (r->err == ERR_LOST && !engine_is_stopping(e)) {
        start_over(e);
    } else {
        (void)engine_store_failed(e, r);
    }
    free(renewal);
    if (!was_held && lease_held(e)) {
        claim_soon(e);
        pace_soon(e);
    }
    engine_op_done(e);
}

static void renew(void *ctx)
{
    struct engine *e = ctx;
    timer_set(e->loop, &e->renew_timer, loop_now(e->loop) + e->config.lease_us / 3, renew, e);
    if (e->renewing)
        return;
    struct renewal *renewal = mem_alloc(sizeof *renewal);
    *renewal = (struct renewal){.engine = e, .sent_us = loop_now(e->loop)};
    e->renewing = true;
    e->ops++;
    store_worker_renew(e->store, &e->worker, on_renewed, renewal);
}

/* ---- the leases of others ---- */

static void on_swept(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    e->sweeping = false;
    if (!engine_store_failed(e, r) && r->count + r->failed > 0) {
        log_info(NULL, "rescued %lld job(s) of dead workers, gave up on %lld", (long long)r->count,
                 (long long)r->failed);
        claim_soon(e);
    }
    engine_op_done(e);
}

static void sweep(void *ctx)
{
    struct engine *e = ctx;
    timer_set(e->loop, &e->sweep_timer, loop_now(e->loop) + e->config.sweep_us, sweep, e);
    if (e->sweeping || e->config.sole || !lease_held(e))
        return;
    e->sweeping = true;
    e->ops++;
    store_rescue(e->store, &e->worker, on_swept, e);
}

/* ---- the jobs we hold: clients cancel, delete and re-run them by writing their rows ---- */

struct look {
    struct engine *engine;
    size_t n;
    struct run *runs[];
};

static void on_checked(void *ctx, const struct store_result *r)
{
    struct look *look = ctx;
    struct engine *e = look->engine;
    e->checking--;
    bool failed = engine_store_failed(e, r);
    for (size_t i = 0; i < look->n; i++) {
        struct run *run = look->runs[i];
        if (!failed && i < r->n && r->lost[i] != STORE_HELD && run->stage != RUN_GONE &&
            run->stage != RUN_FINISHING)
            run_lost(run, r->lost[i]);
        run_op_done(run);
    }
    free(look);
    engine_op_done(e);
}

/* One look at up to STORE_BATCH_MAX runs from `run` on; returns where to go on. */
static struct run *look_from(struct engine *e, struct run *run)
{
    struct look *look = mem_alloc(sizeof *look + STORE_BATCH_MAX * sizeof *look->runs);
    struct store_held *held = mem_array(STORE_BATCH_MAX, sizeof *held);
    look->engine = e;
    for (; run != NULL && look->n < STORE_BATCH_MAX; run = run->next) {
        if (run->stage == RUN_FINISHING)
            continue;
        run_op_begin(run);
        held[look->n] = run->held;
        look->runs[look->n++] = run;
    }
    if (look->n > 0) {
        e->checking++;
        e->ops++;
        store_check(e->store, held, look->n, on_checked, look);
    } else {
        free(look);
    }
    free(held);
    return run;
}

static void check(void *ctx)
{
    struct engine *e = ctx;
    timer_set(e->loop, &e->check_timer, loop_now(e->loop) + e->config.check_us, check, e);
    if (e->checking > 0)
        return;
    e->checked_us = loop_now(e->loop);
    for (struct run *run = e->runs; run != NULL;)
        run = look_from(e, run);
}

void lease_renew_soon(struct engine *e)
{
    if (timer_is_set(&e->renew_timer))
        timer_set(e->loop, &e->renew_timer, loop_now(e->loop), renew, e);
}

/* At once, unless so many jobs were looked at a moment ago that each hint would cost more than it
 * is worth: the timer comes in any case. */
void lease_check_soon(struct engine *e)
{
    int64_t now = loop_now(e->loop), rest_us = (int64_t)e->n_runs * LOOK_REST_US;
    if (rest_us > e->config.check_us)
        rest_us = e->config.check_us;
    int64_t due = e->checked_us + rest_us > now ? e->checked_us + rest_us : now;
    if (timer_is_set(&e->check_timer))
        timer_set(e->loop, &e->check_timer, due, check, e);
}
