/* In: GET /v1/stats, /v1/workers, /metrics. Out: the store's counts and this process's own, as JSON
 * and in Prometheus' text format. */
#include <inttypes.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/stats_json.h"
#include "base/clock.h"

#define METRICS_MAX  ((size_t)64 * 1024)
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void on_stats(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(STATS_JSON_MAX);
    stats_put_json(&out, r->stats);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_stats(struct api_request *rq)
{
    store_stats(rq->api->store, on_stats, api_request_ask(rq));
}

/* ---- workers ---- */

static void on_workers(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    char id[UUID_TEXT_SIZE];
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    int64_t now = loop_wall(rq->api->loop);
    buf_puts(&out, "{\"workers\":[");
    for (size_t i = 0; i < r->n; i++) {
        const struct store_worker_seen *w = &r->workers[i];
        buf_putf(&out, "%s{\"id\":\"%s\"", i > 0 ? "," : "", uuid_text(&w->id, id));
        job_json_put_string(&out, "name", w->name);
        buf_putf(&out, ",\"running\":%" PRId64 ",\"alive\":%s", w->running,
                 w->expires_us > now ? "true" : "false");
        job_json_put_time(&out, "held_since", w->held_since_us);
        job_json_put_time(&out, "lease_until", w->expires_us);
        buf_puts(&out, "}");
    }
    buf_puts(&out, "]}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_workers(struct api_request *rq)
{
    store_workers(rq->api->store, on_workers, api_request_ask(rq));
}

/* ---- metrics ---- */

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_putf(out, "# HELP scriptorium_%s %s\n# TYPE scriptorium_%s %s\n", name, help, name, type);
}

static void put_value(struct buf *out, const char *name, const char *type, const char *help,
                      int64_t value)
{
    put_head(out, name, type, help);
    buf_putf(out, "scriptorium_%s %" PRId64 "\n", name, value);
}

static void put_build(struct buf *out, const struct api *api)
{
    put_head(out, "build_info", "gauge", "The program's version; always 1.");
    const char *name = "";
    int pipeline = api->engine != NULL ? engine_pipeline(api->engine, &name) : -1;
    buf_putf(out, "scriptorium_build_info{version=\"%s\",pipeline=\"%d\",pipeline_hash=\"%s\"} 1\n",
             api->version, pipeline, name);
    put_head(out, "start_time_seconds", "gauge", "When this process began to serve.");
    buf_putf(out, "scriptorium_start_time_seconds %.3f\n", (double)api->started_us / 1e6);
}

static void put_store(struct buf *out, const struct store_stats *s, int64_t wall_us)
{
    put_head(out, "jobs", "gauge", "Jobs in the table, by status.");
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        buf_putf(out, "scriptorium_jobs{status=\"%s\"} %" PRId64 "\n",
                 job_status_name((enum job_status)i), s->count[i]);
    put_head(out, "queue", "gauge", "Jobs in the queue, by what they wait for.");
    buf_putf(out, "scriptorium_queue{state=\"due\"} %" PRId64 "\n", s->due);
    buf_putf(out, "scriptorium_queue{state=\"delayed\"} %" PRId64 "\n", s->delayed);
    buf_putf(out, "scriptorium_queue{state=\"running\"} %" PRId64 "\n", s->running);
    buf_putf(out, "scriptorium_queue{state=\"foreign\"} %" PRId64 "\n", s->foreign);
    put_value(out, "paused", "gauge", "Nothing is claimed until somebody resumes.", s->paused);
    int64_t age_us = s->oldest_due_us > 0 ? wall_us - s->oldest_due_us : 0;
    put_head(out, "oldest_due_seconds", "gauge", "How long the oldest due job has waited.");
    buf_putf(out, "scriptorium_oldest_due_seconds %.3f\n", age_us > 0 ? (double)age_us / 1e6 : 0.0);
    put_value(out, "calls_total", "counter", "Model calls in the ledger.", s->calls);
    put_value(out, "calls_estimated_total", "counter",
              "Model calls that were cut: their tokens are estimated.", s->calls_estimated);
    put_head(out, "tokens_total", "counter", "Tokens in the ledger, by kind.");
    buf_putf(out, "scriptorium_tokens_total{kind=\"input\"} %" PRId64 "\n", s->usage.input);
    buf_putf(out, "scriptorium_tokens_total{kind=\"output\"} %" PRId64 "\n", s->usage.output);
    buf_putf(out, "scriptorium_tokens_total{kind=\"cache_read\"} %" PRId64 "\n",
             s->usage.cache_read);
    buf_putf(out, "scriptorium_tokens_total{kind=\"cache_write\"} %" PRId64 "\n",
             s->usage.cache_write_5m + s->usage.cache_write_1h);
    char dollars[DOLLARS_SIZE];
    put_head(out, "cost_dollars_total", "counter", "What the ledger's calls cost.");
    buf_putf(out, "scriptorium_cost_dollars_total %s\n", dollars_text(s->cost_udollar, dollars));
}

static void put_process(struct buf *out, const struct api *api)
{
    static const struct {
        enum engine_event_kind kind;
        const char *name;
    } ends[] = {{ENGINE_JOB_CLAIMED, "claimed"},      {ENGINE_JOB_COMPLETED, "completed"},
                {ENGINE_JOB_RETRY, "retried"},        {ENGINE_JOB_FAILED, "failed"},
                {ENGINE_JOB_RELEASED, "handed_back"}, {ENGINE_JOB_LOST, "lost"}};
    put_head(out, "job_events_total", "counter", "What became of jobs in this process.");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        buf_putf(out, "scriptorium_job_events_total{event=\"%s\"} %" PRId64 "\n", ends[i].name,
                 api->counters.events[ends[i].kind]);
    put_value(out, "troubles_total", "counter", "Times that an operator had to look.",
              api->counters.events[ENGINE_TROUBLE]);
    if (api->engine != NULL) {
        put_value(out, "running", "gauge", "Jobs in work in this process.",
                  (int64_t)engine_running(api->engine));
        put_value(out, "slots", "gauge", "Jobs this process takes at once.",
                  (int64_t)api_slots(api));
    }
    put_head(out, "http_answers_total", "counter", "HTTP answers, by the kind of status.");
    for (int i = 2; i < 6; i++)
        buf_putf(out, "scriptorium_http_answers_total{status=\"%dxx\"} %" PRId64 "\n", i,
                 api->counters.answers[i]);
    put_value(out, "http_connections", "gauge", "Open connections.", http_server_open(api->server));
}

static void put_webhooks(struct buf *out, const struct webhooks *webhooks)
{
    struct webhook_totals t;
    if (!webhooks_totals(webhooks, 0, &t))
        return;
    put_head(out, "webhooks_total", "counter", "Webhooks that this process sent, by result.");
    for (size_t i = 0; i < STORE_ENDPOINT_MAX && webhooks_totals(webhooks, i, &t); i++) {
        buf_putf(out,
                 "scriptorium_webhooks_total{endpoint=\"%s\",result=\"delivered\"} %" PRId64 "\n"
                 "scriptorium_webhooks_total{endpoint=\"%s\",result=\"failed\"} %" PRId64 "\n"
                 "scriptorium_webhooks_total{endpoint=\"%s\",result=\"given_up\"} %" PRId64 "\n",
                 t.name, t.delivered, t.name, t.failed - t.given_up, t.name, t.given_up);
    }
    put_head(out, "webhook_troubled", "gauge", "An endpoint that fails again and again.");
    for (size_t i = 0; i < STORE_ENDPOINT_MAX && webhooks_totals(webhooks, i, &t); i++)
        buf_putf(out, "scriptorium_webhook_troubled{endpoint=\"%s\"} %d\n", t.name, t.troubled);
}

static void on_metrics(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL)
        return;
    struct buf out = BUF_INIT(METRICS_MAX);
    put_build(&out, rq->api);
    put_value(&out, "store_up", "gauge", "The store has answered this scrape.", r->err == OK);
    if (r->err == OK)
        put_store(&out, r->stats, loop_wall(rq->api->loop));
    put_process(&out, rq->api);
    put_webhooks(&out, rq->api->webhooks);
    api_answer(rq, 200, METRICS_TYPE, NULL, buf_str(&out), out.len);
    buf_free(&out);
}

void handle_metrics(struct api_request *rq)
{
    store_stats(rq->api->store, on_metrics, api_request_ask(rq));
}
