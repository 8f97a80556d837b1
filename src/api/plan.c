/* In: GET /v1/plan. Out: the capacity planner's table, with what scripts took here lately. */

#include "api/answer.h"
#include "api/forecast_json.h"
#include "api/handlers.h"
#include "base/clock.h"

#define MINUTE_US     ((int64_t)60 * USEC_PER_SEC)
#define USERS_DEFAULT 10
#define SCRIPTS_MAX   10000 /* more takes too long for the loop: the command has time */

static void answer(struct api_request *rq)
{
    struct forecast f;
    struct errmsg msg = {""};
    struct forecast_input *in = rq->state;
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

static void on_steps(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    forecast_learn_steps(rq->state, r);
    answer(rq);
}

static void on_jobs(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    struct forecast_look look;
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    forecast_learn(rq->state, r, &look);
    if (look.n > 0)
        store_follow(rq->api->store, look.items, look.n, on_steps, api_request_ask(rq));
    else
        answer(rq);
}

/* False: answered with 400. */
static bool read_steps(struct api_request *rq, struct forecast_input *in)
{
    const char *steps = api_request_query(rq, "step_seconds");
    struct errmsg msg = {""};
    if (steps == NULL || forecast_read_steps(in, steps, &msg) == OK)
        return true;
    api_answer_error(rq, 400, "Bad request", "step_seconds: %s", msg.text);
    return false;
}

/* False: answered with 400. */
static bool read_tier(struct api_request *rq, struct forecast_input *in)
{
    const char *tier = api_request_query(rq, "tier");
    if (forecast_limits(tier, &rq->api->limits, &in->limits))
        return true;
    api_answer_error(rq, 400, "Bad request", "tier must be one of %s", forecast_tiers);
    return false;
}

/* `name` as a number in least..most, in units of `unit`; left alone when it is not given. False:
 * answered with 400. */
static bool read_number(struct api_request *rq, const char *name, double least, double most,
                        double unit, int64_t *io_value)
{
    const char *text = api_request_query(rq, name);
    double value = 0;
    if (text == NULL)
        return true;
    if (api_read_number(text, least, most, &value)) {
        *io_value = (int64_t)(value * unit + 0.5);
        return true;
    }
    api_answer_error(rq, 400, "Bad request", "%s must be a number from %g to %.10g", name, least,
                     most);
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
        !read_steps(rq, in) ||
        !read_number(rq, "minutes_per_script", 0.0001, 1440, (double)MINUTE_US, &in->minutes_us) ||
        !read_number(rq, "every", 0.01, 86400, (double)USEC_PER_SEC, &in->every_us) ||
        !read_number(rq, "budget", 0.000001, 1000000, 1e6, &in->limits.budget_udollar))
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
