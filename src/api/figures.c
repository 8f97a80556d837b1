/* In: how many wait and work, and how long jobs take. Out: when a job will start and finish. */
#include "api/figures.h"

#include "api/request.h"
#include "base/clock.h"

#define FRESH_US   (15 * USEC_PER_SEC) /* they cost a look at every job */
#define LEARN_PART 8                   /* a new job counts one eighth */

void figures_learn(struct figures *f, int64_t worked_us)
{
    if (worked_us <= 0)
        return;
    f->own_us = f->own_us == 0 ? worked_us : f->own_us + (worked_us - f->own_us) / LEARN_PART;
}

void figures_take(struct figures *f, const struct store_stats *stats, int64_t now_us)
{
    double seconds = stats->recent_seconds[JOB_COMPLETED];
    f->read_us = now_us;
    f->running = stats->running;
    f->hour_us = seconds > 0 ? (int64_t)(seconds * 1e6) : 0;
}

/* The job at place p waits for p - free jobs to end; `slots` of them end per job's time, evenly
 * spread. */
static int64_t wait_us(int64_t place, int64_t running, int64_t slots, int64_t each_us)
{
    int64_t free_slots = slots > running ? slots - running : 0;
    if (place <= free_slots)
        return 0;
    return (int64_t)((double)(place - free_slots) * (double)each_us / (double)slots);
}

struct estimate figures_estimate(const struct figures *f, size_t slots, const struct store_job *job,
                                 int64_t wall_us)
{
    struct estimate none = {0}, e = {0};
    int64_t each = f->own_us > 0 ? f->own_us : f->hour_us;
    int64_t all = (int64_t)slots > f->running ? (int64_t)slots : f->running;
    if (job->status == JOB_PROCESSING && job->queued) {
        e.start_us = job->started_us;
        if (each > 0)
            e.finish_us = job->started_us + each > wall_us ? job->started_us + each : wall_us;
        return e;
    }
    if (job->status != JOB_PENDING || all == 0)
        return none;
    if (job->run_at_us > wall_us) {
        e.start_us = job->run_at_us;
    } else if (job->position > 0 && (each > 0 || job->position <= all - f->running)) {
        e.start_us = wall_us + wait_us(job->position, f->running, all, each);
    }
    if (e.start_us > 0 && each > 0)
        e.finish_us = e.start_us + each;
    return e;
}

/* What runs here is known now, what runs elsewhere was read some seconds ago. */
struct estimate figures_for(const struct api_request *rq, const struct store_job *job)
{
    const struct api *api = rq->api;
    struct figures f = api->figures;
    int64_t here = api->engine != NULL ? (int64_t)engine_running(api->engine) : 0;
    if (here > f.running)
        f.running = here;
    return figures_estimate(&f, api_slots(api), job, loop_wall(api->loop));
}

struct need {
    struct api_request *rq;
    void (*then)(struct api_request *rq);
};

static void on_stats(void *ctx, const struct store_result *r)
{
    struct need *need = ctx;
    void (*then)(struct api_request * rq) = need->then;
    struct api_request *rq = api_request_told(need->rq); /* frees `need` with it when it is over */
    if (rq == NULL)
        return;
    if (r->err == OK)
        figures_take(&rq->api->figures, r->stats, loop_now(rq->api->loop));
    then(rq);
}

void figures_need(struct api_request *rq, void (*then)(struct api_request *rq))
{
    struct figures *f = &rq->api->figures;
    if (f->read_us != 0 && loop_now(rq->api->loop) - f->read_us < FRESH_US) {
        then(rq);
        return;
    }
    struct need *need = arena_alloc(&rq->arena, sizeof *need);
    *need = (struct need){rq, then};
    (void)api_request_ask(rq);
    store_stats(rq->api->store, on_stats, need);
}
