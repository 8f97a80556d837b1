/* In: POST /v1/pause, /v1/resume. Out: the setting that every claim looks at, changed. */
#include <inttypes.h>
#include <stdio.h>

#include "api/answer.h"
#include "api/handlers.h"

static void on_changed(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    bool paused = *(const bool *)rq->state;
    struct buf out = BUF_INIT(64);
    buf_putf(&out, "{\"paused\":%s}", paused ? "true" : "false");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

static void set_paused(struct api_request *rq, bool paused, const char *value)
{
    bool *state = arena_alloc(&rq->arena, sizeof *state);
    *state = paused;
    rq->state = state;
    store_setting_set(rq->api->store, "paused", value, on_changed, api_request_ask(rq));
}

void handle_pause(struct api_request *rq)
{
    char since[32];
    (void)snprintf(since, sizeof since, "%" PRId64, loop_wall(rq->api->loop));
    set_paused(rq, true, since);
}

void handle_resume(struct api_request *rq)
{
    set_paused(rq, false, NULL);
}
