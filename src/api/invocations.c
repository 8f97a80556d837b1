/* In: GET /v1/invocations. Out: the calls of the function endpoint, newest first. */
#include "api/answer.h"
#include "api/handlers.h"
#include "api/invocation_json.h"
#include "store/store_history.h"

#define LIMIT_DEFAULT 50

static void on_invocations(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const size_t *limit = rq->state;
    struct buf out = BUF_INIT(HISTORY_JSON_MAX);
    buf_puts(&out, "{");
    invocations_put_page(&out, r->invocations, r->n, *limit);
    buf_puts(&out, "}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_invocations(struct api_request *rq)
{
    int64_t limit = LIMIT_DEFAULT;
    struct uuid cursor = {0};
    if (!api_request_query_int(rq, "limit", 1, STORE_BATCH_MAX, &limit) ||
        !api_request_query_id(rq, "cursor", &cursor))
        return;
    size_t *kept = arena_alloc(&rq->arena, sizeof *kept);
    *kept = (size_t)limit;
    rq->state = kept;
    store_invocations(rq->api->store, &cursor, *kept, on_invocations, api_request_ask(rq));
}
