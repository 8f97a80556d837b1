/* In: GET /metrics. Out: the store's counts, the provider's limits and each process's own counts
 * and times, in Prometheus' text format. */
#include "api/metrics.h"

#include <stdio.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/stats_json.h"
#include "api/streams.h"
#include "base/clock.h"
#include "store/store_webhooks.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define LAG_LOOK_US  (250 * USEC_PER_MSEC)
#define CLASSES_MAX  64
#define SCRAPE_US    (5 * USEC_PER_SEC) /* scrapers give up after ten */

/* ---- what is timed ---- */

static void on_store_answer(void *ctx, enum store_kind kind, int64_t took_us)
{
    struct api *api = ctx;
    metrics_observe(api->metrics, METRIC_STORE_SECONDS, kind, took_us);
}

static void look_at_lag(void *ctx)
{
    struct api *api = ctx;
    int64_t now = loop_now(api->loop);
    if (api->lag_due_us != 0)
        metrics_observe(api->metrics, METRIC_LOOP_LAG, 0, now - api->lag_due_us);
    api->lag_due_us = now + LAG_LOOK_US;
    timer_set(api->loop, &api->lag_timer, api->lag_due_us, look_at_lag, api);
}

void api_metrics_start(struct api *api)
{
    store_on_answer(api->store, on_store_answer, api);
    look_at_lag(api);
    metrics_crew_start(api);
}

void api_metrics_stop(struct api *api)
{
    store_on_answer(api->store, NULL, NULL);
    timer_stop(api->loop, &api->lag_timer);
    metrics_crew_stop(api);
}

/* ---- one scrape ---- */

static void put_one(enum metric_id id, int64_t n, struct buf *out)
{
    metric_put_head(&metric_table[id], out);
    metric_put_int(&metric_table[id], NULL, n, out);
}

static void put_labelled(enum metric_id id, const char *value, int64_t n, struct buf *out)
{
    metric_put_int(&metric_table[id], &value, n, out);
}

static void put_build(struct buf *out, const struct api *api)
{
    const char *name = "";
    int pipeline = api->engine != NULL ? engine_pipeline(api->engine, &name) : -1;
    char number[16];
    (void)snprintf(number, sizeof number, "%d", pipeline);
    const char *const values[] = {api->version, number, name};
    metric_put_head(&metric_table[METRIC_BUILD_INFO], out);
    metric_put_int(&metric_table[METRIC_BUILD_INFO], values, 1, out);
}

static void put_queue(struct buf *out, const struct store_stats *s, int64_t wall_us)
{
    metric_put_head(&metric_table[METRIC_JOBS], out);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        put_labelled(METRIC_JOBS, job_status_name((enum job_status)i), s->count[i], out);
    metric_put_head(&metric_table[METRIC_QUEUE], out);
    put_labelled(METRIC_QUEUE, "due", s->due, out);
    put_labelled(METRIC_QUEUE, "delayed", s->delayed, out);
    put_labelled(METRIC_QUEUE, "running", s->running, out);
    put_labelled(METRIC_QUEUE, "foreign", s->foreign, out);
    put_one(METRIC_PAUSED, s->paused, out);
    metric_put_head(&metric_table[METRIC_OLDEST_DUE], out);
    metric_put_seconds(&metric_table[METRIC_OLDEST_DUE], NULL,
                       s->oldest_due_us > 0 ? wall_us - s->oldest_due_us : 0, out);
}

static void put_ledger(struct buf *out, const struct store_stats *s)
{
    put_one(METRIC_CALLS, s->calls, out);
    put_one(METRIC_CALLS_ESTIMATED, s->calls_estimated, out);
    metric_put_head(&metric_table[METRIC_TOKENS], out);
    put_labelled(METRIC_TOKENS, "input", s->usage.input, out);
    put_labelled(METRIC_TOKENS, "output", s->usage.output, out);
    put_labelled(METRIC_TOKENS, "cache_read", s->usage.cache_read, out);
    put_labelled(METRIC_TOKENS, "cache_write", s->usage.cache_write_5m + s->usage.cache_write_1h,
                 out);
    metric_put_head(&metric_table[METRIC_COST], out);
    /* micro-dollars are written as microseconds are: six places */
    metric_put_seconds(&metric_table[METRIC_COST], NULL, s->cost_udollar, out);
}

/* ---- the provider ---- */

struct classes {
    struct pacer_view view[CLASSES_MAX];
    size_t n;
};

static void put_calls(struct buf *out, const struct classes *c)
{
    metric_put_head(&metric_table[METRIC_PROVIDER_CALLS], out);
    for (size_t i = 0; i < c->n; i++) {
        for (int k = 0; k < CALL_CLASS_MAX; k++) {
            const char *const values[] = {c->view[i].rate_class,
                                          call_class_name((enum call_class)k)};
            metric_put_int(&metric_table[METRIC_PROVIDER_CALLS], values, c->view[i].calls[k], out);
        }
    }
    metric_put_head(&metric_table[METRIC_PROVIDER_429], out);
    for (size_t i = 0; i < c->n; i++)
        put_labelled(METRIC_PROVIDER_429, c->view[i].rate_class,
                     c->view[i].calls[CALL_THROTTLED] + c->view[i].calls[CALL_RAMP], out);
    metric_put_head(&metric_table[METRIC_PROVIDER_RUNNING], out);
    for (size_t i = 0; i < c->n; i++)
        put_labelled(METRIC_PROVIDER_RUNNING, c->view[i].rate_class, c->view[i].running, out);
    metric_put_head(&metric_table[METRIC_PROVIDER_PARKED], out);
    for (size_t i = 0; i < c->n; i++)
        put_labelled(METRIC_PROVIDER_PARKED, c->view[i].rate_class, c->view[i].parked != NULL, out);
}

static int64_t figure_of(const struct pacer_limit *limit, enum metric_id id)
{
    if (id == METRIC_PROVIDER_LIMIT)
        return limit->per_minute > 0 ? limit->per_minute : -1;
    return id == METRIC_PROVIDER_USED ? limit->used : limit->remaining;
}

/* What is not known is left out. */
static void put_limits(struct buf *out, const struct classes *c, enum metric_id id)
{
    static const char *const names[] = {"requests", "input_tokens", "output_tokens"};
    metric_put_head(&metric_table[id], out);
    for (size_t i = 0; i < c->n; i++) {
        const struct pacer_view *v = &c->view[i];
        const struct pacer_limit *const limits[] = {&v->requests, &v->input, &v->output};
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            const char *const values[] = {v->rate_class, names[k]};
            int64_t n = figure_of(limits[k], id);
            if (n >= 0)
                metric_put_int(&metric_table[id], values, n, out);
        }
    }
}

static void put_engine(struct buf *out, const struct api *api)
{
    const char *provider;
    struct classes c;
    if (api->engine == NULL)
        return;
    put_one(METRIC_LEASES_LOST, engine_leases_lost(api->engine), out);
    put_one(METRIC_LISTENING, !api->deaf, out);
    put_one(METRIC_RUNNING, (int64_t)engine_running(api->engine), out);
    put_one(METRIC_SLOTS, (int64_t)api_slots(api), out);
    c.n = engine_limits(api->engine, c.view, CLASSES_MAX, &provider);
    put_calls(out, &c);
    put_limits(out, &c, METRIC_PROVIDER_LIMIT);
    put_limits(out, &c, METRIC_PROVIDER_USED);
    put_limits(out, &c, METRIC_PROVIDER_REMAINING);
}

static void put_counted(const struct api *api, struct buf *out)
{
    static const enum metric_id counted[] = {
        METRIC_JOB_EVENTS, METRIC_JOB_FAILURES, METRIC_TROUBLES,      METRIC_STORE_SECONDS,
        METRIC_LOOP_LAG,   METRIC_HTTP_ANSWERS, METRIC_STREAM_EVENTS, METRIC_STREAM_BYTES};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        metrics_put(api->metrics, counted[i], out);
    put_one(METRIC_HTTP_CONNECTIONS, http_server_open(api->server), out);
    put_one(METRIC_STREAM_CLIENTS, (int64_t)streams_open(api->streams), out);
}

static void put_webhook(const struct webhook_totals *t, const char *result, int64_t n,
                        struct buf *out)
{
    const char *const values[] = {t->name, result};
    metric_put_int(&metric_table[METRIC_WEBHOOKS], values, n, out);
}

static void put_webhooks(struct buf *out, const struct webhooks *webhooks)
{
    struct webhook_totals t;
    metric_put_head(&metric_table[METRIC_WEBHOOKS], out);
    for (size_t i = 0; i < STORE_ENDPOINT_MAX && webhooks_totals(webhooks, i, &t); i++) {
        put_webhook(&t, "delivered", t.delivered, out);
        put_webhook(&t, "failed", t.failed - t.given_up, out);
        put_webhook(&t, "given_up", t.given_up, out);
    }
    metric_put_head(&metric_table[METRIC_WEBHOOK_TROUBLED], out);
    for (size_t i = 0; i < STORE_ENDPOINT_MAX && webhooks_totals(webhooks, i, &t); i++)
        put_labelled(METRIC_WEBHOOK_TROUBLED, t.name, t.troubled, out);
}

void metrics_put_process(const struct api *api, struct buf *out)
{
    metric_put_head(&metric_table[METRIC_START_TIME], out);
    metric_put_seconds(&metric_table[METRIC_START_TIME], NULL, api->started_us, out);
    put_engine(out, api);
    put_counted(api, out);
    put_webhooks(out, api->webhooks);
}

/* stats: NULL when the store tells nothing; what the process counts is told all the same. */
static void answer(struct api_request *rq, const struct store_stats *stats)
{
    size_t others = rq->api->crew != NULL ? shared_texts_n(rq->api->crew) : 0;
    struct buf out = BUF_INIT(METRICS_MAX + others * 2 * SHARED_TEXT_MAX); /* 2: labels */
    put_build(&out, rq->api);
    put_one(METRIC_STORE_UP, stats != NULL, &out);
    if (stats != NULL) {
        put_queue(&out, stats, loop_wall(rq->api->loop));
        put_ledger(&out, stats);
    }
    if (rq->api->crew != NULL)
        metrics_crew_put(rq->api, &out);
    else
        metrics_put_process(rq->api, &out);
    api_answer(rq, 200, METRICS_TYPE, NULL, buf_str(&out), out.len);
    buf_free(&out);
}

static void on_metrics(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq != NULL)
        answer(rq, r->err == OK ? r->stats : NULL);
}

static void answer_alone(struct api_request *rq)
{
    answer(rq, NULL);
}

void handle_metrics(struct api_request *rq)
{
    rq->late = answer_alone;
    api_request_set_deadline(rq, SCRAPE_US);
    store_stats(rq->api->store, on_metrics, api_request_ask(rq));
}
