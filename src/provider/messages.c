/* In: calls for the Messages API. Out: each one's text as it streams in, and its one classified
 * end. The request is messages_request.c, the stream messages_stream.c, refusals classify.c. */
#include "provider/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "job/retry.h"
#include "provider/classify.h"
#include "provider/messages_request.h"
#include "provider/messages_stream.h"
#include "provider/provider_impl.h"
#include "provider/rate_headers.h"
#include "text/url.h"

#define HEADER_TIMEOUT_US   (60 * USEC_PER_SEC)
#define IDLE_TIMEOUT_US     (60 * USEC_PER_SEC)
#define PROGRESS_TIMEOUT_US (300 * USEC_PER_SEC)
/* After message_stop the connection gets this long to end cleanly, so that it can be used again. */
#define LINGER_US        (250 * USEC_PER_MSEC)
#define REFUSAL_BODY_MAX ((size_t)64 << 10)
#define API_KEY_MAX      4096
#define VERSION_FALLBACK "2023-06-01" /* of a model whose catalogue entry names none */

struct messages_provider {
    struct provider base;
    struct loop *loop;
    struct http_client *http;
    char *url, *shown, *key, *key_header; /* shown: the URL without a password */
    struct messages_config config;        /* its strings are not used */
    struct messages_call *calls;
};

struct messages_call {
    struct provider_call base;
    struct messages_provider *p;
    struct messages_call *prev, *next;
    struct provider_handlers handlers;
    void *ctx;
    struct http_call *http; /* NULL when it has ended or was never started */
    struct loop_timer timer;
    struct messages_stream stream;
    struct buf refusal; /* the body of an answer that is no stream */
    bool sent;
    bool in_stream; /* the parser is on the stack */
    bool gone;      /* aborted meanwhile */
    int status, should_retry;
    int64_t retry_after_us, progress_us;
    uint64_t progress;
    struct rate_report rates;
    char request_id[96];
    char error[512];
};

/* ---- the end ---- */

static void call_free(struct messages_call *c)
{
    messages_stream_free(&c->stream);
    buf_free(&c->refusal);
    free(c);
}

/* Takes it out of everything that could call back. */
static void call_detach(struct messages_call *c)
{
    timer_stop(c->p->loop, &c->timer);
    http_abort(c->http);
    c->http = NULL;
    DL_DELETE(c->p->calls, c);
    c->gone = true;
}

static void finish(struct messages_call *c, enum call_class class)
{
    const struct messages_stream *s = &c->stream;
    call_detach(c);
    provider_line_clean(c->error, c->p->key);
    const struct provider_end end = {
        .class = class,
        .text = buf_str(&s->text),
        .len = s->text.len,
        .stop = class == CALL_DONE ? stop_reason_parse(s->stop_reason) : STOP_CUT,
        .usage = messages_stream_usage(s),
        .usage_final = class == CALL_DONE && s->output_told,
        .sent = c->sent,
        .billed = s->started,
        .http_status = c->status,
        .retry_after_us = c->retry_after_us,
        .should_retry = c->should_retry,
        .served_model = s->model,
        .request_id = c->request_id,
        .error = class == CALL_DONE ? "" : c->error,
        .rates = c->rates,
    };
    c->handlers.on_end(c->ctx, &end);
    call_free(c);
}

static void finish_refused(struct messages_call *c, struct provider_error *error)
{
    error->status = c->status;
    error->should_retry = c->should_retry;
    provider_error_line(error, c->p->key, c->error, sizeof(c->error));
    finish(c, provider_error_class(error));
}

static void finish_status(struct messages_call *c)
{
    struct provider_error error = {.status = c->status};
    provider_error_read(&error, buf_str(&c->refusal), c->refusal.len);
    finish_refused(c, &error);
}

/* The stream is over, whoever ended it; `detail` says how, when that was not by its own rules. */
static void finish_stream(struct messages_call *c, const char *detail)
{
    c->in_stream = true;
    enum err e = messages_stream_end(&c->stream);
    c->in_stream = false;
    (void)e; /* only an abort makes the handlers refuse */
    if (c->gone) {
        call_free(c);
        return;
    }
    const struct messages_stream *s = &c->stream;
    if (s->state == MESSAGES_COMPLETE) {
        finish(c, CALL_DONE);
    } else if (s->state == MESSAGES_ERROR) {
        struct provider_error error = {.status = c->status};
        memcpy(error.type, s->error_type, sizeof(error.type));
        memcpy(error.code, s->error_code, sizeof(error.code));
        memcpy(error.text, s->error_text, sizeof(error.text));
        finish_refused(c, &error);
    } else {
        bool broken = s->state == MESSAGES_BROKEN;
        (void)snprintf(c->error, sizeof(c->error), "the model's answer was cut off: %s",
                       broken || detail[0] == '\0' ? s->error_text : detail);
        finish(c, CALL_RETRY);
    }
}

static void finish_connection(struct messages_call *c, const struct http_end *end)
{
    bool unreachable = end->phase == HTTP_CONNECTING;
    (void)snprintf(c->error, sizeof(c->error),
                   unreachable ? "the provider cannot be reached at %s: %s"
                               : "the connection to %s broke before an answer came: %s",
                   c->p->shown, end->detail);
    if (end->err == ERR_INVALID)
        finish(c, CALL_PERMANENT);
    else
        finish(c, unreachable ? CALL_UNREACHABLE : CALL_RETRY);
}

/* ---- what comes from the connection ---- */

static const char *get_header(const void *ctx, const char *name)
{
    return http_header(ctx, name);
}

static int read_should_retry(const char *value)
{
    if (value == NULL)
        return -1;
    return strcmp(value, "true") == 0 ? 1 : strcmp(value, "false") == 0 ? 0 : -1;
}

static void on_timer(void *ctx)
{
    struct messages_call *c = ctx;
    int64_t due = c->progress_us + c->p->config.progress_timeout_us;
    if (c->stream.state == MESSAGES_COMPLETE) {
        finish_stream(c, "");
    } else if (due > loop_now(c->p->loop)) {
        timer_set(c->p->loop, &c->timer, due, on_timer, c);
    } else if (c->status != 200) {
        finish_status(c);
    } else {
        finish_stream(c, "nothing but signs of life came for too long");
    }
}

static void on_headers(void *ctx, struct http_call *http, int status)
{
    struct messages_call *c = ctx;
    struct loop *loop = c->p->loop;
    const char *id = http_header(http, "request-id");
    c->sent = true;
    c->status = status;
    c->rates = rate_headers_read(get_header, http, loop_now(loop));
    c->should_retry = read_should_retry(http_header(http, "x-should-retry"));
    c->retry_after_us = retry_after_parse(http_header(http, "retry-after-ms"),
                                          http_header(http, "retry-after"), loop_wall(loop));
    (void)snprintf(c->request_id, sizeof(c->request_id), "%s", id != NULL ? id : "");
    c->progress_us = loop_now(loop);
    timer_set(loop, &c->timer, c->progress_us + c->p->config.progress_timeout_us, on_timer, c);
}

static void take_stream(struct messages_call *c, const char *bytes, size_t n)
{
    struct messages_stream *s = &c->stream;
    bool was_open = s->state == MESSAGES_OPEN;
    c->in_stream = true;
    enum err e = messages_stream_feed(s, bytes, n);
    c->in_stream = false;
    (void)e; /* only an abort makes the handlers refuse */
    if (c->gone) {
        call_free(c);
        return;
    }
    if (s->progress != c->progress) {
        c->progress = s->progress;
        c->progress_us = loop_now(c->p->loop);
    }
    if (s->state == MESSAGES_COMPLETE && was_open)
        timer_set(c->p->loop, &c->timer, loop_now(c->p->loop) + LINGER_US, on_timer, c);
    else if (s->state != MESSAGES_OPEN && s->state != MESSAGES_COMPLETE)
        finish_stream(c, "");
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct messages_call *c = ctx;
    if (c->status == 200) {
        take_stream(c, bytes, n);
        return;
    }
    size_t room = c->refusal.max - c->refusal.len;
    buf_put(&c->refusal, bytes, n < room ? n : room);
    if (c->refusal.len == c->refusal.max)
        finish_status(c);
}

static void on_http_end(void *ctx, const struct http_end *end)
{
    struct messages_call *c = ctx;
    c->http = NULL;
    c->sent = end->phase != HTTP_CONNECTING;
    if (end->phase != HTTP_HEADERS)
        finish_connection(c, end);
    else if (c->status == 200)
        finish_stream(c, end->err == OK ? "" : end->detail);
    else
        finish_status(c);
}

static enum err on_stream_start(void *ctx, const struct usage *usage)
{
    struct messages_call *c = ctx;
    if (c->handlers.on_start != NULL)
        c->handlers.on_start(c->ctx, &(struct provider_begin){*usage, c->request_id, c->rates});
    return c->gone ? ERR_CLOSED : OK;
}

static enum err on_stream_text(void *ctx, const char *text, size_t n)
{
    struct messages_call *c = ctx;
    if (c->handlers.on_text != NULL)
        c->handlers.on_text(c->ctx, text, n);
    return c->gone ? ERR_CLOSED : OK;
}

/* ---- starting and stopping ---- */

static const char user_agent[] = "user-agent: scriptorium/" SCRIPTORIUM_VERSION;

static void on_unsendable(void *ctx)
{
    finish(ctx, CALL_PERMANENT);
}

static void send_request(struct messages_call *c, const struct provider_request *request,
                         const struct buf *body)
{
    static const struct http_handlers handlers = {on_headers, on_body, on_http_end};
    const struct messages_provider *p = c->p;
    const char *version = request->model->api_version;
    char *version_header =
        mem_printf("anthropic-version: %s", version != NULL ? version : VERSION_FALLBACK);
    char *call_header =
        request->call_id == NULL ? NULL : mem_printf("x-scriptorium-call: %s", request->call_id);
    const char *const headers[] = {p->key_header,
                                   version_header,
                                   "content-type: application/json",
                                   "accept: text/event-stream",
                                   user_agent,
                                   call_header,
                                   NULL};
    const struct http_request http = {.method = "POST",
                                      .url = p->url,
                                      .headers = headers,
                                      .body = body->data,
                                      .body_len = body->len,
                                      .header_timeout_us = p->config.header_timeout_us,
                                      .idle_timeout_us = p->config.idle_timeout_us,
                                      .read_tick_us = p->config.read_tick_us};
    c->http = http_start(p->http, &http, &handlers, c);
    free(version_header);
    free(call_header);
}

static struct provider_call *messages_start(struct provider *provider,
                                            const struct provider_request *request,
                                            const struct provider_handlers *handlers, void *ctx)
{
    static const struct messages_handlers stream_handlers = {on_stream_start, on_stream_text};
    struct messages_provider *p = (struct messages_provider *)(void *)provider;
    struct messages_call *c = mem_alloc(sizeof(*c));
    c->base.provider = provider;
    c->p = p;
    c->handlers = *handlers;
    c->ctx = ctx;
    c->refusal = BUF_INIT(REFUSAL_BODY_MAX);
    c->should_retry = -1;
    c->retry_after_us = -1;
    c->rates = rate_headers_none();
    messages_stream_init(&c->stream, &stream_handlers, c);
    DL_APPEND(p->calls, c);

    struct buf body;
    struct errmsg msg = {0};
    if (messages_request_write(request, &body, &msg) != OK) {
        (void)snprintf(c->error, sizeof(c->error), "%s", msg.text);
        timer_set(p->loop, &c->timer, loop_now(p->loop), on_unsendable, c);
    } else {
        send_request(c, request, &body);
        buf_free(&body);
    }
    return &c->base;
}

static void messages_abort(struct provider_call *call, struct usage *ret_usage)
{
    struct messages_call *c = (struct messages_call *)(void *)call;
    if (ret_usage != NULL)
        *ret_usage = messages_stream_usage(&c->stream);
    if (c->gone)
        return;
    call_detach(c);
    if (!c->in_stream)
        call_free(c);
}

static void messages_free(struct provider *provider)
{
    struct messages_provider *p = (struct messages_provider *)(void *)provider;
    for (struct messages_call *c = p->calls, *next; c != NULL; c = next) {
        next = c->next;
        messages_abort(&c->base, NULL);
    }
    free(p->url);
    free(p->shown);
    free(p->key);
    free(p->key_header);
    free(p);
}

static const struct provider_ops messages_ops = {
    .name = "messages",
    .start = messages_start,
    .abort = messages_abort,
    .free = messages_free,
};

static enum err check_config(const struct messages_config *config, struct errmsg *msg)
{
    const char *url = config->base_url, *key = config->api_key;
    if (url == NULL || !http_url_ok(url))
        return err_set(msg, ERR_INVALID,
                       "the provider's address (ANTHROPIC_BASE_URL) must be https:// or http:// "
                       "and a host, perhaps with a port; in a password write %%40 for @");
    size_t n = key == NULL ? 0 : strlen(key);
    if (n == 0)
        return err_set(msg, ERR_INVALID, "no API key; set ANTHROPIC_API_KEY");
    for (size_t i = 0; i < n; i++)
        if (key[i] <= ' ' || key[i] > '~' || n > API_KEY_MAX)
            return err_set(msg, ERR_INVALID,
                           "the API key (ANTHROPIC_API_KEY) holds characters that no key has; "
                           "set it again, without spaces or line breaks");
    return OK;
}

static int64_t or_default(int64_t us, int64_t fallback)
{
    return us > 0 ? us : fallback;
}

enum err provider_messages_new(struct loop *loop, struct http_client *http,
                               const struct messages_config *config, struct provider **ret_provider,
                               struct errmsg *msg)
{
    enum err e = check_config(config, msg);
    if (e != OK)
        return e;
    struct messages_provider *p = mem_alloc(sizeof(*p));
    size_t n = strlen(config->base_url);
    while (n > 0 && config->base_url[n - 1] == '/')
        n--;
    p->base.ops = &messages_ops;
    p->base.name = config->name;
    p->loop = loop;
    p->http = http;
    p->url = mem_printf("%.*s/v1/messages", (int)n, config->base_url);
    p->shown = url_shown(p->url);
    p->key = mem_strdup(config->api_key);
    p->key_header = mem_printf("x-api-key: %s", config->api_key);
    p->config.header_timeout_us = or_default(config->header_timeout_us, HEADER_TIMEOUT_US);
    p->config.idle_timeout_us = or_default(config->idle_timeout_us, IDLE_TIMEOUT_US);
    p->config.progress_timeout_us = or_default(config->progress_timeout_us, PROGRESS_TIMEOUT_US);
    p->config.read_tick_us = or_default(config->read_tick_us, TOKENS_READ_TICK_US);
    *ret_provider = &p->base;
    return OK;
}
