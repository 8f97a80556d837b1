/* In: POST /functions/v1/process-script-jobs. Out: jobs claimed for the caller's worker id and
 * worked off; the answer when all have ended, or at once for callers that do not wait. The words of
 * the answers and of the log are a contract: docs/function-endpoint.md. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "engine/batch.h"
#include "engine/journal.h"
#include "text/utf8.h"

#define BODY_MAX      ((size_t)1 << 20)
#define CLAIM_US      (20 * USEC_PER_SEC) /* for the store to answer */
#define CALLER_MAX    64
#define CONTRACT_LINE 256

struct call {                 /* one invocation; outlives its caller */
    struct call *prev, *next; /* in api.calls */
    struct api *api;
    struct api_request *rq; /* NULL: nobody waits any more */
    bool async;             /* the caller does not wait for the jobs */
    bool answered;
    char *caller, *label, *error;
    int64_t started_us; /* loop clock */
    struct store_invocation row;
    char build[API_BUILD_SIZE];
};

static void call_free(struct call *c)
{
    DL_DELETE(c->api->calls, c);
    free(c->caller);
    free(c->label);
    free(c->error);
    free(c);
}

void functions_end(struct api *api)
{
    while (api->calls != NULL)
        call_free(api->calls);
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
    store_invocation_save(c->api->store, &c->row, c->api->keep_invocations, on_saved, NULL);
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
    journal_put(c->api->journal, &(struct journal_line){.level = level,
                                                        .invocation = c->row.id,
                                                        .event = "invocation",
                                                        .message = message,
                                                        .details = details});
}

/* ---- answers ---- */

/* Ends the caller's wait: what happens later is only recorded. */
static void answer(struct call *c, int status, const struct buf *body)
{
    struct api_request *rq = c->rq != NULL ? api_request_told(c->rq) : NULL;
    c->rq = NULL;
    if (c->answered)
        return;
    c->answered = true;
    c->row.status = status;
    c->row.duration_us = loop_now(c->api->loop) - c->started_us;
    if (rq != NULL)
        api_answer_json(rq, status, body);
}

static void answer_error(struct call *c, const char *details)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_puts(&out, "{\"error\":\"Database error\",\"details\":");
    json_put_string(&out, details, strlen(details));
    buf_puts(&out, "}");
    free(c->error);
    c->error = mem_strdup(details);
    put_line(c, LOG_ERROR, details, "Database error");
    answer(c, 500, &out);
    buf_free(&out);
}

static void answer_nothing(struct call *c, const char *message, const char *more)
{
    struct buf out = BUF_INIT(256);
    buf_putf(&out, "{\"message\":\"%s\",\"processed\":0%s}", message, more);
    answer(c, 200, &out);
    buf_free(&out);
}

static void answer_accepted(struct call *c, const struct engine_batch_result *r)
{
    char id[UUID_TEXT_SIZE];
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_putf(&out, "{\"message\":\"Batch accepted\",\"processed\":%zu,\"jobs\":[", r->n);
    for (size_t i = 0; i < r->n; i++)
        buf_putf(&out, "%s\"%s\"", i > 0 ? "," : "", uuid_text(&r->jobs[i].id, id));
    buf_puts(&out, "]}");
    answer(c, 202, &out);
    buf_free(&out);
}

static void put_result(struct buf *out, const struct engine_batch_job *job)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, "{\"jobId\":\"%s\",\"status\":\"fulfilled\",\"success\":%s",
             uuid_text(&job->id, id), job->success ? "true" : "false");
    if (job->success) {
        buf_putf(out, ",\"processingTime\":%lld", (long long)(job->worked_us / USEC_PER_SEC));
    } else {
        buf_puts(out, ",\"error\":");
        json_put_string(out, job->error, strlen(job->error));
        buf_putf(out, ",\"shouldRetry\":%s", job->should_retry ? "true" : "false");
    }
    buf_puts(out, "}");
}

static void answer_results(struct call *c, const struct engine_batch_result *r)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_putf(&out,
             "{\"message\":\"Batch processing complete\",\"processed\":%zu,\"succeeded\":%d,"
             "\"failed\":%d,\"results\":[",
             r->n, c->row.succeeded, c->row.failed);
    for (size_t i = 0; i < r->n; i++) {
        if (i > 0)
            buf_puts(&out, ",");
        put_result(&out, &r->jobs[i]);
    }
    buf_puts(&out, "]}");
    answer(c, 200, &out);
    buf_free(&out);
}

/* ---- the batch ---- */

static void claimed(struct call *c, const struct engine_batch_result *r)
{
    if (c->rq != NULL && c->rq->x != NULL)
        timer_stop(c->api->loop, &c->rq->deadline); /* the jobs take as long as they take */
    c->row.processed = (int)r->n;
    c->row.settled = r->n == 0;
    if (r->err != OK) {
        answer_error(c, r->message);
    } else if (r->n > 0) {
        put_line(c, LOG_INFO, NULL, "📋 Found %zu pending job(s) to process concurrently", r->n);
        if (c->async)
            answer_accepted(c, r);
    } else if (r->paused) {
        put_line(c, LOG_INFO, NULL, "Nothing is claimed: paused");
        answer_nothing(c, r->due_left ? "All jobs already being processed" : "No pending jobs",
                       ",\"paused\":true");
    } else if (r->due_left) {
        put_line(c, LOG_INFO, NULL, "All jobs already being processed");
        answer_nothing(c, "All jobs already being processed", "");
    } else {
        put_line(c, LOG_INFO, NULL, "✅ No pending script jobs found");
        answer_nothing(c, "No pending jobs", "");
    }
    save(c);
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
    answer_results(c, r);
    save(c);
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

/* The store is silent. The claim may still come: then the jobs run as if the caller had gone. */
static void on_silence(void *ctx)
{
    struct api_request *rq = ctx;
    struct call *c = rq->state;
    answer_error(c, "the database has not answered in time");
}

/* ---- the request ---- */

/* A label that is stored and shown: bounded and well-formed. */
static bool is_text(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1), step;
    if (n > max)
        return false;
    for (size_t i = 0; i < n; i += step) {
        step = utf8_length(text + i, n - i);
        if (step == 0 || (unsigned char)text[i] < ' ')
            return false;
    }
    return true;
}

/* RFC 7240: preferences are separated by commas; each is a token, perhaps with a value. */
static bool prefers_async(const char *prefer)
{
    static const char want[] = "respond-async";
    for (const char *at = prefer; at != NULL && *at != '\0'; at += strspn(at, ", \t")) {
        size_t n = strcspn(at, ",");
        size_t word = strcspn(at, ",; \t=");
        if (word == sizeof want - 1 && strncasecmp(at, want, word) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool check_body(struct api_request *rq)
{
    size_t n;
    const char *body = http_body(rq->x, &n);
    json_t *json = NULL;
    struct errmsg msg = {""};
    if (n == 0)
        return true;
    if (json_parse(body, n, BODY_MAX, &json, &msg) != OK) {
        api_answer_error(rq, 400, "Bad request", "the body is not valid JSON: %s", msg.text);
        return false;
    }
    json_decref(json);
    return true;
}

static bool is_sensible(struct api_request *rq)
{
    const char *label = http_request_header(rq->x, "x-worker-id");
    if (label != NULL && !is_text(label, STORE_LABEL_MAX)) {
        api_answer_error(rq, 400, "Bad request", "x-worker-id may have %d bytes of text",
                         STORE_LABEL_MAX);
        return false;
    }
    if (rq->api->engine == NULL) {
        api_answer_error(rq, 503, "Service unavailable", "this node runs no jobs");
        return false;
    }
    return check_body(rq);
}

static struct call *call_new(struct api_request *rq)
{
    struct api *api = rq->api;
    const char *caller = http_request_header(rq->x, "x-supabase-caller");
    const char *label = http_request_header(rq->x, "x-worker-id");
    struct call *c = mem_alloc(sizeof *c);
    c->api = api;
    DL_APPEND(api->calls, c);
    c->rq = rq;
    c->caller = mem_strdup(caller != NULL && is_text(caller, CALLER_MAX) ? caller : NULL);
    c->label = mem_strdup(label != NULL && label[0] != '\0' ? label : "default");
    c->async =
        prefers_async(http_request_header(rq->x, "Prefer")) ||
        (c->caller != NULL && (strcmp(c->caller, "pg_cron") == 0 || strcmp(c->caller, "api") == 0));
    c->started_us = loop_now(api->loop);
    c->row = (struct store_invocation){.id = uuid_new(loop_wall(api->loop)),
                                       .at_us = loop_wall(api->loop),
                                       .caller = c->caller,
                                       .label = c->label,
                                       .worker = api->worker,
                                       .version = api_build(api, c->build)};
    return c;
}

void handle_process_script_jobs(struct api_request *rq)
{
    if (!is_sensible(rq))
        return;
    struct call *c = call_new(rq);
    struct api *api = c->api;
    rq->state = c;
    timer_set(api->loop, &rq->deadline, loop_now(api->loop) + CLAIM_US, on_silence, rq);
    (void)api_request_ask(rq);
    engine_run_batch(api->engine, &(struct engine_batch){.id = c->row.id,
                                                         .label = c->label,
                                                         .cap = api->concurrent_limit,
                                                         .fn = on_batch,
                                                         .ctx = c});
}
