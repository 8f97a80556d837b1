/* In: GET /v1/plan. Out: the capacity planner's table, with what scripts took here lately. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/forecast_json.h"
#include "api/handlers.h"
#include "base/clock.h"

#define MINUTE_US     ((int64_t)60 * USEC_PER_SEC)
#define USERS_DEFAULT 10
#define SCRIPTS_MAX   10000 /* more takes too long for the loop: the command has time */

static void on_jobs(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    struct forecast f;
    struct errmsg msg = {""};
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct forecast_input *in = rq->state;
    forecast_learn(in, r);
    if (rq->api->catalog != NULL)
        forecast_put_price(in, rq->api->catalog, loop_wall(rq->api->loop));
    if (forecast_make(in, &f, &msg) != OK) {
        api_answer_error(rq, 400, "Bad request", "%s", msg.text);
        return;
    }
    struct buf out = BUF_INIT(FORECAST_JSON_MAX);
    forecast_put_json(&out, in, &f);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

/* False: answered with 400. */
static bool read_tier(struct api_request *rq, struct forecast_input *in)
{
    const char *tier = http_query(rq->x, "tier");
    if (tier == NULL)
        tier = "start";
    if (forecast_tier(tier, &in->limits))
        return true;
    api_answer_error(rq, 400, "Bad request", "tier must be one of %s", forecast_tiers);
    return false;
}

static bool read_minutes(struct api_request *rq, struct forecast_input *in)
{
    const char *text = http_query(rq->x, "minutes_per_script");
    char *end = NULL;
    if (text == NULL)
        return true;
    double minutes = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(minutes) && minutes > 0 && minutes <= 1440) {
        in->minutes_us = (int64_t)(minutes * (double)MINUTE_US + 0.5);
        return true;
    }
    api_answer_error(rq, 400, "Bad request", "minutes_per_script must be a number up to 1440");
    return false;
}

void handle_plan(struct api_request *rq)
{
    struct forecast_input *in = arena_alloc(&rq->arena, sizeof *in);
    struct store_filter filter = {.status = JOB_COMPLETED, .limit = FORECAST_LOOK_BACK};
    int64_t users = 0, per_day = 0, workers = 0, concurrency = 0, keys = 1;
    if (!api_request_query_int(rq, "users", 1, SCRIPTS_MAX, &users) ||
        !api_request_query_int(rq, "per_day", 1, SCRIPTS_MAX, &per_day) ||
        !api_request_query_int(rq, "workers", 1, CAPACITY_WORKERS_MAX, &workers) ||
        !api_request_query_int(rq, "concurrency", 1, SCRIPTS_MAX, &concurrency) ||
        !api_request_query_int(rq, "keys", 1, 1000, &keys) || !read_tier(rq, in) ||
        !read_minutes(rq, in))
        return;
    if (workers > 0 && concurrency > 0 && workers * concurrency > SCRIPTS_MAX) {
        api_answer_error(rq, 400, "Bad request", "workers times concurrency: at most %d here",
                         SCRIPTS_MAX);
        return;
    }
    in->users = users == 0 && per_day == 0 ? USERS_DEFAULT : users;
    in->per_day = per_day;
    in->workers = (int)workers;
    in->concurrency = (int)concurrency;
    in->keys = (int)keys;
    rq->state = in;
    store_list(rq->api->store, &filter, on_jobs, api_request_ask(rq));
}
