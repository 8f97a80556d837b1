/* In: POST /functions/v1/process-script-jobs. Out: the call made (engine/invoke.h), and its answer
 * when all jobs have ended, or at once for callers that do not wait. The words of the answers are a
 * contract: docs/function-endpoint.md. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "engine/invoke.h"
#include "text/utf8.h"

#define BODY_MAX   ((size_t)1 << 20)
#define ANSWER_US  (30 * USEC_PER_SEC) /* past the silence that the call itself notices */
#define CALLER_MAX 64

struct call {                 /* one request's; outlives it */
    struct call *prev, *next; /* in api.calls */
    struct api *api;
    struct api_request *rq; /* NULL: nobody waits any more */
    bool async;             /* the caller does not wait for the jobs */
    bool preferred;         /* ... because it says so by Prefer */
};

static void call_free(struct call *c)
{
    DL_DELETE(c->api->calls, c);
    free(c);
}

void functions_end(struct api *api)
{
    struct call *c, *next;
    DL_FOREACH_SAFE (api->calls, c, next) {
        if (c->rq != NULL) /* it will hear nothing more */
            (void)api_request_told(c->rq);
        free(c);
    }
    api->calls = NULL;
}

/* ---- answers ---- */

/* Ends the caller's wait. */
static void answer(struct call *c, int status, const struct buf *body)
{
    static const char *const applied[] = {"Preference-Applied", "respond-async", NULL};
    struct api_request *rq = c->rq != NULL ? api_request_told(c->rq) : NULL;
    c->rq = NULL;
    if (rq != NULL)
        api_answer(rq, status, "application/json", c->preferred && status == 202 ? applied : NULL,
                   buf_str(body), body->len);
}

static void answer_error(struct call *c, const char *details)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_puts(&out, "{\"error\":\"Database error\",\"details\":");
    json_put_string(&out, details, strlen(details));
    buf_puts(&out, "}");
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

static void answer_accepted(struct call *c, const struct invoke_result *r)
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
        /* As the row's processing_time_seconds is: to the nearest one. */
        buf_putf(out, ",\"processingTime\":%lld",
                 (long long)((job->worked_us + USEC_PER_SEC / 2) / USEC_PER_SEC));
    } else {
        buf_puts(out, ",\"error\":");
        json_put_string(out, job->error, strlen(job->error));
        buf_putf(out, ",\"shouldRetry\":%s", job->should_retry ? "true" : "false");
    }
    buf_puts(out, "}");
}

static void answer_results(struct call *c, const struct invoke_result *r)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_putf(&out,
             "{\"message\":\"Batch processing complete\",\"processed\":%zu,\"succeeded\":%d,"
             "\"failed\":%d,\"results\":[",
             r->n, r->succeeded, r->failed);
    for (size_t i = 0; i < r->n; i++) {
        if (i > 0)
            buf_puts(&out, ",");
        put_result(&out, &r->jobs[i]);
    }
    buf_puts(&out, "]}");
    answer(c, 200, &out);
    buf_free(&out);
}

static void answer_claimed(struct call *c, const struct invoke_result *r)
{
    const char *nothing = r->due_left ? "All jobs already being processed" : "No pending jobs";
    if (c->rq != NULL && c->rq->x != NULL)
        timer_stop(c->api->loop, &c->rq->deadline); /* the jobs take as long as they take */
    if (r->err != OK)
        answer_error(c, r->message);
    else if (r->n == 0)
        answer_nothing(c, nothing, r->paused ? ",\"paused\":true" : "");
    else if (c->async)
        answer_accepted(c, r);
}

static void on_invoke(void *ctx, const struct invoke_result *r)
{
    struct call *c = ctx;
    if (r->stage == INVOKE_SILENT)
        answer_error(c, r->message);
    else if (r->stage == INVOKE_CLAIMED)
        answer_claimed(c, r);
    else
        answer_results(c, r);
    if (r->stage == INVOKE_SETTLED || (r->stage == INVOKE_CLAIMED && r->n == 0))
        call_free(c);
}

/* ---- the request ---- */

/* RFC 7240: preferences are separated by commas; each is a token, perhaps with a value. */
static bool prefers_async(const char *prefer)
{
    static const char want[] = "respond-async";
    for (const char *at = prefer; *at != '\0'; at += strspn(at, ", \t")) {
        size_t n = strcspn(at, ",");
        size_t word = strcspn(at, ",; \t=");
        if (word == sizeof want - 1 && strncasecmp(at, want, word) == 0)
            return true;
        at += n;
    }
    return false;
}

static const char *caller_of(struct api_request *rq)
{
    const char *caller = http_request_header(rq->x, "x-supabase-caller");
    return caller != NULL && utf8_is_label(caller, CALLER_MAX) ? caller : NULL;
}

static const char *label_of(struct api_request *rq)
{
    return http_request_header(rq->x, "x-worker-id");
}

static void refuse(struct api_request *rq, const char *label, const char *why)
{
    if (rq->api->invoker != NULL)
        invoke_refused(rq->api->invoker, caller_of(rq), label, 400, why);
    api_answer_error(rq, 400, "Bad request", "%s", why);
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
        struct errmsg why;
        (void)err_set(&why, ERR_INVALID, "the body is not valid JSON: %s", msg.text);
        refuse(rq, label_of(rq), why.text);
        return false;
    }
    json_decref(json);
    return true;
}

static bool is_sensible(struct api_request *rq)
{
    if (label_of(rq) != NULL && !utf8_is_label(label_of(rq), STORE_LABEL_MAX)) {
        struct errmsg why;
        (void)err_set(&why, ERR_INVALID, "x-worker-id may have %d bytes of text", STORE_LABEL_MAX);
        refuse(rq, NULL, why.text);
        return false;
    }
    if (rq->api->invoker == NULL) {
        api_answer_error(rq, 503, "Service unavailable", "this node runs no jobs");
        return false;
    }
    return check_body(rq);
}

void handle_process_script_jobs(struct api_request *rq)
{
    struct api *api = rq->api;
    if (!is_sensible(rq))
        return;
    const char *caller = caller_of(rq);
    struct call *c = mem_alloc(sizeof *c);
    c->api = api;
    c->rq = rq;
    c->preferred = http_any_header(rq->x, "Prefer", prefers_async);
    c->async = c->preferred ||
               (caller != NULL && (strcmp(caller, "pg_cron") == 0 || strcmp(caller, "api") == 0));
    DL_APPEND(api->calls, c);
    api_request_set_deadline(rq, ANSWER_US);
    (void)api_request_ask(rq);
    invoke(
        api->invoker,
        &(struct invoke){
            .caller = caller, .label = label_of(rq), .async = c->async, .fn = on_invoke, .ctx = c});
}
