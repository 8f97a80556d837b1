/* In: POST /v1/pause, /v1/resume, /v1/scale, GET /scale, DELETE /v1/users/{id}. Out: settings that
 * all nodes look at, changed and told; a user's texts gone. */
#include <inttypes.h>
#include <stdio.h>

#include "api/answer.h"
#include "api/erase.h"
#include "api/handlers.h"
#include "api/scale_json.h"

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

/* ---- scale ---- */

/* As it is configured: what the engine still has of an undone scale is no measure. */
static int64_t configured_slots(const struct api *api)
{
    return (int64_t)(api->engine != NULL ? engine_view(api->engine).slots : api->slots);
}

static void on_scale(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const struct api *api = rq->api;
    struct scale_figures f = scale_figures(r->scale, configured_slots(api), api->concurrent_limit);
    struct buf out = BUF_INIT(SCALE_JSON_MAX);
    scale_put_json(&out, r->scale, &f);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_scale(struct api_request *rq)
{
    store_scale_get(rq->api->store, &(struct uuid){0}, true, on_scale, api_request_ask(rq));
}

static void on_scale_now(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct store_scale_change *change = rq->state;
    scale_complete(change, r->scale, configured_slots(rq->api));
    store_scale(rq->api->store, change, on_scale, api_request_ask(rq));
}

void handle_scale_change(struct api_request *rq)
{
    struct store_scale_change *change = arena_alloc(&rq->arena, sizeof *change);
    struct errmsg msg = {""};
    size_t n;
    const char *body = http_body(rq->x, &n);
    if (scale_read_body(body, n, change, &msg) != OK) {
        api_answer_error(rq, 400, "Bad request", "%s", msg.text);
        return;
    }
    change->fallback = rq->api->concurrent_limit;
    rq->state = change;
    store_scale_get(rq->api->store, &(struct uuid){0}, true, on_scale_now, api_request_ask(rq));
}

/* ---- erase ---- */

static void on_erased(void *ctx, const struct store_result *r, const struct store_erased *sum)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(ERASE_JSON_MAX);
    erase_put_json(&out, rq->state, sum);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

void handle_user_erase(struct api_request *rq)
{
    struct uuid *user = arena_alloc(&rq->arena, sizeof *user);
    rq->state = user;
    if (api_request_id(rq, 0, user))
        erase_user(rq->api->store, user, on_erased, api_request_ask(rq));
}
