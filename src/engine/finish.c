/* In: runs that are over, each with its outcome. Out: their rows, written together; then they leave
 * the engine. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"

#define REFUSALS_MAX 3 /* of a finished script */

static void flush(void *ctx);

struct batch {
    struct engine *engine;
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

/* ---- an end that the database refuses: a user's trigger raises, a check fails ---- */

static void finish_again(void *ctx)
{
    struct run *r = ctx;
    LL_APPEND2(r->engine->finishing, r, finish_next);
    flush_soon(r->engine);
}

/* The job is still ours, so it cannot just be left. A script that is refused three times becomes a
 * failure with the database's words, its steps are kept; that one is repeated until it is taken, or
 * until the row is somebody else's. */
static void refused(struct run *r, const char *why)
{
    struct engine *e = r->engine;
    r->refusals++;
    if (r->refusals == 1)
        log_warn(r->name, "the database refuses the end of the job: %s", why);
    if (e->stage >= ENGINE_STOPPING) {
        run_end(r); /* closing the worker, or the next start, gives it back */
        return;
    }
    if (r->outcome == STORE_COMPLETE && r->refusals == REFUSALS_MAX) {
        free(r->error);
        r->error = mem_printf("the finished script was refused: %s", why);
        r->outcome = STORE_FAIL;
    }
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

static void settle(struct run *r, const struct store_result *result, enum store_lost how)
{
    if (how == STORE_REFUSED) {
        refused(r, result->message);
    } else if (how != STORE_HELD) {
        run_lost(r, how);
    } else {
        tell_outcome(r);
        run_end(r);
    }
}

static void on_finished(void *ctx, const struct store_result *result)
{
    struct batch *batch = ctx;
    struct engine *e = batch->engine;
    e->finish_under_way = false;
    bool all_refused = engine_store_refused(result);
    bool failed = !all_refused && engine_store_failed(e, result);
    if (failed && e->gave_up)
        drop(batch);
    else if (failed)
        put_back(e, batch);
    else
        for (size_t i = 0; i < batch->n; i++)
            settle(batch->runs[i], result, all_refused ? STORE_REFUSED : result->lost[i]);
    if (!failed && e->finishing != NULL)
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
        item->metadata = script_metadata(r->script, r->attempts + 1);
    }
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
    LL_APPEND2(r->engine->finishing, r, finish_next);
    flush_soon(r->engine);
}
