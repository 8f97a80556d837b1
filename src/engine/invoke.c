/* In: a call of the function. Out: its jobs, its log lines, its record. */
#include "engine/invoke.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_history.h"

#define KEEP_DEFAULT  10000
#define CLAIM_US      (20 * USEC_PER_SEC) /* for the store to answer */
#define CONTRACT_LINE 256
#define BUILD_SIZE    96

enum { STATUS_DONE = 200, STATUS_ACCEPTED = 202, STATUS_FAILED = 500 };

struct invoker {
    struct loop *loop;
    struct store *store;
    struct engine *engine;
    struct journal *journal;
    char *worker, *version;
    int limit;
    int64_t keep;
    struct call *calls; /* under way */
};

struct call {
    struct call *prev, *next;
    struct invoker *inv;
    struct invoke want;
    char *caller, *label, *error;
    int64_t started_us; /* loop clock */
    struct loop_timer silence;
    struct store_invocation row;
    char build[BUILD_SIZE];
};

static void call_free_unlinked(struct call *c)
{
    timer_stop(c->inv->loop, &c->silence);
    free(c->caller);
    free(c->label);
    free(c->error);
    free(c);
}

static void call_free(struct call *c)
{
    DL_DELETE(c->inv->calls, c);
    call_free_unlinked(c);
}

/* ---- records ---- */

static void on_saved(void *ctx, const struct store_result *r)
{
    (void)ctx;
    (void)r; /* the journal has it all the same */
}

static void save(struct call *c)
{
    c->row.error = c->error;
    store_invocation_save(c->inv->store, &c->row, c->inv->keep, on_saved, NULL);
}

static void put_line(const struct call *c, enum log_level level, const char *details,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void put_line(const struct call *c, enum log_level level, const char *details,
                     const char *fmt, ...)
{
    char message[CONTRACT_LINE];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    journal_put(c->inv->journal, &(struct journal_line){.level = level,
                                                        .invocation = c->row.id,
                                                        .event = "invocation",
                                                        .message = message,
                                                        .details = details});
}

/* The caller's wait is over: what happens later does not change its answer. */
static void answered(struct call *c, int status)
{
    timer_stop(c->inv->loop, &c->silence);
    if (c->row.status != 0)
        return;
    c->row.status = status;
    c->row.duration_us = loop_now(c->inv->loop) - c->started_us;
}

static void fail(struct call *c, const char *details)
{
    if (c->row.status == 0) {
        c->error = mem_strdup(details);
        put_line(c, LOG_ERROR, details, "Database error");
    }
    answered(c, STATUS_FAILED);
}

/* ---- the batch ---- */

static void tell(struct call *c, enum invoke_stage stage, const struct engine_batch_result *r)
{
    struct invoke_result result = {.stage = stage,
                                   .id = c->row.id,
                                   .err = r->err,
                                   .message = r->message,
                                   .paused = r->paused,
                                   .due_left = r->due_left,
                                   .n = r->n,
                                   .jobs = r->jobs,
                                   .succeeded = c->row.succeeded,
                                   .failed = c->row.failed};
    c->want.fn(c->want.ctx, &result);
}

static void claimed(struct call *c, const struct engine_batch_result *r)
{
    c->row.processed = (int)r->n;
    c->row.settled = r->n == 0;
    if (r->err != OK)
        fail(c, r->message);
    else if (r->n > 0)
        put_line(c, LOG_INFO, NULL, "📋 Found %zu pending job(s) to process concurrently", r->n);
    else if (r->paused)
        put_line(c, LOG_INFO, NULL, "Nothing is claimed: paused");
    else if (r->due_left)
        put_line(c, LOG_INFO, NULL, "All jobs already being processed");
    else
        put_line(c, LOG_INFO, NULL, "✅ No pending script jobs found");
    timer_stop(c->inv->loop, &c->silence); /* the jobs take as long as they take */
    if (r->n == 0 || c->want.async)
        answered(c, r->n > 0 ? STATUS_ACCEPTED : STATUS_DONE);
    save(c);
    tell(c, INVOKE_CLAIMED, r);
    if (r->n == 0)
        call_free(c);
}

static void settled(struct call *c, const struct engine_batch_result *r)
{
    for (size_t i = 0; i < r->n; i++)
        *(r->jobs[i].success ? &c->row.succeeded : &c->row.failed) += 1;
    c->row.settled = true;
    put_line(c, LOG_INFO, NULL, "✅ Batch complete: %d succeeded, %d failed", c->row.succeeded,
             c->row.failed);
    answered(c, STATUS_DONE);
    save(c);
    tell(c, INVOKE_SETTLED, r);
    call_free(c);
}

static void on_batch(void *ctx, const struct engine_batch_result *r)
{
    struct call *c = ctx;
    if (r->stage == BATCH_CLAIMED)
        claimed(c, r);
    else if (r->stage == BATCH_STARTED)
        put_line(c, LOG_INFO, NULL, "🚀 Processing %zu job(s) in parallel...", r->n);
    else
        settled(c, r);
}

/* The claim may still come: then the jobs run as if the caller had gone. */
static void on_silence(void *ctx)
{
    struct call *c = ctx;
    static const struct engine_batch_result silence = {
        .err = ERR_TIMEOUT, .message = "the database has not answered in time"};
    fail(c, silence.message);
    tell(c, INVOKE_SILENT, &silence);
}

/* ---- the call ---- */

/* The program, and what new jobs are made by: "1.2.0 pipeline 3". */
static const char *build_of(const struct invoker *inv, char *out)
{
    const char *name;
    int pipeline = engine_pipeline(inv->engine, &name);
    if (pipeline >= 0)
        (void)snprintf(out, BUILD_SIZE, "%.60s pipeline %d", inv->version, pipeline);
    else
        (void)snprintf(out, BUILD_SIZE, "%.80s", inv->version);
    return out;
}

static const char *label_or_default(const char *label)
{
    return label != NULL && label[0] != '\0' ? label : "default";
}

void invoke(struct invoker *inv, const struct invoke *want)
{
    struct call *c = mem_alloc(sizeof *c);
    int64_t now = loop_wall(inv->loop);
    *c = (struct call){.inv = inv,
                       .want = *want,
                       .caller = mem_strdup(want->caller),
                       .label = mem_strdup(label_or_default(want->label)),
                       .started_us = loop_now(inv->loop)};
    c->row = (struct store_invocation){.id = uuid_new(now),
                                       .at_us = now,
                                       .caller = c->caller,
                                       .label = c->label,
                                       .worker = inv->worker,
                                       .version = build_of(inv, c->build)};
    DL_APPEND(inv->calls, c);
    timer_set(inv->loop, &c->silence, loop_now(inv->loop) + CLAIM_US, on_silence, c);
    engine_run_batch(
        inv->engine,
        &(struct engine_batch){
            .id = c->row.id, .label = c->label, .cap = inv->limit, .fn = on_batch, .ctx = c});
}

void invoke_refused(struct invoker *inv, const char *caller, const char *label, int status,
                    const char *why)
{
    int64_t now = loop_wall(inv->loop);
    char build[BUILD_SIZE];
    struct store_invocation row = {.id = uuid_new(now),
                                   .at_us = now,
                                   .status = status,
                                   .settled = true,
                                   .caller = caller,
                                   .label = label_or_default(label),
                                   .worker = inv->worker,
                                   .version = build_of(inv, build),
                                   .error = why};
    store_invocation_save(inv->store, &row, inv->keep, on_saved, NULL);
}

struct invoker *invoker_new(struct loop *loop, struct store *store, struct engine *engine,
                            const struct invoker_config *config)
{
    struct invoker *inv = mem_alloc(sizeof *inv);
    *inv = (struct invoker){.loop = loop,
                            .store = store,
                            .engine = engine,
                            .journal = config->journal,
                            .worker = mem_strdup(config->worker),
                            .version = mem_strdup(config->version),
                            .limit = 1,
                            .keep = config->keep > 0 ? config->keep : KEEP_DEFAULT};
    return inv;
}

void invoker_limit(struct invoker *inv, int limit)
{
    inv->limit = limit;
}

void invoker_free(struct invoker *inv)
{
    struct call *c, *next;
    if (inv == NULL)
        return;
    DL_FOREACH_SAFE (inv->calls, c, next)
        call_free_unlinked(c);
    free(inv->worker);
    free(inv->version);
    free(inv);
}
