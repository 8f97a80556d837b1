/* In: a call for work on behalf of a label. Out: its jobs, claimed and started like any others, and
 * what became of each. */
#include "engine/batch.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "engine/impl.h"

#define EARLY_MAX 1000 /* batches that wait for the worker to be open */

struct batch {
    struct batch *prev, *next; /* of engine.early */
    struct engine *engine;
    struct engine_batch want;
    char *label;
    struct engine_batch_job *jobs;
    size_t n, left;
};

static void tell(struct batch *b, enum engine_batch_stage stage, const struct store_result *r)
{
    if (b->engine->orphan)
        return; /* whom it was to be told has gone before the engine */
    struct engine_batch_result result = {
        .stage = stage, .err = OK, .message = "", .n = b->n, .jobs = b->jobs};
    if (r != NULL) {
        result.err = r->err;
        result.message = r->message;
        result.paused = r->paused;
        result.due_left = r->due_left;
    }
    b->want.fn(b->want.ctx, &result);
}

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->jobs[i].error);
    free(b->jobs);
    free(b->label);
    free(b);
}

struct uuid batch_id(const struct batch *b)
{
    return b != NULL ? b->want.id : (struct uuid){0};
}

/* ---- the jobs end ---- */

static void settle(struct engine_batch_job *job, const struct engine_event *ev)
{
    static const char *const fallback[ENGINE_EVENT_MAX] = {
        [ENGINE_JOB_RETRY] = "failed",
        [ENGINE_JOB_FAILED] = "failed",
        [ENGINE_JOB_RELEASED] = "handed back",
        [ENGINE_JOB_LOST] = "lost",
    };
    job->settled = true;
    job->success = ev->kind == ENGINE_JOB_COMPLETED;
    job->should_retry = ev->kind == ENGINE_JOB_RETRY || ev->kind == ENGINE_JOB_RELEASED;
    job->worked_us = ev->worked_us;
    if (!job->success)
        job->error = mem_strdup(ev->message != NULL ? ev->message : fallback[ev->kind]);
}

void batch_event(struct batch *b, size_t at, const struct engine_event *ev)
{
    if (b == NULL || b->jobs[at].settled)
        return;
    if (ev->kind == ENGINE_JOB_COMPLETED || ev->kind == ENGINE_JOB_RETRY ||
        ev->kind == ENGINE_JOB_FAILED || ev->kind == ENGINE_JOB_RELEASED ||
        ev->kind == ENGINE_JOB_LOST)
        settle(&b->jobs[at], ev);
}

void batch_left(struct batch *b, size_t at)
{
    static const struct engine_event given_up = {
        .kind = ENGINE_JOB_RELEASED,
        .message = "the database takes nothing; another worker takes the job over"};
    if (b == NULL)
        return;
    if (!b->jobs[at].settled)
        settle(&b->jobs[at], &given_up);
    b->engine->n_batched--;
    if (--b->left > 0)
        return;
    tell(b, BATCH_SETTLED, NULL);
    batch_free(b);
}

/* ---- the jobs come ---- */

static void start(struct batch *b, const struct store_result *r)
{
    struct engine *e = b->engine;
    b->n = b->left = r->n;
    b->jobs = mem_array(r->n > 0 ? r->n : 1, sizeof *b->jobs);
    for (size_t i = 0; i < r->n; i++)
        b->jobs[i].id = r->claimed[i].id;
    tell(b, BATCH_CLAIMED, r);
    if (b->n == 0) {
        batch_free(b);
        return;
    }
    e->n_batched += b->n;
    b->left++; /* until all are started */
    for (size_t i = 0; i < r->n; i++)
        run_start_in(e, &r->claimed[i], b, i);
    tell(b, BATCH_STARTED, NULL);
    if (--b->left == 0) {
        tell(b, BATCH_SETTLED, NULL);
        batch_free(b);
    }
}

static void on_claimed(void *ctx, const struct store_result *r)
{
    struct batch *b = ctx;
    struct engine *e = b->engine;
    if (r->err == ERR_LOST)
        lease_renew_soon(e); /* finds out, and starts over */
    if (r->err == OK && !e->gave_up) {
        start(b, r);
    } else {
        tell(b, BATCH_CLAIMED, r);
        batch_free(b);
    }
    engine_op_done(e);
}

static void refuse(struct batch *b)
{
    tell(b, BATCH_CLAIMED,
         &(struct store_result){.err = engine_is_stopping(b->engine) ? ERR_CLOSED : ERR_CONNECT,
                                .message = "the database has not answered this worker"});
    batch_free(b);
}

static void claim(struct batch *b)
{
    struct engine *e = b->engine;
    struct store_claim wanted = {.worker = e->worker,
                                 .max = STORE_BATCH_MAX,
                                 .cap_per_user = e->config.cap_per_user,
                                 .label = b->label,
                                 .label_cap = b->want.cap};
    e->ops++;
    store_claim(e->store, &wanted, on_claimed, b);
}

void batch_open(struct engine *e)
{
    struct batch *b, *next;
    DL_FOREACH_SAFE (e->early, b, next) {
        DL_DELETE(e->early, b);
        claim(b);
    }
}

void batch_drop(struct engine *e)
{
    struct batch *b, *next;
    DL_FOREACH_SAFE (e->early, b, next) {
        DL_DELETE(e->early, b);
        refuse(b);
    }
}

/* A daemon listens before its worker is open: who calls in between waits for it. */
void engine_run_batch(struct engine *e, const struct engine_batch *want)
{
    struct batch *b = mem_alloc(sizeof *b), *other;
    *b = (struct batch){.engine = e, .want = *want, .label = mem_strdup(want->label)};
    size_t waiting = 0;
    DL_COUNT(e->early, other, waiting);
    if (e->stage == ENGINE_RUNNING && lease_held(e))
        claim(b);
    else if ((e->stage == ENGINE_NEW || e->stage == ENGINE_OPENING) && waiting < EARLY_MAX)
        DL_APPEND(e->early, b);
    else
        refuse(b);
}
