/* In: the daemon's address. Out: what it answers to the questions that show whether a caller would
 * be served: alive, ready, the endpoint's preflight, a stranger, the holder of the key. */
#include <string.h>

#include "app/doctor.h"
#include "app/outbound.h"
#include "base/clock.h"
#include "io/http_client.h"
#include "text/json.h"

#define ANSWER_US  (3 * USEC_PER_SEC)
#define ANSWER_MAX ((size_t)256 << 10)
#define FUNCTION   "/functions/v1/process-script-jobs"

struct exchange {
    struct doctor *doctor;
    struct doctor_answer *answer;
    struct buf body;
    bool ended;
};

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct exchange *x = ctx;
    (void)call;
    x->answer->status = status;
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct exchange *x = ctx;
    buf_put(&x->body, bytes, n);
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct exchange *x = ctx;
    x->ended = true;
    if (end->err != OK) {
        x->answer->status = 0;
        x->answer->error = arena_strdup(&x->doctor->arena, end->detail);
    }
    loop_stop(x->doctor->context.loop);
}

static void ask(struct doctor *d, struct http_client *client, const char *method, const char *path,
                const char *key, struct doctor_answer *ret)
{
    static const struct http_handlers handlers = {on_headers, on_body, on_end};
    struct exchange x = {.doctor = d, .answer = ret, .body = BUF_INIT(ANSWER_MAX)};
    const char *headers[] = {"Content-Type: application/json", NULL, NULL};
    if (key != NULL)
        headers[1] = arena_printf(&d->arena, "Authorization: Bearer %s", key);
    struct http_request request = {
        .method = method,
        .url = arena_printf(&d->arena, "%s%s", d->url, path),
        .headers = headers,
        .body = strcmp(method, "POST") == 0 ? "{}" : NULL,
        .body_len = strcmp(method, "POST") == 0 ? 2 : 0,
        .connect_timeout_us = ANSWER_US,
        .header_timeout_us = ANSWER_US,
        .total_timeout_us = 2 * ANSWER_US,
        .max_body_bytes = ANSWER_MAX - 1,
    };
    (void)http_start(client, &request, &handlers, &x);
    while (!x.ended)
        loop_run(d->context.loop);
    ret->body = arena_strdup(&d->arena, buf_str(&x.body));
    buf_free(&x.body);
}

/* How it claims, how it hears of work. */
static void take_limits(struct doctor *d)
{
    json_t *all = NULL;
    struct errmsg msg = {""};
    if (d->limits.status != 200 ||
        json_parse(d->limits.body, strlen(d->limits.body), ANSWER_MAX, &all, &msg) != OK)
        return;
    const char *mode = json_str(all, "mode");
    d->daemon_triggered = mode != NULL && strcmp(mode, "triggered") == 0;
    d->daemon_deaf = json_is_false(json_object_get(all, "notifications_listening"));
    json_decref(all);
}

void doctor_ask_daemon(struct doctor *d)
{
    struct http_client *client = NULL;
    struct errmsg msg = {""};
    if (outbound_client(&d->context, 0, &client, &msg) != OK) {
        d->health.error = arena_strdup(&d->arena, msg.text);
        return;
    }
    const char *key = d->inv->set.service_key;
    ask(d, client, "GET", "/readyz", key, &d->health); /* with a key it says more */
    if (d->health.status != 0) {
        ask(d, client, "OPTIONS", FUNCTION, NULL, &d->preflight);
        ask(d, client, "POST", FUNCTION, NULL, &d->stranger);
        if (key != NULL) {
            ask(d, client, "GET", "/v1/stats", key, &d->key);
            ask(d, client, "GET", "/v1/limits", key, &d->limits);
            take_limits(d);
        }
    }
    http_client_free(client);
}
