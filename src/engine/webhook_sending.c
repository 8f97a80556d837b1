/* In: a delivery, an endpoint. Out: it told by one signed request, and noted how that went; how the
 * endpoint is doing follows. */
#include "engine/webhooks_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/retry.h"
#include "store/store_webhooks.h"

#define CONNECT_US      (5 * USEC_PER_SEC)
#define TOTAL_US        (20 * USEC_PER_SEC) /* well below the lease of what was taken */
#define BEAR            2                   /* failures in a row that change nothing yet */
#define PAUSE_FIRST_US  USEC_PER_SEC
#define PAUSE_MAX_US    (30 * USEC_PER_SEC)
#define REFUSED_MAX_US  (5 * USEC_PER_SEC) /* it is there, but does not like what it gets */
#define DELAY_FIRST_US  USEC_PER_SEC
#define DELAY_MAX_US    (3600 * USEC_PER_SEC)
#define ANSWER_MAX      ((size_t)64 * 1024)
#define ANSWER_HEAD_MAX ((size_t)16 * 1024)
#define HTTP_GONE       410

struct sending { /* one delivery on its way */
    struct endpoint *endpoint;
    struct http_call *call;
    int64_t n, since_us, begun_us, wish_us; /* wish: the receiver's Retry-After, -1 = none */
    int attempts, status;
    struct uuid id, job;
    struct sending *prev, *next;
};

static int64_t grown(int64_t first_us, int times, int64_t max_us)
{
    int64_t us = first_us;
    for (int i = 1; i < times && us < max_us; i++)
        us *= 2;
    return us < max_us ? us : max_us;
}

bool webhook_is_troubled(const struct endpoint *e)
{
    return e->failures > BEAR;
}

int64_t webhook_pause_us(const struct endpoint *e)
{
    int times = e->failures - BEAR;
    return times > 0 ? grown(PAUSE_FIRST_US, times, e->pause_max_us) : 0;
}

/* ---- what people are told ---- */

static void tell(const struct sending *s, enum log_level level, const char *message,
                 const char *details)
{
    struct journal_line line = {
        .level = level, .job = s->job, .event = "webhook", .message = message, .details = details};
    journal_put(s->endpoint->webhooks->config.journal, &line);
}

static void tell_failure(const struct sending *s, const char *why, int64_t delay_us, bool given_up)
{
    char id[UUID_TEXT_SIZE];
    char *details = mem_printf("delivery %s: %s", uuid_text(&s->id, id), why);
    char *message =
        given_up
            ? mem_printf("webhook %s: given up after %d attempts; 'scriptorium webhooks retry %s' "
                         "sends it again",
                         s->endpoint->name, s->attempts, id)
            : mem_printf("webhook %s: attempt %d failed, the next one in %lld s", s->endpoint->name,
                         s->attempts, (long long)(delay_us / USEC_PER_SEC));
    tell(s, given_up ? LOG_ERROR : LOG_WARN, message, details);
    free(message);
    free(details);
}

/* ---- the end of an attempt ---- */

static void on_noted(void *ctx, const struct store_result *r)
{
    struct webhooks *w = ctx;
    w->ops--;
    if (r->err != OK) /* it is sent again when its lease is over */
        log_warn(NULL, "a webhook was sent, but that could not be noted: %s", r->message);
}

static void note(const struct sending *s, enum store_delivery_state state, int64_t due_us,
                 const char *error)
{
    struct webhooks *w = s->endpoint->webhooks;
    struct store_delivery_end end = {.n = s->n,
                                     .attempts = s->attempts,
                                     .state = state,
                                     .due_us = due_us,
                                     .http_status = s->status,
                                     .error = error};
    w->ops++;
    store_deliveries_note(w->config.store, &end, 1, on_noted, w);
}

static void delivered(struct sending *s)
{
    struct endpoint *e = s->endpoint;
    note(s, STORE_DELIVERY_DONE, 0, NULL);
    e->totals.delivered++;
    if (webhook_is_troubled(e)) {
        char *message = mem_printf("webhook %s: works again", e->name);
        tell(s, LOG_INFO, message, NULL);
        free(message);
    }
    e->failures = 0;
}

static void failed(struct sending *s, const char *why)
{
    struct endpoint *e = s->endpoint;
    struct webhooks *w = e->webhooks;
    int64_t now = loop_now(w->config.loop), wall = webhook_wall(w);
    int64_t delay = grown(DELAY_FIRST_US, s->attempts, DELAY_MAX_US);
    delay += (int64_t)((rng_unit(&w->rng) - 0.5) * 0.5 * (double)delay);
    if (s->wish_us > delay)
        delay = s->wish_us;
    bool given_up = wall + delay > s->since_us + w->config.give_up_us;
    note(s, given_up ? STORE_DELIVERY_GIVEN_UP : STORE_DELIVERY_WAITING, wall + delay, why);
    tell_failure(s, why, delay, given_up);
    e->totals.failed++;
    e->totals.given_up += given_up;
    e->pause_max_us = s->status >= 400 && s->status < 500 ? REFUSED_MAX_US : PAUSE_MAX_US;
    if (s->begun_us >= e->failed_us) {
        e->failures++;
        e->failed_us = now;
    }
}

static void on_dropped(void *ctx, const struct store_result *r)
{
    struct endpoint *e = ctx;
    e->webhooks->ops--;
    if (r->err != OK)
        log_warn(NULL, "webhook %s: %s", e->name, r->message);
    else
        log_error(NULL,
                  "webhook %s: answered 410 Gone; nothing more is sent there until the next start "
                  "or reload, and %lld that waited are given up",
                  e->name, (long long)r->count);
}

static void gone(struct sending *s)
{
    struct endpoint *e = s->endpoint;
    struct webhooks *w = e->webhooks;
    note(s, STORE_DELIVERY_GIVEN_UP, 0, "HTTP 410 Gone");
    if (e->off)
        return;
    e->off = true;
    timer_stop(w->config.loop, &e->timer);
    w->ops++;
    store_endpoint_drop(w->config.store, e->name, "the endpoint answered 410 Gone", on_dropped, e);
}

static void over(struct sending *s)
{
    struct endpoint *e = s->endpoint;
    DL_DELETE(e->webhooks->sendings, s);
    e->running--;
    e->webhooks->running--;
    free(s);
    webhook_over(e);
}

static void judge(struct sending *s, const struct http_end *end)
{
    char why[256];
    if (s->status >= 200 && s->status < 300) {
        delivered(s);
    } else if (s->status == HTTP_GONE) {
        gone(s);
    } else if (s->status >= 300 && s->status < 400) {
        (void)snprintf(why, sizeof why, "HTTP %d: redirects are not followed; name the final URL",
                       s->status);
        failed(s, why);
    } else if (s->status > 0) {
        (void)snprintf(why, sizeof why, "HTTP %d", s->status);
        failed(s, why);
    } else if (end->err == ERR_PERMISSION) {
        (void)snprintf(why, sizeof why, "%s; webhook_allow can permit it", end->detail);
        failed(s, why);
    } else {
        (void)snprintf(why, sizeof why, "%s: %s", err_name(end->err), end->detail);
        failed(s, why);
    }
}

/* ---- one request ---- */

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct sending *s = ctx;
    s->status = status;
    s->wish_us = retry_after_parse(NULL, http_header(call, "retry-after"),
                                   loop_wall(s->endpoint->webhooks->config.loop));
}

/* What the status says holds, however the rest of the answer went. */
static void on_end(void *ctx, const struct http_end *end)
{
    struct sending *s = ctx;
    judge(s, end);
    over(s);
}

static const struct http_handlers handlers = {.on_headers = on_headers, .on_end = on_end};

static void start(struct sending *s, const struct store_delivery *d)
{
    const struct endpoint *e = s->endpoint;
    const struct webhooks_config *config = &e->webhooks->config;
    int64_t now_s = loop_wall(config->loop) / USEC_PER_SEC;
    char id[UUID_TEXT_SIZE];
    char *body = webhook_body(d);
    char *signature = webhook_signature(&e->secrets, uuid_text(&d->id, id), now_s, body);
    char *with_id = mem_printf("webhook-id: %s", id);
    char *with_time = mem_printf("webhook-timestamp: %lld", (long long)now_s);
    char *with_signature = mem_printf("webhook-signature: %s", signature);
    const char *const headers[] = {"content-type: application/json", with_id, with_time,
                                   with_signature, NULL};
    struct http_request request = {.method = "POST",
                                   .url = e->url,
                                   .headers = headers,
                                   .body = body,
                                   .body_len = strlen(body),
                                   .connect_timeout_us = CONNECT_US,
                                   .header_timeout_us = TOTAL_US,
                                   .total_timeout_us = TOTAL_US,
                                   .max_header_bytes = ANSWER_HEAD_MAX,
                                   .max_body_bytes = ANSWER_MAX,
                                   .guard = config->guard};
    s->call = http_start(config->http, &request, &handlers, s);
    free(with_signature);
    free(with_time);
    free(with_id);
    free(signature);
    free(body);
}

void webhook_send(struct endpoint *e, const struct store_delivery *d)
{
    struct webhooks *w = e->webhooks;
    struct sending *s = mem_alloc(sizeof *s);
    *s = (struct sending){.endpoint = e,
                          .n = d->n,
                          .since_us = d->since_us,
                          .begun_us = loop_now(w->config.loop),
                          .wish_us = -1,
                          .attempts = d->attempts,
                          .id = d->id,
                          .job = d->job};
    DL_APPEND(w->sendings, s);
    e->running++;
    w->running++;
    start(s, d);
}

void webhook_hand_back(struct endpoint *e, const struct store_delivery *d)
{
    struct webhooks *w = e->webhooks;
    struct store_delivery_end end = {.n = d->n,
                                     .attempts = d->attempts,
                                     .due_us = webhook_wall(w),
                                     .http_status = d->http_status,
                                     .error = d->error};
    w->ops++;
    store_deliveries_note(w->config.store, &end, 1, on_noted, w);
}

void webhook_break_off(struct webhooks *w)
{
    struct sending *s = NULL, *next = NULL;
    DL_FOREACH_SAFE (w->sendings, s, next) {
        http_abort(s->call);
        note(s, STORE_DELIVERY_WAITING, webhook_wall(w), "broken off at the end");
        free(s);
    }
    w->sendings = NULL;
}
