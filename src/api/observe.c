/* In: GET /v1/stats, /v1/workers. Out: the store's counts, as JSON. */
#include <inttypes.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/stats_json.h"
#include "base/clock.h"

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
