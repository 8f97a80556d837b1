/* In: GET /v1/logs. Out: lines of the log in their order: the newest, or those after a line. */
#include <inttypes.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/invocation_json.h"
#include "store/store_history.h"

#define LIMIT_DEFAULT 100
#define NOT_GIVEN     (-1)

static void on_lines(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const int64_t *last = rq->state; /* when there are none */
    struct buf out = BUF_INIT(HISTORY_JSON_MAX);
    buf_puts(&out, "{\"logs\":[");
    for (size_t i = 0; i < r->n; i++) {
        if (i > 0)
            buf_puts(&out, ",");
        line_put_json(&out, &r->lines[i]);
    }
    buf_putf(&out, "],\"last\":%" PRId64 "}", r->n > 0 ? r->lines[r->n - 1].n : *last);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_logs(struct api_request *rq)
{
    struct store_log_filter filter = {.limit = LIMIT_DEFAULT};
    int64_t limit = LIMIT_DEFAULT, after = NOT_GIVEN;
    if (!api_request_query_int(rq, "limit", 1, STORE_BATCH_MAX, &limit) ||
        !api_request_query_int(rq, "after", 0, INT64_MAX, &after) ||
        !api_request_query_id(rq, "job_id", &filter.job) ||
        !api_request_query_id(rq, "invocation", &filter.invocation))
        return;
    if (!uuid_is_nil(&filter.job) && !uuid_is_nil(&filter.invocation)) {
        api_answer_error(rq, 400, "Bad request", "give job_id or invocation, not both");
        return;
    }
    filter.limit = (size_t)limit;
    if (after != NOT_GIVEN)
        filter.after = after > 0 ? after : -1;
    int64_t *last = arena_alloc(&rq->arena, sizeof *last);
    *last = after > 0 ? after : 0;
    rq->state = last;
    store_log(rq->api->store, &filter, on_lines, api_request_ask(rq));
}
