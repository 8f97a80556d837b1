/* In: scripts, limits, a set-up, a load. Out: waiting times and the rate at full load. */
#include "job/capacity.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define BURST_US    (2 * USEC_PER_SEC) /* of limits per minute that may go at once */
#define BUDGET_PART 60                 /* of an hour's money that may go at once */
#define HOUR_US     ((int64_t)3600 * USEC_PER_SEC)
#define MINUTE_US   ((int64_t)60 * USEC_PER_SEC)
#define BINDS       0.9 /* of their time slots are in work: more calls would bring little */
#define NEVER       INT64_MAX
#define FOREVER_US  4e18 /* as late as anything may be: two of them still fit */

/* A limit per time, as the time at which what was taken is used up. */
struct bucket {
    double us_each, used_up_us, burst_us; /* us_each: of a unit; 0 = no limit */
};

struct event {
    int64_t at_us;
    int32_t job;
};

struct world {
    const struct capacity_script *script;
    const struct capacity_setup *setup;
    const struct capacity_load *load;
    int64_t now_us, admit_at_us;
    struct bucket requests, input, output, money;
    double output_us, output_most;   /* tokens a microsecond: of the calls that run, allowed */
    int64_t arrived, started, ended; /* scripts */
    int64_t free_slots;
    int32_t *calls_left; /* of each script */
    int64_t *waits;
    int64_t done_us;
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

static struct bucket bucket_new(double per_time, double time_us, double burst_us)
{
    if (per_time <= 0)
        return (struct bucket){0};
    return (struct bucket){.us_each = time_us / per_time, .burst_us = burst_us};
}

static int64_t bucket_free_at(const struct bucket *b)
{
    double at = b->us_each > 0 ? b->used_up_us - b->burst_us : 0;
    return at < FOREVER_US ? (int64_t)at : (int64_t)FOREVER_US;
}

static void bucket_take(struct bucket *b, double n, int64_t now_us)
{
    if (b->used_up_us < (double)now_us)
        b->used_up_us = (double)now_us;
    b->used_up_us += b->us_each * n;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- what happens ---- */

static int32_t place_of_call(const struct world *w, int32_t job)
{
    return w->script->n_calls - w->calls_left[job];
}

static int64_t call_us(const struct world *w, int32_t job, int32_t place)
{
    double script = (double)w->script->service_us[(size_t)job % w->script->n_service];
    double us = script * w->script->calls[place].part;
    return us > 1 ? (int64_t)(us + 0.5) : 1;
}

static double output_rate(const struct world *w, int32_t job, int32_t place)
{
    return w->script->calls[place].output_tokens / (double)call_us(w, job, place);
}

static int64_t arrival_us(const struct world *w, int64_t i)
{
    return (int64_t)((double)w->load->over_us / (double)w->load->scripts * (double)i);
}

/* As much is written as may be: nobody else begins. Of whole streams a part would be too few, so
 * the last one may be over; the bucket sees to it that what is written in all is not. */
static bool output_is_full(const struct world *w)
{
    return w->output_most > 0 && w->output_us >= w->output_most * (1 - 1e-9);
}

static void begin_call(struct world *w, int32_t job, int32_t place)
{
    const struct capacity_call *call = &w->script->calls[place];
    if (place == 0) {
        bucket_take(&w->money, (double)w->script->cost_udollar, w->now_us);
        w->waits[job] = w->now_us - arrival_us(w, job);
    }
    bucket_take(&w->requests, 1, w->now_us);
    bucket_take(&w->input, call->input_tokens, w->now_us);
    bucket_take(&w->output, call->output_tokens, w->now_us);
    w->output_us += output_rate(w, job, place);
    heap_put(w, (struct event){w->now_us + call_us(w, job, place), job});
}

/* The calls that wait go in their order, as far as the limits let them. */
static void admit(struct world *w)
{
    w->admit_at_us = NEVER;
    while (w->queue_n > 0 && !output_is_full(w)) {
        int32_t job = w->queue[w->queue_from], place = place_of_call(w, job);
        int64_t at = later(bucket_free_at(&w->requests), bucket_free_at(&w->input));
        at = later(at, bucket_free_at(&w->output));
        if (place == 0)
            at = later(at, bucket_free_at(&w->money));
        if (at > w->now_us) {
            w->admit_at_us = at;
            return;
        }
        w->queue_from = w->queue_from + 1 == w->queue_max ? 0 : w->queue_from + 1;
        w->queue_n--;
        begin_call(w, job, place);
    }
}

static void ask(struct world *w, int32_t job)
{
    w->queue[(w->queue_from + w->queue_n++) % w->queue_max] = job;
}

/* Free slots take what is there, in the order it came. Which worker's they are is all the same: all
 * are called at one time. */
static void start(struct world *w)
{
    while (w->free_slots > 0 && w->started < w->arrived) {
        int32_t job = (int32_t)w->started++;
        w->calls_left[job] = w->script->n_calls;
        w->free_slots--;
        ask(w, job);
    }
}

static void end_call(struct world *w, int32_t job)
{
    w->output_us -= output_rate(w, job, place_of_call(w, job));
    if (w->heap_n == 0)
        w->output_us = 0; /* what rounding has left */
    if (--w->calls_left[job] > 0) {
        ask(w, job);
        return;
    }
    w->ended++;
    w->done_us = w->now_us;
    w->free_slots++;
}

/* The next call of the workers: at full `every`. */
static int64_t call_after(int64_t at_us, int64_t every_us)
{
    return (at_us + every_us - 1) / every_us * every_us;
}

/* When the workers are called next; it only matters when there is something to take. */
static int64_t workers_called_us(const struct world *w)
{
    int64_t every = w->setup->every_us;
    if (w->free_slots == 0 || w->started == w->arrived)
        return NEVER;
    return every > 0 ? call_after(w->now_us, every) : w->now_us;
}

static int64_t next_event_us(const struct world *w)
{
    int64_t at = w->admit_at_us, called = workers_called_us(w);
    if (w->heap_n > 0 && w->heap[0].at_us < at)
        at = w->heap[0].at_us;
    if (w->arrived < w->load->scripts && arrival_us(w, w->arrived) < at)
        at = arrival_us(w, w->arrived);
    return called < at ? called : at;
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
        if (workers_called_us(w) == w->now_us)
            start(w);
        admit(w);
    }
}

/* ---- a world, made and looked at ---- */

double capacity_mean_us(const struct capacity_script *script)
{
    double sum = 0;
    for (size_t i = 0; i < script->n_service; i++)
        sum += (double)script->service_us[i];
    return sum / (double)script->n_service;
}

struct capacity_call capacity_sum(const struct capacity_script *script)
{
    struct capacity_call sum = {0};
    for (int i = 0; i < script->n_calls; i++) {
        sum.part += script->calls[i].part;
        sum.input_tokens += script->calls[i].input_tokens;
        sum.output_tokens += script->calls[i].output_tokens;
    }
    return sum;
}

/* As many streams as make the limit begin at once, and each call thereafter as its tokens are there
 * again: in the time that a call takes all of them are. */
static struct bucket output_bucket(const struct capacity_script *s, double per_minute)
{
    struct bucket b = bucket_new(per_minute, (double)MINUTE_US, 0);
    double call = capacity_mean_us(s) / s->n_calls;
    double each = capacity_sum(s).output_tokens / s->n_calls * b.us_each;
    b.burst_us = call > each ? call - each : 0;
    return b;
}

static struct world world_new(const struct capacity_script *s, const struct capacity_limits *limits,
                              const struct capacity_setup *setup, const struct capacity_load *load)
{
    size_t n = (size_t)load->scripts;
    struct world w = {.script = s, .setup = setup, .load = load, .admit_at_us = NEVER};
    w.requests = bucket_new((double)limits->requests, (double)MINUTE_US, (double)BURST_US);
    w.input = bucket_new((double)limits->input_tokens, (double)MINUTE_US, (double)BURST_US);
    w.output = output_bucket(s, (double)limits->output_tokens);
    w.output_most = (double)limits->output_tokens / (double)MINUTE_US;
    w.money =
        bucket_new((double)limits->budget_udollar, (double)HOUR_US, (double)HOUR_US / BUDGET_PART);
    w.free_slots = (int64_t)setup->workers * setup->concurrency;
    w.calls_left = mem_array(n, sizeof *w.calls_left);
    w.waits = mem_array(n, sizeof *w.waits);
    w.queue_max = n;
    w.queue = mem_array(n, sizeof *w.queue);
    w.heap = mem_array(n, sizeof *w.heap);
    return w;
}

static void world_free(struct world *w)
{
    free(w->calls_left);
    free(w->waits);
    free(w->queue);
    free(w->heap);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A million that did not wait need no sorting. */
static bool is_sorted(const int64_t *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (values[i] < values[i - 1])
            return false;
    }
    return true;
}

void capacity_wait(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, const struct capacity_load *load,
                   struct capacity_waits *ret_waits)
{
    struct world w = world_new(script, limits, setup, load);
    size_t n = (size_t)load->scripts;
    run(&w);
    int64_t tenth = n >= 10 ? w.waits[9] : -1;
    if (!is_sorted(w.waits, n))
        qsort(w.waits, n, sizeof *w.waits, by_value);
    *ret_waits = (struct capacity_waits){.first_us = w.waits[0],
                                         .median_us = (w.waits[(n - 1) / 2] + w.waits[n / 2]) / 2,
                                         .tenth_us = tenth,
                                         .p95_us = w.waits[(n * 95 + 99) / 100 - 1],
                                         .last_us = w.waits[n - 1],
                                         .done_us = w.done_us};
    world_free(&w);
}

/* ---- full load ---- */

/* With a backlog a slot takes one script after the other, each at a call of its worker's. */
static double cycle_us(const struct capacity_script *s, int64_t every_us)
{
    double sum = 0;
    if (every_us == 0)
        return capacity_mean_us(s);
    for (size_t i = 0; i < s->n_service; i++)
        sum += (double)call_after(s->service_us[i], every_us);
    return sum / (double)s->n_service;
}

static double part_of(double used, double limit)
{
    return limit > 0 ? used / limit : 0;
}

/* What a script an hour takes of each thing that is limited. */
static void use_of_one(const struct capacity_script *s, const struct capacity_limits *limits,
                       const struct capacity_setup *setup, double ret_use[CAPACITY_BOUND_MAX])
{
    struct capacity_call sum = capacity_sum(s);
    double slots = (double)setup->workers * setup->concurrency;
    ret_use[CAPACITY_WORKERS] = cycle_us(s, setup->every_us) / (double)HOUR_US / slots;
    ret_use[CAPACITY_SLOTS] = capacity_mean_us(s) / (double)HOUR_US / slots;
    ret_use[CAPACITY_RPM] = part_of(s->n_calls / 60.0, (double)limits->requests);
    ret_use[CAPACITY_ITPM] = part_of(sum.input_tokens / 60, (double)limits->input_tokens);
    ret_use[CAPACITY_OTPM] = part_of(sum.output_tokens / 60, (double)limits->output_tokens);
    ret_use[CAPACITY_MONEY] = part_of((double)s->cost_udollar, (double)limits->budget_udollar);
}

/* The slots themselves are what binds where their workers leave them empty for a moment only. */
void capacity_rate(const struct capacity_script *script, const struct capacity_limits *limits,
                   const struct capacity_setup *setup, struct capacity_rate *ret_rate)
{
    double use[CAPACITY_BOUND_MAX];
    enum capacity_bound bound = CAPACITY_WORKERS;
    use_of_one(script, limits, setup, use);
    for (int i = CAPACITY_RPM; i < CAPACITY_BOUND_MAX; i++) {
        if (use[i] > use[bound])
            bound = (enum capacity_bound)i;
    }
    double per_hour = 1 / use[bound];
    if (bound == CAPACITY_WORKERS && use[CAPACITY_SLOTS] * per_hour >= BINDS)
        bound = CAPACITY_SLOTS;
    *ret_rate = (struct capacity_rate){.scripts_per_hour = per_hour,
                                       .cost_udollar_per_hour =
                                           (int64_t)(per_hour * (double)script->cost_udollar + 0.5),
                                       .bound = bound};
}

const char *capacity_bound_name(enum capacity_bound b)
{
    static const char *const names[CAPACITY_BOUND_MAX] = {"workers", "slots", "RPM",
                                                          "ITPM",    "OTPM",  "money"};
    return names[b];
}
