/* In: scripts, limits, a set-up, a load. Out: waiting times and the rate at full load. */
#include "job/capacity.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define BURST_US        (2 * USEC_PER_SEC) /* of limits per minute that may go at once */
#define BUDGET_PART     60                 /* of an hour's money that may go at once */
#define HOUR_US         ((int64_t)3600 * USEC_PER_SEC)
#define MINUTE_US       ((int64_t)60 * USEC_PER_SEC)
#define FULL_SCRIPTS    50000 /* looked at for the rate at full load, ... */
#define FULL_ROUNDS     20    /* ... or so many for each slot */
#define FULL_ROUNDS_MIN 4
#define BINDS           0.9 /* the part of a limit from which on it is what binds */
#define NEVER           INT64_MAX
#define FOREVER_US      4e18 /* as late as anything may be: two of them still fit */

/* A limit per time, as the time at which what was taken is used up. */
struct bucket {
    double us_each, used_up_us, burst_us; /* us_each 0 = no limit */
};

struct event {
    int64_t at_us;
    int32_t job;
};

struct job {
    int32_t calls_left, worker;
};

struct world {
    const struct capacity_script *script;
    const struct capacity_setup *setup;
    const struct capacity_load *load;
    int64_t now_us, next_call_us, admit_at_us;
    struct bucket requests, input, money;
    int64_t streams, streams_max;
    int64_t arrived, started, ended; /* scripts */
    int64_t free_slots;
    int *running; /* of each worker, where they are called */
    struct job *jobs;
    int64_t *waits, *ends;
    int32_t *queue; /* jobs whose next call waits to be admitted: a ring */
    size_t queue_from, queue_n, queue_max;
    struct event *heap; /* ends of calls */
    size_t heap_n;
};

/* ---- the heap: earliest first; those of the same time in the order they were put ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->job < b->job);
}

static void heap_put(struct world *w, struct event e)
{
    size_t i = w->heap_n++;
    for (; i > 0 && before(&e, &w->heap[(i - 1) / 4]); i = (i - 1) / 4)
        w->heap[i] = w->heap[(i - 1) / 4];
    w->heap[i] = e;
}

static struct event heap_take(struct world *w)
{
    struct event first = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = i * 4 + 1, best = child, end = child + 4 < w->heap_n ? child + 4 : w->heap_n;
        if (child >= w->heap_n)
            break;
        for (size_t k = child + 1; k < end; k++) {
            if (before(&w->heap[k], &w->heap[best]))
                best = k;
        }
        if (!before(&w->heap[best], &last))
            break;
        w->heap[i] = w->heap[best];
        i = best;
    }
    w->heap[i] = last;
    return first;
}

/* ---- limits ---- */

static struct bucket bucket_new(double per_time, double time_us, double cost, double burst_us)
{
    if (per_time <= 0 || cost <= 0)
        return (struct bucket){0};
    return (struct bucket){.us_each = time_us / per_time * cost, .burst_us = burst_us};
}

static int64_t bucket_free_at(const struct bucket *b)
{
    double at = b->us_each > 0 ? b->used_up_us - b->burst_us : 0;
    return at < FOREVER_US ? (int64_t)at : (int64_t)FOREVER_US;
}

static void bucket_take(struct bucket *b, int64_t now_us)
{
    if (b->used_up_us < (double)now_us)
        b->used_up_us = (double)now_us;
    b->used_up_us += b->us_each;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- what happens ---- */

static int64_t call_us(const struct world *w, int32_t job)
{
    return w->script->service_us[(size_t)job % w->script->n_service] / w->script->calls;
}

static int64_t arrival_us(const struct world *w, int64_t i)
{
    return (int64_t)((double)w->load->over_us / (double)w->load->scripts * (double)i);
}

/* The calls that wait go in their order, as far as the limits let them. */
static void admit(struct world *w)
{
    w->admit_at_us = NEVER;
    while (w->queue_n > 0 && w->streams < w->streams_max) {
        int32_t job = w->queue[w->queue_from];
        int64_t at = later(bucket_free_at(&w->requests), bucket_free_at(&w->input));
        if (w->jobs[job].calls_left == w->script->calls)
            at = later(at, bucket_free_at(&w->money));
        if (at > w->now_us) {
            w->admit_at_us = at;
            return;
        }
        if (w->jobs[job].calls_left == w->script->calls) {
            bucket_take(&w->money, w->now_us);
            w->waits[job] = w->now_us - arrival_us(w, job);
        }
        bucket_take(&w->requests, w->now_us);
        bucket_take(&w->input, w->now_us);
        w->queue_from = (w->queue_from + 1) % w->queue_max;
        w->queue_n--;
        w->streams++;
        heap_put(w, (struct event){w->now_us + call_us(w, job), job});
    }
}

static void ask(struct world *w, int32_t job)
{
    w->queue[(w->queue_from + w->queue_n++) % w->queue_max] = job;
}

static void start(struct world *w, int worker)
{
    int32_t job = (int32_t)w->started++;
    w->jobs[job] = (struct job){.calls_left = w->script->calls, .worker = worker};
    w->free_slots--;
    if (w->running != NULL)
        w->running[worker]++;
    ask(w, job);
}

/* Each worker is called, and takes what it has room for. */
static void call_workers(struct world *w)
{
    for (int i = 0; i < w->setup->workers; i++) {
        while (w->started < w->arrived && w->running[i] < w->setup->concurrency)
            start(w, i);
    }
    w->next_call_us += w->setup->every_us;
}

static void end_call(struct world *w, int32_t job)
{
    w->streams--;
    if (--w->jobs[job].calls_left > 0) {
        ask(w, job);
        return;
    }
    w->ends[w->ended++] = w->now_us;
    w->free_slots++;
    if (w->running != NULL)
        w->running[w->jobs[job].worker]--;
}

static int64_t next_event_us(const struct world *w)
{
    int64_t at = w->admit_at_us;
    if (w->heap_n > 0 && w->heap[0].at_us < at)
        at = w->heap[0].at_us;
    if (w->arrived < w->load->scripts && arrival_us(w, w->arrived) < at)
        at = arrival_us(w, w->arrived);
    if (w->running != NULL && w->started < w->load->scripts && w->next_call_us < at)
        at = w->next_call_us;
    return at;
}

/* At one moment: ends, then arrivals, then the workers' calls. */
static void run(struct world *w)
{
    while (w->ended < w->load->scripts) {
        w->now_us = next_event_us(w);
        while (w->heap_n > 0 && w->heap[0].at_us <= w->now_us)
            end_call(w, heap_take(w).job);
        while (w->arrived < w->load->scripts && arrival_us(w, w->arrived) <= w->now_us)
            w->arrived++;
        if (w->running == NULL) {
            while (w->free_slots > 0 && w->started < w->arrived)
                start(w, 0);
        } else if (w->next_call_us <= w->now_us) {
            call_workers(w);
        }
        admit(w);
    }
}

/* ---- a world, made and looked at ---- */

static double mean_us(const struct capacity_script *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_service; i++)
        sum += (double)s->service_us[i];
    return sum / (double)s->n_service;
}

/* Streams that make as many tokens a minute as there may be; their number is what is held down. */
static int64_t streams_max(const struct capacity_script *s, const struct capacity_limits *limits)
{
    double each = (double)s->output_tokens / mean_us(s) * (double)MINUTE_US;
    if (limits->output_tokens <= 0 || each <= 0)
        return NEVER;
    double n = (double)limits->output_tokens / each;
    return n < 1 ? 1 : (int64_t)(n + 1e-9);
}

static struct world world_new(const struct capacity_script *s, const struct capacity_limits *limits,
                              const struct capacity_setup *setup, const struct capacity_load *load)
{
    size_t n = (size_t)load->scripts;
    int64_t slots = (int64_t)setup->workers * setup->concurrency;
    struct world w = {.script = s, .setup = setup, .load = load, .admit_at_us = NEVER};
    w.requests = bucket_new((double)limits->requests, (double)MINUTE_US, 1, (double)BURST_US);
    w.input = bucket_new((double)limits->input_tokens, (double)MINUTE_US,
                         (double)s->input_tokens / s->calls, (double)BURST_US);
    w.money = bucket_new((double)limits->budget_udollar, (double)HOUR_US, (double)s->cost_udollar,
                         (double)HOUR_US / BUDGET_PART);
    w.streams_max = streams_max(s, limits);
    w.free_slots = slots;
    if (setup->every_us > 0)
        w.running = mem_array((size_t)setup->workers, sizeof *w.running);
    w.jobs = mem_array(n, sizeof *w.jobs);
    w.waits = mem_array(n, sizeof *w.waits);
    w.ends = mem_array(n, sizeof *w.ends);
    w.queue_max = n;
    w.queue = mem_array(n, sizeof *w.queue);
    w.heap = mem_array(n, sizeof *w.heap);
    return w;
}

static void world_free(struct world *w)
{
    free(w->running);
    free(w->jobs);
    free(w->waits);
    free(w->ends);
    free(w->queue);
    free(w->heap);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void capacity_wait(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, const struct capacity_load *load,
                   struct capacity_waits *ret_waits)
{
    struct world w = world_new(script, limits, setup, load);
    size_t n = (size_t)load->scripts;
    run(&w);
    int64_t tenth = n >= 10 ? w.waits[9] : -1;
    qsort(w.waits, n, sizeof *w.waits, by_value);
    *ret_waits = (struct capacity_waits){.first_us = w.waits[0],
                                         .median_us = (w.waits[(n - 1) / 2] + w.waits[n / 2]) / 2,
                                         .tenth_us = tenth,
                                         .p95_us = w.waits[(n * 95 + 99) / 100 - 1],
                                         .last_us = w.waits[n - 1],
                                         .done_us = w.ends[n - 1]};
    world_free(&w);
}

/* ---- full load ---- */

static double part_of(double used, double limit)
{
    return limit > 0 ? used / limit : 0;
}

static enum capacity_bound find_bound(const struct capacity_script *s,
                                      const struct capacity_limits *limits,
                                      const struct capacity_setup *setup, double per_hour)
{
    double slots = (double)setup->workers * setup->concurrency, streams = 0;
    if (limits->output_tokens > 0)
        streams = (double)streams_max(s, limits);
    double busy = per_hour * mean_us(s) / (double)HOUR_US; /* scripts at work */
    const double used[CAPACITY_BOUND_MAX] = {
        [CAPACITY_SLOTS] = part_of(busy, slots),
        [CAPACITY_RPM] = part_of(per_hour / 60 * s->calls, (double)limits->requests),
        [CAPACITY_ITPM] =
            part_of(per_hour / 60 * (double)s->input_tokens, (double)limits->input_tokens),
        [CAPACITY_OTPM] = part_of(busy, streams),
        [CAPACITY_MONEY] =
            part_of(per_hour * (double)s->cost_udollar, (double)limits->budget_udollar),
    };
    enum capacity_bound bound = setup->every_us > 0 ? CAPACITY_WORKERS : CAPACITY_NOTHING;
    double most = BINDS;
    for (int i = 0; i < CAPACITY_BOUND_MAX; i++) {
        if (used[i] > most) {
            most = used[i];
            bound = (enum capacity_bound)i;
        }
    }
    return bound;
}

void capacity_rate(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, struct capacity_rate *ret_rate)
{
    int64_t slots = (int64_t)setup->workers * setup->concurrency, rounds = FULL_SCRIPTS / slots;
    rounds = rounds > FULL_ROUNDS ? FULL_ROUNDS : rounds / 4 * 4; /* quarters are whole */
    if (rounds < FULL_ROUNDS_MIN)
        rounds = FULL_ROUNDS_MIN;
    struct capacity_load load = {.scripts = slots * rounds};
    if (load.scripts > CAPACITY_SCRIPTS_MAX)
        load.scripts = CAPACITY_SCRIPTS_MAX;
    struct world w = world_new(script, limits, setup, &load);
    run(&w);
    size_t quarter = (size_t)load.scripts / 4;
    /* Between the first quarter and the third: neither the beginning nor the end. */
    double us = (double)(w.ends[3 * quarter - 1] - w.ends[quarter - 1]);
    double per_hour = us > 0 ? (double)(2 * quarter) / us * (double)HOUR_US : 0;
    *ret_rate = (struct capacity_rate){.scripts_per_hour = per_hour,
                                       .cost_udollar_per_hour =
                                           (int64_t)(per_hour * (double)script->cost_udollar + 0.5),
                                       .bound = find_bound(script, limits, setup, per_hour)};
    world_free(&w);
}

const char *capacity_bound_name(enum capacity_bound b)
{
    static const char *const names[CAPACITY_BOUND_MAX] = {"nothing", "workers", "slots", "RPM",
                                                          "ITPM",    "OTPM",    "money"};
    return names[b];
}
