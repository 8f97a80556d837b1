/* In: runs that are over, each with its outcome. Out: their rows, written together; then they leave
 * the engine. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"

static void flush(void *ctx);

struct batch {
    struct engine *engine;
    bool alone; /* one run, beside the batch of the others */
    size_t n;
    struct run *runs[];
};

static void flush_soon(struct engine *e)
{
    e->finish_task.fn = flush;
    e->finish_task.ctx = e;
    loop_defer(e->loop, &e->finish_task);
}

static void tell_outcome(struct run *r)
{
    static const enum engine_event_kind kinds[STORE_OUTCOME_MAX] = {
        [STORE_COMPLETE] = ENGINE_JOB_COMPLETED,
        [STORE_RETRY] = ENGINE_JOB_RETRY,
        [STORE_FAIL] = ENGINE_JOB_FAILED,
        [STORE_RELEASE] = ENGINE_JOB_RELEASED,
    };
    if (r->outcome == STORE_COMPLETE) {
        r->phase = PHASE_COMPLETED;
        r->shown_progress = 100;
    }
    run_tell(r, kinds[r->outcome], r->error);
}

static void put_back(struct engine *e, struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        LL_APPEND2(e->finishing, batch->runs[i], finish_next);
    timer_set(e->loop, &e->finish_timer, loop_now(e->loop) + ENGINE_STORE_RETRY_US, flush, e);
}

static void drop(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        run_end(batch->runs[i]);
}

/* A hook of the users' runs with the completion: its locks are held for no other job. */
static bool stands_alone(const struct run *r)
{
    return r->alone || (r->outcome == STORE_COMPLETE &&
                        (store_hooks(r->engine->store) & STORE_HOOK_COMPLETED) != 0);
}

/* ---- an end that the database refuses: a user's trigger raises, a check fails ---- */

static void send_alone(struct run *r);

static void finish_again(void *ctx)
{
    struct run *r = ctx;
    if (stands_alone(r)) {
        send_alone(r);
        return;
    }
    LL_APPEND2(r->engine->finishing, r, finish_next);
    flush_soon(r->engine);
}

/* The job is still ours, so it cannot just be left. A completion that is refused is an attempt that
 * failed, with the database's words; its steps are kept, so that the next one pays no call again.
 * Other ends are repeated until they are taken, or until the row is somebody else's. */
static void refused(struct run *r, const char *why)
{
    struct engine *e = r->engine;
    log_warn(r->name, "the database refuses the end of the job: %s", why);
    if (e->stage >= ENGINE_STOPPING) {
        run_end(r); /* closing the worker, or the next start, gives it back */
        return;
    }
    if (r->outcome == STORE_COMPLETE) {
        run_fail(r, ENGINE_FAIL_DATABASE, false, why);
        return;
    }
    r->refusals++;
    int doublings = r->refusals < 9 ? r->refusals : 9; /* up to two minutes */
    timer_set(e->loop, &r->store_retry, loop_now(e->loop) + (ENGINE_STORE_RETRY_US << doublings),
              finish_again, r);
}

bool finish_drop_refused(struct run *r)
{
    if (r->stage != RUN_FINISHING || !timer_is_set(&r->store_retry))
        return false;
    run_end(r);
    return true;
}

static void settle(struct run *r, const struct store_result *result, size_t i)
{
    enum store_lost how = result->lost[i];
    if (how == STORE_REFUSED) {
        refused(r,
                result->why != NULL && result->why[i] != NULL ? result->why[i] : result->message);
    } else if (how != STORE_HELD) {
        run_lost(r, how);
    } else {
        tell_outcome(r);
        run_end(r);
    }
}

/* The whole request failed: if one of its items is to blame, each by itself shows which. */
static void settle_failure(struct batch *batch, const struct store_result *result)
{
    struct engine *e = batch->engine;
    bool refusal = engine_store_refused(result);
    if (!refusal && !batch->alone) {
        put_back(e, batch);
        return;
    }
    for (size_t i = 0; i < batch->n; i++) {
        struct run *r = batch->runs[i];
        r->alone = r->alone || refusal;
        if (refusal && batch->n == 1)
            refused(r, result->message);
        else if (refusal)
            send_alone(r);
        else
            timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US,
                      finish_again, r);
    }
}

static void on_finished(void *ctx, const struct store_result *result)
{
    struct batch *batch = ctx;
    struct engine *e = batch->engine;
    if (!batch->alone)
        e->finish_under_way = false;
    bool failed = engine_store_refused(result) || engine_store_failed(e, result);
    if (failed && e->gave_up)
        drop(batch);
    else if (failed)
        settle_failure(batch, result);
    else
        for (size_t i = 0; i < batch->n; i++)
            settle(batch->runs[i], result, i);
    if (e->finishing != NULL && !timer_is_set(&e->finish_timer))
        flush_soon(e);
    free(batch);
    engine_op_done(e);
}

static void fill(struct run *r, struct store_finish *item)
{
    *item = (struct store_finish){.job = r->id,
                                  .fence = r->held.fence,
                                  .outcome = r->outcome,
                                  .error = r->error,
                                  .run_at_us = r->run_at_us};
    if (r->outcome == STORE_COMPLETE) {
        item->script = script_text(r->script);
        item->metadata = script_metadata(r->script, r->attempts + 1, r->cost_udollar);
    }
}

/* Does not wait for the batch that is under way, nor makes others wait. */
static void send_alone(struct run *r)
{
    struct batch *batch = mem_alloc(sizeof *batch + sizeof *batch->runs);
    struct store_finish item;
    batch->engine = r->engine;
    batch->alone = true;
    batch->n = 1;
    batch->runs[0] = r;
    fill(r, &item);
    r->engine->ops++;
    store_finish(r->engine->store, &item, 1, on_finished, batch);
}

static void flush(void *ctx)
{
    struct engine *e = ctx;
    if (e->finish_under_way || e->finishing == NULL)
        return;
    struct batch *batch = mem_alloc(sizeof *batch + STORE_BATCH_MAX * sizeof *batch->runs);
    struct store_finish *items = mem_array(STORE_BATCH_MAX, sizeof *items);
    batch->engine = e;
    while (e->finishing != NULL && batch->n < STORE_BATCH_MAX) {
        struct run *r = e->finishing;
        e->finishing = r->finish_next;
        r->finish_next = NULL;
        fill(r, &items[batch->n]);
        batch->runs[batch->n++] = r;
    }
    e->finish_under_way = true;
    e->ops++;
    store_finish(e->store, items, batch->n, on_finished, batch);
    free(items);
}

void finish_give_up(struct engine *e)
{
    timer_stop(e->loop, &e->finish_timer);
    while (e->finishing != NULL) {
        struct run *r = e->finishing;
        e->finishing = r->finish_next;
        run_end(r);
    }
}

void finish_run(struct run *r, enum store_outcome outcome)
{
    report_forget(r);
    timer_stop(r->engine->loop, &r->store_retry);
    r->stage = RUN_FINISHING;
    r->outcome = outcome;
    if (stands_alone(r)) {
        send_alone(r);
        return;
    }
    LL_APPEND2(r->engine->finishing, r, finish_next);
    flush_soon(r->engine);
}
