/* In: what a handler has found out. Out: its HTTP answer. */
#include "api/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metric_table.h"
#include "base/log.h"

static const char cors_headers[] =
    "authorization, x-client-info, apikey, content-type, x-retry-count, traceparent, tracestate, "
    "baggage, idempotency-key, prefer, last-event-id, x-supabase-caller, x-worker-id";

/* What the function that this endpoint stands in for has always said. */
static const char function_headers[] =
    "authorization, x-client-info, apikey, content-type, x-retry-count, traceparent, tracestate, "
    "baggage";
static const char function_paths[] = "/functions/";

/* What a page of another site may read of an answer beside the few that browsers always show. */
static const char shown_headers[] =
    "Location, Retry-After, Content-Disposition, Preference-Applied, Allow";

/* Keys travel in headers that a foreign page must know, never in cookies: any page may ask. */
static const char *const usual[] = {"Access-Control-Allow-Origin",
                                    "*",
                                    "Access-Control-Allow-Headers",
                                    cors_headers,
                                    "Access-Control-Expose-Headers",
                                    shown_headers,
                                    "X-Content-Type-Options",
                                    "nosniff",
                                    "Cache-Control",
                                    "no-store",
                                    NULL};
#define USUAL           (sizeof usual / sizeof usual[0] - 1)
#define CORS_HEADERS_AT 3
#define ADDED_MAX       6

/* The usual headers, and those of one answer, into `all`. */
static void gather_headers(const struct api_request *rq, http_headers headers, const char **all)
{
    size_t count = USUAL;
    memcpy(all, usual, USUAL * sizeof usual[0]);
    if (strncmp(http_path(rq->x), function_paths, sizeof function_paths - 1) == 0)
        all[CORS_HEADERS_AT] = function_headers;
    for (size_t i = 0; headers != NULL && headers[i] != NULL && i < ADDED_MAX; i++)
        all[count++] = headers[i];
    all[count] = NULL;
}

static void count_status(struct api *api, int status)
{
    if (status >= 200 && status < 600)
        metrics_add(api->metrics, METRIC_HTTP_ANSWERS, (size_t)(status / 100 - 2), 1);
}

static void count_answer(struct api_request *rq, int status)
{
    rq->answered = true;
    timer_stop(rq->api->loop, &rq->deadline);
    count_status(rq->api, status);
}

void api_answer_stream(struct api_request *rq)
{
    /* Proxies would gather events up to a bufferful. */
    static const char *const headers[] = {"X-Accel-Buffering", "no", NULL};
    const char *all[USUAL + ADDED_MAX + 1];
    if (rq->answered)
        return;
    gather_headers(rq, headers, all);
    count_answer(rq, 200);
    http_stream_begin(rq->x, 200, "text/event-stream", all);
}

void api_answer(struct api_request *rq, int status, const char *content_type, http_headers headers,
                const char *body, size_t n)
{
    const char *all[USUAL + ADDED_MAX + 1];
    if (rq->answered)
        return;
    gather_headers(rq, headers, all);
    count_answer(rq, status);
    http_reply(rq->x, status, content_type, all, body, n);
}

void api_answer_json(struct api_request *rq, int status, const struct buf *json)
{
    api_answer(rq, status, "application/json", NULL, buf_str(json), json->len);
}

static void put_error(struct buf *out, const char *error, const char *details)
{
    buf_puts(out, "{\"error\":");
    json_put_string(out, error, strlen(error));
    if (details != NULL) {
        buf_puts(out, ",\"details\":");
        json_put_string(out, details, strlen(details));
    }
    buf_puts(out, "}");
}

static void answer_error(struct api_request *rq, int status, http_headers headers,
                         const char *error, const char *details)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    put_error(&out, error, details);
    api_answer(rq, status, "application/json", headers, buf_str(&out), out.len);
    buf_free(&out);
}

void api_answer_error(struct api_request *rq, int status, const char *error, const char *fmt, ...)
{
    static const char *const key_wanted[] = {"WWW-Authenticate", "Bearer", NULL};
    static const char *const later[] = {"Retry-After", "1", NULL};
    char details[1024];
    if (fmt != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(details, sizeof details, fmt, ap);
        va_end(ap);
    }
    http_headers headers = status == 401 ? key_wanted : status == 503 ? later : NULL;
    answer_error(rq, status, headers, error, fmt != NULL ? details : NULL);
}

void api_answer_not_allowed(struct api_request *rq)
{
    const char *const headers[] = {"Allow", rq->match.allow, NULL};
    answer_error(rq, 405, headers, "Method not allowed", rq->match.allow);
}

void api_answer_options(struct api_request *rq)
{
    const char *const headers[] = {"Access-Control-Allow-Methods", rq->match.allow,
                                   "Access-Control-Max-Age", "86400", NULL};
    api_answer(rq, 200, "text/plain", headers, "ok", 2);
}

const char *api_reason(const struct api_request *rq, const struct store_result *r)
{
    if (rq->who.role == ROLE_OPERATOR)
        return r->message;
    switch (r->err) {
    case ERR_CONNECT:
    case ERR_CLOSED:
        return "the database cannot be reached; try again";
    case ERR_TIMEOUT:
    case ERR_BUSY:
        return "the database has not answered in time; try again";
    default:
        return "the database has refused; the operator can see why";
    }
}

bool api_answer_failure(struct api_request *rq, const struct store_result *r)
{
    switch (r->err) {
    case OK:
        return false;
    case ERR_NOT_FOUND:
        api_answer_error(rq, 404, "Not found", "there is no such job");
        return true;
    case ERR_INVALID:
        api_answer_error(rq, 409, "Conflict", "%s", r->message);
        return true;
    case ERR_TOO_BIG:
        api_answer_error(rq, 413, "Too large", "%s", r->message);
        return true;
    default:
        if (!err_passes(r->err))
            log_error(NULL, "a request was refused by the store: %s", r->message);
        api_answer_error(rq, err_passes(r->err) ? 503 : 500, "Database error", "%s",
                         api_reason(rq, r));
        return true;
    }
}

http_headers api_refusal_headers(void)
{
    return usual;
}

char *api_refusal_body(void *ctx, int status)
{
    struct api *api = ctx;
    struct buf out = BUF_INIT(1024);
    count_status(api, status);
    switch (status) {
    case 400:
        put_error(&out, "Bad request",
                  "not everybody would read these headers alike: send one Host and one "
                  "Authorization, one Content-Length or Transfer-Encoding: chunked, no space in a "
                  "header's name, no folded line, and a path that begins with /");
        break;
    case 408:
        put_error(&out, "Request timeout", "the whole request must arrive within 10 seconds");
        break;
    case 413:
        put_error(&out, "Payload too large", "a body may have 1 MiB");
        break;
    case 431:
        put_error(&out, "Headers too large", "the headers may have 16 KiB");
        break;
    default:
        put_error(&out, "Service unavailable", "too many connections; try again later");
        break;
    }
    return buf_take(&out);
}
