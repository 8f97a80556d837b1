/* In: GET /v1/deployments, POST /v1/deployments/rollback. Out: the versions of the pipeline, and
 * another one of them active. */
#include "api/answer.h"
#include "api/deployment_json.h"
#include "api/handlers.h"
#include "store/store_deployments.h"

static void on_deployments(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(DEPLOYMENTS_JSON_MAX);
    deployments_put_json(&out, r);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_deployments(struct api_request *rq)
{
    store_deployments(rq->api->store, on_deployments, api_request_ask(rq));
}

static void on_rollback(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL)
        return;
    if (r->err == ERR_NOT_FOUND) {
        api_answer_error(rq, 404, "Not found", "%s", r->message);
        return;
    }
    if (api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    buf_putf(&out, "{\"active\":%d}", r->version);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_rollback(struct api_request *rq)
{
    int64_t version = -1;
    if (!api_request_query_int(rq, "version", 0, INT32_MAX, &version))
        return;
    store_deployment_activate(rq->api->store, (int)version, on_rollback, api_request_ask(rq));
}
