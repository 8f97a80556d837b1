/* In: a load balancer's question. Out: alive; ready, or why not. */
#include "api/answer.h"
#include "api/handlers.h"

#include <string.h>

#define READY_US (2 * (int64_t)1000000)

void handle_root(struct api_request *rq)
{
    struct buf out = BUF_INIT(1024);
    buf_puts(&out, "{\"name\":\"scriptorium\",\"version\":");
    json_put_string(&out, rq->api->version, strlen(rq->api->version));
    buf_puts(&out, ",\"openapi\":\"/openapi.json\"}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_healthz(struct api_request *rq)
{
    static const char body[] = "{\"status\":\"ok\"}";
    api_answer(rq, 200, "application/json", NULL, body, sizeof body - 1);
}

static void on_store(void *ctx, const struct store_result *r)
{
    static const char body[] = "{\"status\":\"ready\"}";
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL)
        return;
    if (r->err != OK) {
        rq->who = auth_check(rq->api->auth, rq->x, loop_wall(rq->api->loop));
        api_answer_error(rq, 503, "Not ready", "%s", api_reason(rq, r));
    } else if (rq->api->draining) {
        api_answer_error(rq, 503, "Not ready", "the server is about to end");
    } else {
        api_answer(rq, 200, "application/json", NULL, body, sizeof body - 1);
    }
}

void handle_readyz(struct api_request *rq)
{
    if (rq->api->draining) {
        api_answer_error(rq, 503, "Not ready", "the server is about to end");
        return;
    }
    api_request_set_deadline(rq, READY_US);
    store_ready(rq->api->store, on_store, api_request_ask(rq));
}
