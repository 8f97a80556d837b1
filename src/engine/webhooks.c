/* In: ends of runs, as the store has noted them for endpoints. Out: each told by a signed request.
 * A few at a time for each endpoint; while one fails, a single one, with pauses that grow. */
#include "engine/webhooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "job/retry.h"
#include "store/store_webhooks.h"

#define PARALLEL        8 /* requests to one endpoint at once */
#define LOOK_US         USEC_PER_SEC
#define SOON_US         (20 * USEC_PER_MSEC)
#define TROUBLE_US      (5 * USEC_PER_SEC) /* the store's */
#define CONNECT_US      (5 * USEC_PER_SEC)
#define TOTAL_US        (20 * USEC_PER_SEC)
#define LEASE_US        (60 * USEC_PER_SEC) /* more than TOTAL_US and the store's answer */
#define BEAR            2                   /* failures in a row that change nothing yet */
#define PAUSE_FIRST_US  USEC_PER_SEC
#define PAUSE_MAX_US    (30 * USEC_PER_SEC)
#define REFUSED_MAX_US  (5 * USEC_PER_SEC) /* it is there, but does not like what it gets */
#define DELAY_FIRST_US  USEC_PER_SEC
#define DELAY_MAX_US    (3600 * USEC_PER_SEC)
#define ANSWER_MAX      ((size_t)64 * 1024)
#define ANSWER_HEAD_MAX ((size_t)16 * 1024)
#define TURN_US         (50 * USEC_PER_MSEC)
#define HTTP_GONE       410

struct endpoint {
    struct webhooks *webhooks;
    char *name, *url;
    unsigned ends;
    struct webhook_secrets secrets;
    bool off;     /* not configured any more, or it answered 410 Gone */
    bool taking;  /* the store has been asked */
    size_t asked; /* for so many */
    bool more;    /* and gave as many: there may be others */
    size_t running;
    int failures; /* in a row, those at the same time counted once */
    int64_t failed_us, pause_max_us;
    struct webhook_totals totals; /* the counts */
    struct loop_timer timer;
    struct endpoint *next;
};

struct sending { /* one delivery on its way */
    struct endpoint *endpoint;
    struct http_call *call;
    int64_t n, since_us, begun_us, wish_us; /* wish: the receiver's Retry-After, -1 = none */
    int attempts, status;
    struct uuid id, job;
    struct sending *prev, *next;
};

struct webhooks {
    struct webhooks_config config;
    struct endpoint *endpoints;
    struct sending *sendings;
    size_t running;
    struct loop_timer timer; /* when the store did not take the list of endpoints */
    int ops;                 /* store requests that will still call back */
    bool stopped;
    struct rng rng;
};

static void look(void *ctx);

static void look_in(struct endpoint *e, int64_t us)
{
    struct loop *loop = e->webhooks->config.loop;
    if (!e->webhooks->stopped && !e->off)
        timer_set(loop, &e->timer, loop_now(loop) + us, look, e);
}

static int64_t grown(int64_t first_us, int times, int64_t max_us)
{
    int64_t us = first_us;
    for (int i = 1; i < times && us < max_us; i++)
        us *= 2;
    return us < max_us ? us : max_us;
}

static bool is_troubled(const struct endpoint *e)
{
    return e->failures > BEAR;
}

static int64_t pause_of(const struct endpoint *e)
{
    return is_troubled(e) ? grown(PAUSE_FIRST_US, e->failures - BEAR, e->pause_max_us) : LOOK_US;
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
    if (is_troubled(e)) {
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
    int64_t now = loop_now(w->config.loop), wall = loop_wall(w->config.loop);
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
    if (is_troubled(e) || e->more)
        look_in(e, is_troubled(e) ? pause_of(e) : 0);
    else if (!timer_is_set(&e->timer) && !e->taking)
        look_in(e, LOOK_US);
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

static void send_one(struct endpoint *e, const struct store_delivery *d)
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

/* ---- what is due ---- */

static size_t room(const struct endpoint *e)
{
    size_t most = is_troubled(e) ? 1 : PARALLEL;
    return e->running < most ? most - e->running : 0;
}

/* Taken too late to be sent: others may have it at once. */
static void hand_back(struct endpoint *e, const struct store_delivery *d)
{
    struct webhooks *w = e->webhooks;
    struct store_delivery_end end = {.n = d->n,
                                     .attempts = d->attempts,
                                     .due_us = loop_wall(w->config.loop),
                                     .http_status = d->http_status,
                                     .error = d->error};
    w->ops++;
    store_deliveries_note(w->config.store, &end, 1, on_noted, w);
}

static void on_taken(void *ctx, const struct store_result *r)
{
    struct endpoint *e = ctx;
    e->webhooks->ops--;
    e->taking = false;
    e->more = r->err == OK && r->n == e->asked;
    for (size_t i = 0; i < r->n; i++) {
        if (e->webhooks->stopped || e->off)
            hand_back(e, &r->deliveries[i]);
        else
            send_one(e, &r->deliveries[i]);
    }
    if (r->err != OK)
        look_in(e, TROUBLE_US);
    else if (!e->more)
        look_in(e, pause_of(e));
}

static void look(void *ctx)
{
    struct endpoint *e = ctx;
    struct webhooks *w = e->webhooks;
    size_t most = room(e);
    if (e->taking || most == 0) /* an answer comes, and looks again */
        return;
    e->taking = true;
    e->asked = most;
    w->ops++;
    store_deliveries_take(w->config.store, e->name, most, LEASE_US, on_taken, e);
}

void webhooks_poke(struct webhooks *w)
{
    if (w == NULL)
        return;
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        /* Never later than it would be: ends come faster than that. */
        bool later =
            !timer_is_set(&e->timer) || e->timer.node.key > loop_now(w->config.loop) + SOON_US;
        if (later && !e->taking && !is_troubled(e))
            look_in(e, SOON_US);
    }
}

/* ---- endpoints ---- */

static struct endpoint *endpoint_named(struct webhooks *w, const char *name)
{
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    e = mem_alloc(sizeof *e);
    e->webhooks = w;
    e->name = mem_strdup(name);
    LL_APPEND(w->endpoints, e);
    return e;
}

static void declare(void *ctx);

static void on_declared(void *ctx, const struct store_result *r)
{
    struct webhooks *w = ctx;
    w->ops--;
    if (r->err != OK && !w->stopped) {
        log_error(NULL, "webhooks, tried again in 5 s: %s", r->message);
        timer_set(w->config.loop, &w->timer, loop_now(w->config.loop) + TROUBLE_US, declare, w);
        return;
    }
    if (r->count > 0)
        log_warn(NULL, "%lld webhooks for endpoints that are not configured any more are given up",
                 (long long)r->count);
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e)
        look_in(e, 0);
}

/* Tells the store for whom ends are to be noted. */
static void declare(void *ctx)
{
    struct webhooks *w = ctx;
    struct store_endpoint watched[STORE_ENDPOINT_MAX];
    struct endpoint *e = NULL;
    size_t n = 0;
    LL_FOREACH (w->endpoints, e) {
        if (!e->off && n < STORE_ENDPOINT_MAX)
            watched[n++] = (struct store_endpoint){.name = e->name, .ends = e->ends};
    }
    w->ops++;
    store_endpoints_set(w->config.store, watched, n, on_declared, w);
}

void webhooks_set(struct webhooks *w, const struct webhook_endpoint *endpoints, size_t n)
{
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        e->off = true;
        timer_stop(w->config.loop, &e->timer);
    }
    for (size_t i = 0; i < n; i++) {
        e = endpoint_named(w, endpoints[i].name);
        free(e->url);
        e->url = mem_strdup(endpoints[i].url);
        e->ends = endpoints[i].ends;
        e->secrets = endpoints[i].secrets;
        e->off = false;
        e->failures = 0;
    }
    declare(w);
}

/* ---- life ---- */

struct webhooks *webhooks_new(const struct webhooks_config *config,
                              const struct webhook_endpoint *endpoints, size_t n)
{
    struct webhooks *w = mem_alloc(sizeof *w);
    w->config = *config;
    w->rng = rng_seed(rng_seed_from_os(), 1);
    webhooks_set(w, endpoints, n);
    return w;
}

void webhooks_stop(struct webhooks *w)
{
    if (w == NULL)
        return;
    w->stopped = true;
    timer_stop(w->config.loop, &w->timer);
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e)
        timer_stop(w->config.loop, &e->timer);
}

size_t webhooks_running(const struct webhooks *w)
{
    return w == NULL ? 0 : w->running;
}

bool webhooks_totals(const struct webhooks *w, size_t i, struct webhook_totals *ret_totals)
{
    const struct endpoint *e = w == NULL ? NULL : w->endpoints;
    for (; e != NULL && i > 0; i--)
        e = e->next;
    if (e == NULL)
        return false;
    *ret_totals = e->totals;
    ret_totals->name = e->name;
    ret_totals->troubled = is_troubled(e);
    return true;
}

void webhooks_free(struct webhooks *w)
{
    if (w == NULL)
        return;
    webhooks_stop(w);
    struct sending *s = NULL, *next_sending = NULL;
    DL_FOREACH_SAFE (w->sendings, s, next_sending) {
        http_abort(s->call);
        note(s, STORE_DELIVERY_WAITING, loop_wall(w->config.loop), "broken off at the end");
        free(s);
    }
    while (w->ops > 0)
        loop_turn(w->config.loop, TURN_US);
    struct endpoint *e = NULL, *next_endpoint = NULL;
    LL_FOREACH_SAFE (w->endpoints, e, next_endpoint) {
        free(e->name);
        free(e->url);
        free(e);
    }
    free(w);
}
