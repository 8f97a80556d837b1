/* In: start, stop, wake. Out: the engine's life from its lease to the last job handed back. */
#include "engine/engine.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"

#define GIVE_UP_US (5 * USEC_PER_SEC)  /* after the grace period, when the store does not answer */
#define QUIET_US   (10 * USEC_PER_SEC) /* without a failure, then the next one is told again */

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_defaults(struct engine_config *c)
{
    if (c->slots == 0)
        c->slots = 256;
    c->lease_us = or_default(c->lease_us, 15 * USEC_PER_SEC);
    c->poll_us = or_default(c->poll_us, USEC_PER_SEC);
    c->check_us = or_default(c->check_us, 500 * USEC_PER_MSEC);
    c->sweep_us = or_default(c->sweep_us, USEC_PER_SEC);
    c->text_save_us = or_default(c->text_save_us, TOKENS_SAVE_TICK_US);
    c->grace_us = or_default(c->grace_us, 500 * USEC_PER_MSEC);
    if (c->seed == 0)
        c->seed = rng_seed_from_os();
}

struct engine *engine_new(struct loop *loop, struct store *store, struct provider *provider,
                          struct pacer *pacer, const struct pipeline *pipeline,
                          const struct catalog *catalog, const struct engine_config *config,
                          engine_event_fn fn, void *ctx)
{
    struct engine *e = mem_alloc(sizeof *e);
    e->loop = loop;
    e->store = store;
    e->provider = provider;
    e->pacer = pacer;
    e->pipeline = e->current = pipeline;
    e->catalog = catalog;
    e->config = *config;
    set_defaults(&e->config);
    e->worker_name = mem_strdup(config->worker_name != NULL ? config->worker_name : "worker");
    e->fn = fn;
    e->ctx = ctx;
    e->rng = rng_seed(e->config.seed, 1);
    e->share = -1;
    e->retry_budget = 10;
    e->bytes_per_token = TOKENS_BYTES;
    e->input_ratio = 1;
    return e;
}

void engine_tell(struct engine *e, const struct engine_event *event)
{
    if (e->fn != NULL)
        e->fn(e->ctx, event);
}

void engine_tell_trouble(struct engine *e, enum err err, const char *message)
{
    engine_tell(e, &(struct engine_event){.kind = ENGINE_TROUBLE, .err = err, .message = message});
}

bool engine_store_failed(struct engine *e, const struct store_result *r)
{
    if (r->err == OK || r->err == ERR_LOST || r->err == ERR_NOT_FOUND)
        return false;
    int64_t now = loop_now(e->loop);
    bool news = e->store_failed_us == 0 || now - e->store_failed_us > QUIET_US;
    e->store_failed_us = now; /* a full disk still lets us read: success alone means little */
    bool passes = err_passes(r->err);
    if (!news && (passes || !e->store_passes))
        return true;
    e->store_passes = passes;
    engine_tell_trouble(e, r->err, r->message);
    return true;
}

bool engine_store_refused(const struct store_result *r)
{
    return r->err == ERR_INVALID || r->err == ERR_EXISTS || r->err == ERR_TOO_BIG;
}

bool engine_is_stopping(const struct engine *e)
{
    return e->stage >= ENGINE_STOPPING;
}

size_t engine_running(const struct engine *e)
{
    return e->n_runs;
}

struct engine_view engine_view(const struct engine *e)
{
    return (struct engine_view){.slots = e->config.slots,
                                .cap_per_user = e->config.cap_per_user,
                                .parked = e->parked ? pacer_parked(e->pacer, NULL) : NULL};
}

int64_t engine_leases_lost(const struct engine *e)
{
    return e->leases_lost;
}

size_t engine_limits(struct engine *e, struct pacer_view *views, size_t max,
                     const char **ret_provider)
{
    *ret_provider = provider_name(e->provider);
    return pacer_look(e->pacer, views, max, loop_now(e->loop));
}

/* ---- start ---- */

static void on_change(void *ctx)
{
    struct engine *e = ctx;
    engine_wake(e);
    lease_check_soon(e);
    scale_look_soon(e);
}

static void open_worker(void *ctx);

static void open_again(struct engine *e)
{
    if (!engine_is_stopping(e)) /* the telling may have led to a stop */
        timer_set(e->loop, &e->claim_timer, loop_now(e->loop) + USEC_PER_SEC, open_worker, e);
}

static void on_open(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    if (engine_store_failed(e, r)) {
        open_again(e);
    } else if (!engine_is_stopping(e)) {
        e->stage = ENGINE_RUNNING;
        lease_start(e);
        scale_start(e);
        share_start(e);
        store_on_change(e->store, on_change, e);
        claim_soon(e);
        batch_open(e);
    }
    engine_op_done(e);
}

static void take_lease(struct engine *e)
{
    struct store_worker w = {
        .name = e->worker_name, .lease_us = e->config.lease_us, .version = versions_current(e)};
    w.id = e->worker = uuid_new(loop_wall(e->loop));
    e->lease_until_us = loop_now(e->loop) + e->config.lease_us;
    e->ops++;
    store_worker_open(e->store, &w, on_open, e);
}

static void on_old_leases(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    if (engine_store_failed(e, r)) {
        open_again(e);
    } else if (!engine_is_stopping(e)) {
        if (r->count > 0 || r->failed > 0)
            log_info(NULL, "took over %lld job(s) of an earlier run, gave up on %lld",
                     (long long)r->count, (long long)r->failed);
        take_lease(e);
    }
    engine_op_done(e);
}

/* On a store of our own every older lease is dead; where others may live, the sweep decides. */
static void open_worker(void *ctx)
{
    struct engine *e = ctx;
    e->stage = ENGINE_OPENING;
    if (!e->config.sole) {
        take_lease(e);
        return;
    }
    e->ops++;
    store_rescue(e->store, &(struct uuid){0}, on_old_leases, e);
}

void engine_start(struct engine *e)
{
    if (e->stage != ENGINE_NEW)
        return;
    e->started = true;
    versions_open(e);
}

void versions_opened(struct engine *e)
{
    open_worker(e);
}

void engine_wake(struct engine *e)
{
    if (e->stage == ENGINE_RUNNING)
        claim_soon(e);
}

void engine_limit(struct engine *e, size_t slots, int cap_per_user)
{
    e->config.slots = slots;
    e->config.cap_per_user = cap_per_user;
    engine_wake(e);
}

void engine_spend_caps(struct engine *e, int64_t day_udollar, int64_t user_day_udollar)
{
    e->config.day_cap_udollar = day_udollar;
    e->config.user_day_cap_udollar = user_day_udollar;
    claim_try_again(e);
}

/* ---- stop ---- */

static void stopped(struct engine *e)
{
    e->stage = ENGINE_DONE;
    timer_stop(e->loop, &e->grace_timer);
    engine_tell(e, &(struct engine_event){.kind = ENGINE_STOPPED});
}

static void on_closed(void *ctx, const struct store_result *r)
{
    (void)r; /* what could not be handed back is rescued when the lease has run out */
    engine_op_done(ctx);
}

void engine_check_stopped(struct engine *e)
{
    if (e->n_runs > 0 || e->ops > 0)
        return;
    if (e->stage == ENGINE_CLOSING)
        stopped(e);
    if (e->stage != ENGINE_STOPPING)
        return;
    e->stage = ENGINE_CLOSING;
    lease_stop(e);
    share_stop(e);
    e->ops++;
    store_worker_close(e->store, &e->worker, on_closed, e);
}

/* The store answers with errors, or not at all. The first time everything is dropped and the store
 * has as long again to answer what it was asked; then the engine ends without it. */
static void give_up(void *ctx)
{
    struct engine *e = ctx;
    if (e->gave_up) {
        e->stage = ENGINE_DONE;
        engine_tell(e, &(struct engine_event){.kind = ENGINE_STOPPED});
        return;
    }
    log_warn(NULL, "the store takes nothing: %zu job(s) will be taken over by the next start",
             e->n_runs);
    e->gave_up = true;
    timer_set(e->loop, &e->grace_timer, loop_now(e->loop) + GIVE_UP_US, give_up, e);
    finish_give_up(e);
    struct run *r, *next;
    DL_FOREACH_SAFE (e->runs, r, next) {
        if (r->stage != RUN_FINISHING) { /* those wait for an answer that is on its way */
            call_abort(r);
            run_end(r);
        } else {
            (void)finish_drop_refused(r);
        }
    }
}

/* Everything that still runs is cut now, its text saved, its job handed back. */
static void on_grace_over(void *ctx)
{
    struct engine *e = ctx;
    struct run *r, *next;
    DL_FOREACH_SAFE (e->runs, r, next) {
        if (r->stage == RUN_CALLING)
            run_release(r, 0, NULL);
        else if (r->stage == RUN_FINISHING)
            (void)finish_drop_refused(r);
    }
    timer_set(e->loop, &e->grace_timer, loop_now(e->loop) + GIVE_UP_US, give_up, e);
}

static void begin_stop(void *ctx)
{
    struct engine *e = ctx;
    if (e->stage == ENGINE_DONE)
        return;
    batch_drop(e);
    if (!e->started) {
        stopped(e);
        return;
    }
    timer_set(e->loop, &e->grace_timer, loop_now(e->loop) + e->config.grace_us, on_grace_over, e);
    struct run *r, *next;
    DL_FOREACH_SAFE (e->runs, r, next) {
        if (r->stage == RUN_CALLING && r->call.stage != STAGE_STREAMING)
            run_release(r, 0, NULL);
    }
    engine_check_stopped(e);
}

/* From here on nothing begins. Runs are touched at the end of the turn: the caller may stand in the
 * middle of something that one of them tells. */
void engine_stop(struct engine *e)
{
    if (engine_is_stopping(e))
        return;
    e->stage = ENGINE_STOPPING;
    scale_stop(e);
    store_on_change(e->store, NULL, NULL);
    claim_stop(e);
    versions_stop(e);
    e->stop_task.fn = begin_stop;
    e->stop_task.ctx = e;
    loop_defer(e->loop, &e->stop_task);
}

/* ---- freeing ---- */

static void stop_timers(struct engine *e)
{
    lease_stop(e);
    scale_stop(e);
    share_stop(e);
    claim_stop(e);
    versions_stop(e);
    timer_stop(e->loop, &e->grace_timer);
    timer_stop(e->loop, &e->pacing_timer);
    timer_stop(e->loop, &e->report_timer);
    timer_stop(e->loop, &e->finish_timer);
    loop_cancel(e->loop, &e->claim_task);
    loop_cancel(e->loop, &e->pacing_task);
    loop_cancel(e->loop, &e->finish_task);
    loop_cancel(e->loop, &e->stop_task);
}

static void destroy(struct engine *e)
{
    stop_timers(e); /* the last answers may have set some again */
    versions_free(e);
    free(e->worker_name);
    free(e);
}

void engine_op_done(struct engine *e)
{
    e->ops--;
    if (e->orphan && e->ops == 0)
        destroy(e);
    else
        engine_check_stopped(e);
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    stop_timers(e);
    e->fn = NULL;
    e->orphan = true;
    batch_drop(e);
    if (e->ops == 0)
        destroy(e);
}
