/* In: how many wait and work, how far those are, and how long jobs take. Out: when a job will start
 * and finish. */
#include "api/figures.h"

#include <stdlib.h>

#include "api/request.h"
#include "base/clock.h"

#define COUNTS_US   (15 * USEC_PER_SEC) /* they cost a look at every job */
#define RUNNING_US  (1 * USEC_PER_SEC)
#define STALE_US    (5 * USEC_PER_SEC) /* what is older is waited for */
#define LEARN_PART  8                  /* a new job counts one eighth */
#define LEARN_FIRST 8    /* the first to end are the short ones: until then the pace counts, too */
#define PART_KNOWN  0.15 /* of their time; before that the pace of jobs says nothing */

/* ---- how long a job takes ---- */

void figures_learn(struct figures *f, int64_t worked_us)
{
    if (worked_us <= 0)
        return;
    int64_t part = ++f->learned < LEARN_PART ? f->learned : LEARN_PART;
    f->own_us += (worked_us - f->own_us) / part;
}

void figures_take(struct figures *f, const struct store_stats *stats, int64_t now_us)
{
    double seconds = stats->recent_seconds[JOB_COMPLETED];
    f->read_us = now_us;
    f->running = stats->running;
    f->hour_us = seconds > 0 ? (int64_t)(seconds * 1e6) : 0;
}

/* As jobs of one and of several chunks were seen to spend it. Models write more than they are asked
 * for: 80 is shown for the last seventh of the time. */
double figures_done_part(int progress)
{
    if (progress <= 20)
        return progress <= 5 ? 0 : 0.08 * (double)(progress - 5) / 15;
    if (progress <= 80)
        return 0.08 + 0.78 * (double)(progress - 20) / 60;
    return progress >= 100 ? 1 : 0.86 + 0.12 * (double)(progress - 80) / 20;
}

/* Its time until it showed this progress: a row is written once a second. */
static int64_t worked_us(const struct store_job *job, int64_t wall_us)
{
    int64_t shown = job->updated_us < wall_us ? job->updated_us : wall_us;
    return shown > job->started_us ? shown - job->started_us : 0;
}

/* When a job will have ended: as jobs do while little is known of it, more and more as it does
 * itself. */
static int64_t end_of(const struct store_job *job, int64_t each_us, int64_t wall_us)
{
    double part = figures_done_part(job->progress);
    double worked = (double)worked_us(job, wall_us);
    double total = (1 - part) * (double)each_us + worked;
    int64_t end = job->started_us + (int64_t)(worked + (1 - part) * total);
    return end > wall_us ? end : wall_us;
}

static int64_t each_of(const struct figures *f)
{
    if (f->own_us > 0 && f->learned < LEARN_FIRST && f->pace_us > 0)
        return (f->own_us * f->learned + f->pace_us * (LEARN_FIRST - f->learned)) / LEARN_FIRST;
    return f->own_us > 0 ? f->own_us : f->hour_us > 0 ? f->hour_us : f->pace_us;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of all together: those that are far already are the quick ones. */
static int64_t pace_of(const struct store_job *jobs, size_t n, int64_t wall_us)
{
    double worked = 0, parts = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i].queued)
            continue;
        worked += (double)worked_us(&jobs[i], wall_us);
        parts += figures_done_part(jobs[i].progress);
        count++;
    }
    return count > 0 && parts >= PART_KNOWN * (double)count ? (int64_t)(worked / parts) : 0;
}

void figures_take_running(struct figures *f, const struct store_job *jobs, size_t n, int64_t now_us,
                          int64_t wall_us)
{
    f->looked_us = now_us;
    f->pace_us = pace_of(jobs, n, wall_us);
    f->running = 0;
    f->n_ends = 0;
    int64_t each = each_of(f);
    for (size_t i = 0; i < n; i++) {
        f->running += jobs[i].queued;
        if (jobs[i].queued && each > 0 && f->n_ends < STORE_BATCH_MAX)
            f->ends[f->n_ends++] = end_of(&jobs[i], each, wall_us);
    }
    qsort(f->ends, f->n_ends, sizeof f->ends[0], by_time);
}

/* ---- when ---- */

/* The n-th time, from 0, at which one of the slots becomes free: of those that we know the end of
 * as each ends, of the others after the job that they take now; and then again and again. */
static int64_t free_again(const struct figures *f, int64_t slots, int64_t each_us, int64_t n,
                          int64_t wall_us)
{
    int64_t known = (int64_t)f->n_ends, others = slots > known ? slots - known : 0;
    int64_t turn = n / (known + others), at = n % (known + others), before = 0;
    while (before < known && f->ends[before] <= wall_us + each_us)
        before++;
    int64_t time = wall_us + each_us;
    if (at < before)
        time = f->ends[at];
    else if (at >= before + others)
        time = f->ends[at - others];
    return (time > wall_us ? time : wall_us) + turn * each_us;
}

static int64_t start_of(const struct figures *f, int64_t slots, int64_t place, int64_t wall_us)
{
    int64_t each = each_of(f), idle = slots > f->running ? slots - f->running : 0;
    if (place <= idle)
        return wall_us;
    if (f->looked_us == 0) /* nobody has looked at what runs: evenly spread */
        return each > 0 ? wall_us + (place - idle) * each / slots : 0;
    return each > 0 ? free_again(f, slots, each, place - idle - 1, wall_us) : 0;
}

struct estimate figures_estimate(const struct figures *f, size_t slots, const struct store_job *job,
                                 int64_t wall_us)
{
    struct estimate none = {0}, e = {0};
    int64_t each = each_of(f);
    int64_t all = (int64_t)slots > f->running ? (int64_t)slots : f->running;
    if (job->status == JOB_PROCESSING && job->queued) {
        e.start_us = job->started_us;
        if (each > 0)
            e.finish_us = end_of(job, each, wall_us);
        return e;
    }
    if (job->status != JOB_PENDING || all == 0)
        return none;
    if (job->run_at_us > wall_us)
        e.start_us = job->run_at_us;
    else if (job->position > 0) /* of those beside it half go first */
        e.start_us = start_of(f, all, job->position + (job->beside + 1) / 2, wall_us);
    if (e.start_us > 0 && each > 0)
        e.finish_us = e.start_us + each;
    return e;
}

/* What runs here is known now, what runs elsewhere was read a moment ago. */
struct estimate figures_for(const struct api_request *rq, const struct store_job *job)
{
    const struct api *api = rq->api;
    struct figures *f = &rq->api->figures;
    int64_t read = f->running,
            here = api->engine != NULL ? (int64_t)engine_running(api->engine) : 0;
    f->running = here > read ? here : read;
    struct estimate e = figures_estimate(f, api_slots(api), job, loop_wall(api->loop));
    f->running = read;
    return e;
}

/* ---- reading them ---- */

struct waiter {
    struct waiter *next;
    struct api_request *rq;
    void (*then)(struct api_request *rq);
};

struct figures_look { /* under way; outlives the api when it must */
    struct api *api;
    struct waiter *waiters;
};

static void end_look(struct figures_look *look)
{
    struct waiter *w = look->waiters, *next;
    if (look->api != NULL)
        look->api->figures.look = NULL;
    free(look);
    for (; w != NULL; w = next) {
        next = w->next;
        struct api_request *rq = api_request_told(w->rq);
        if (rq != NULL)
            w->then(rq);
        free(w);
    }
}

static void on_stats(void *ctx, const struct store_result *r)
{
    struct figures_look *look = ctx;
    if (look->api != NULL && r->err == OK) {
        int64_t running = look->api->figures.running;
        figures_take(&look->api->figures, r->stats, loop_now(look->api->loop));
        if (running < STORE_BATCH_MAX)
            look->api->figures.running = running; /* counted one by one */
    }
    end_look(look);
}

static void on_running(void *ctx, const struct store_result *r)
{
    struct figures_look *look = ctx;
    struct api *api = look->api;
    if (api != NULL && r->err == OK)
        figures_take_running(&api->figures, r->jobs, r->n, loop_now(api->loop),
                             loop_wall(api->loop));
    if (api == NULL || r->err != OK ||
        (api->figures.read_us != 0 && loop_now(api->loop) - api->figures.read_us < COUNTS_US))
        end_look(look);
    else
        store_stats(api->store, on_stats, look);
}

static void begin_look(struct api *api)
{
    struct store_filter filter = {.status = JOB_PROCESSING, .limit = STORE_BATCH_MAX};
    struct figures_look *look = mem_alloc(sizeof *look);
    look->api = api;
    api->figures.look = look;
    store_list(api->store, &filter, on_running, look);
}

void figures_need(struct api_request *rq, void (*then)(struct api_request *rq))
{
    struct api *api = rq->api;
    struct figures *f = &api->figures;
    int64_t age = loop_now(api->loop) - f->looked_us;
    bool wait = f->looked_us == 0 || age > STALE_US;
    if ((wait || age > RUNNING_US) && f->look == NULL)
        begin_look(api);
    if (!wait || f->look == NULL) {
        then(rq);
        return;
    }
    struct waiter *w = mem_alloc(sizeof *w);
    *w = (struct waiter){f->look->waiters, api_request_ask(rq), then};
    f->look->waiters = w;
}

void figures_end(struct api *api)
{
    if (api->figures.look != NULL)
        api->figures.look->api = NULL;
}
