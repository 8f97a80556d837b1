/* In: schedules that are due. Out: plans for the store, calls for what it says is ours, their ends.
 * One look at a time: due -> plan -> calls; now and then what was left over -> calls. */
#include "engine/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/firings.h"
#include "store/store_schedules.h"

#define KEEP_DEFAULT 1000
#define LOOK_US      USEC_PER_SEC /* at the latest */
#define TAKE_US      (5 * USEC_PER_SEC)
#define TURN_US      (50 * USEC_PER_MSEC)
#define LOOK_MAX     400  /* schedules in one look */
#define WAITING_MAX  1000 /* firings; with more of them nothing is planned: it becomes late */
#define CALLS_MAX    8    /* at once */
#define CACHE_MAX    5000

struct schedule_call {                 /* a firing that is ours, until its end is recorded */
    struct schedule_call *prev, *next; /* in waiting, ended, sent or done; under way in none */
    UT_hash_handle hh;                 /* by run.id, in calls */
    struct schedule *schedule;
    struct arena arena;
    struct store_run run;
    struct store_run_end end;
};

struct cache_entry {
    UT_hash_handle hh; /* by text */
    char *text;
    struct cron *cron; /* NULL: it is none */
    struct errmsg why;
};

struct schedule {
    struct loop *loop;
    struct store *store;
    struct schedule_config config;
    struct loop_timer timer;
    struct loop_task later; /* sends ends, starts calls */
    struct uuid worker;     /* of the look under way */
    struct schedule_call *calls, *waiting, *ended, *sent;
    struct schedule_call *done; /* recorded while a look was under way */
    size_t n_waiting, n_under_way;
    struct cache_entry *cache;
    struct firings *firings; /* LOOK_MAX of them */
    struct planned {
        int64_t id, rev;
    } * planned; /* by the last look: LOOK_MAX at most */
    size_t n_planned;
    int64_t planned_wait_us; /* before the next one */
    int64_t take_at_us;      /* loop clock; INT64_MIN = at once */
    bool looking, booted, stopped;
    int64_t boot_us; /* wall, the store's; 0 = not known yet */
    int ops;         /* store requests that will still call back */
};

static void look(void *ctx);

static void call_free_unlinked(struct schedule_call *c)
{
    arena_free(&c->arena);
    free(c);
}

static void call_free(struct schedule_call *c)
{
    HASH_DEL(c->schedule->calls, c);
    call_free_unlinked(c);
}

static void look_in(struct schedule *s, int64_t us)
{
    if (!s->stopped)
        timer_set(s->loop, &s->timer, loop_now(s->loop) + us, look, s);
}

static void looked(struct schedule *s, int64_t again_us)
{
    struct schedule_call *c, *next;
    DL_FOREACH_SAFE (s->done, c, next) {
        DL_DELETE(s->done, c);
        call_free(c);
    }
    s->looking = false;
    look_in(s, again_us);
}

/* ---- what is written in a schedule ---- */

static void cache_clear(struct schedule *s)
{
    struct cache_entry *e = s->cache, *next;
    HASH_CLEAR(hh, s->cache);
    for (; e != NULL; e = next) {
        next = e->hh.next;
        cron_free(e->cron);
        free(e->text);
        free(e);
    }
}

static const struct cache_entry *read_expr(struct schedule *s, const char *text)
{
    struct cache_entry *e = NULL;
    HASH_FIND_STR(s->cache, text, e);
    if (e != NULL)
        return e;
    e = mem_alloc(sizeof *e);
    e->text = mem_strdup(text);
    if (cron_parse(text, &e->cron, &e->why) != OK)
        e->cron = NULL;
    HASH_ADD_KEYPTR(hh, s->cache, e->text, strlen(e->text), e);
    return e;
}

/* ---- ends ---- */

static void send_ends(void *ctx);

static void on_ends(void *ctx, const struct store_result *r)
{
    struct schedule *s = ctx;
    struct schedule_call *c, *next;
    s->ops--;
    DL_FOREACH_SAFE (s->sent, c, next) {
        DL_DELETE(s->sent, c);
        if (r->err != OK)
            DL_APPEND(s->ended, c); /* the next look sends them again */
        else if (s->looking)
            DL_APPEND(s->done, c); /* what it brings may have been read before: still known */
        else
            call_free(c);
    }
    if (r->err == OK)
        send_ends(s);
}

static void send_ends(void *ctx)
{
    struct schedule *s = ctx;
    struct store_run_end ends[STORE_BATCH_MAX];
    struct schedule_call *c, *next;
    size_t n = 0;
    if (s->sent != NULL || s->ended == NULL)
        return;
    DL_FOREACH_SAFE (s->ended, c, next) {
        if (n == STORE_BATCH_MAX)
            break;
        ends[n++] = c->end;
        DL_DELETE(s->ended, c);
        DL_APPEND(s->sent, c);
    }
    s->ops++;
    store_run_end(s->store, ends, n, on_ends, s);
}

/* ---- calls ---- */

static void start_calls(struct schedule *s)
{
    while (!s->stopped && s->waiting != NULL && s->n_under_way < CALLS_MAX) {
        struct schedule_call *c = s->waiting;
        DL_DELETE(s->waiting, c);
        s->n_waiting--;
        s->n_under_way++;
        s->config.call(s->config.ctx, &c->run, c);
    }
}

static void start_later(void *ctx)
{
    struct schedule *s = ctx;
    send_ends(s);
    start_calls(s);
}

/* It may be carried out again, here or elsewhere. */
static bool is_left(enum err e)
{
    return e == ERR_CONNECT || e == ERR_TIMEOUT || e == ERR_CLOSED || e == ERR_LOST;
}

void schedule_called(struct schedule_call *c, const struct schedule_outcome *outcome)
{
    struct schedule *s = c->schedule;
    s->n_under_way--;
    if (is_left(outcome->err)) {
        call_free(c);
    } else {
        c->end = (struct store_run_end){.id = c->run.id,
                                        .attempt = c->run.attempt,
                                        .state = outcome->err == OK ? STORE_RUN_SUCCEEDED
                                                                    : STORE_RUN_FAILED,
                                        .invocation = outcome->invocation,
                                        .message = arena_strdup(&c->arena, outcome->message)};
        if (outcome->err != OK)
            log_error(NULL, "schedule %s: %s", c->run.name, outcome->message);
        DL_APPEND(s->ended, c);
    }
    loop_defer(s->loop, &s->later);
}

/* Runs that the store says are ours; those in work are known. */
static void take_in(struct schedule *s, const struct store_result *r)
{
    for (size_t i = 0; i < r->n && !s->stopped; i++) {
        struct schedule_call *c = NULL;
        HASH_FIND(hh, s->calls, &r->runs[i].id, sizeof r->runs[i].id, c);
        if (c != NULL)
            continue;
        c = mem_alloc(sizeof *c);
        c->schedule = s;
        c->run = r->runs[i];
        c->run.name = arena_strdup(&c->arena, c->run.name);
        c->run.label = arena_strdup(&c->arena, c->run.label);
        c->run.node = c->run.message = NULL;
        HASH_ADD(hh, s->calls, run.id, sizeof c->run.id, c);
        DL_APPEND(s->waiting, c);
        s->n_waiting++;
    }
    start_calls(s);
}

/* ---- a look ---- */

static void on_planned(void *ctx, const struct store_result *r)
{
    struct schedule *s = ctx;
    s->ops--;
    if (r->err == OK)
        take_in(s, r);
    else
        s->take_at_us = INT64_MIN; /* the answer may be lost, and the firings ours */
    looked(s, r->err == OK ? s->planned_wait_us : LOOK_US);
}

/* How long nothing else falls due. */
static int64_t wait_of(const struct store_result *r)
{
    int64_t wait = r->next_due_us - r->now_us;
    return r->next_due_us > 0 && wait < LOOK_US ? wait : LOOK_US;
}

static bool was_planned(const struct schedule *s, const struct store_schedule *seen)
{
    for (size_t i = 0; i < s->n_planned; i++) {
        if (s->planned[i].id == seen->id && s->planned[i].rev == seen->rev)
            return true;
    }
    return false;
}

/* A plan that the store took has moved its schedule on to another revision. When all are as they
 * were, somebody holds their rows, and to ask again at once would be to ask all the time. */
static bool are_held(const struct schedule *s, const struct store_result *r)
{
    size_t n = 0;
    while (n < r->n && was_planned(s, &r->schedules[n]))
        n++;
    return n == r->n;
}

/* False: no room for its firings is left in this batch. */
static bool plan_one(struct schedule *s, const struct store_schedule *seen, int64_t now_us,
                     struct firings *f, size_t *firings, struct store_plan *ret)
{
    const struct cache_entry *e = read_expr(s, seen->expr);
    *ret = (struct store_plan){.id = seen->id, .rev = seen->rev};
    if (e->cron == NULL) {
        ret->error = e->why.text;
        if (seen->error == NULL)
            log_warn(NULL, "schedule %s cannot be read: %s", seen->name, e->why.text);
        return true;
    }
    firings_plan(e->cron, seen, now_us, f);
    if (*firings + f->n > STORE_BATCH_MAX)
        return false;
    *firings += f->n;
    ret->due_us = f->next_us;
    ret->firings = f->items;
    ret->n = f->n;
    return true;
}

static void plan(struct schedule *s, const struct store_result *r)
{
    struct store_plan plans[LOOK_MAX];
    size_t n = 0, firings = 0;
    if (HASH_COUNT(s->cache) > CACHE_MAX)
        cache_clear(s);
    while (n < r->n &&
           plan_one(s, &r->schedules[n], r->now_us, &s->firings[n], &firings, &plans[n]))
        n++;
    s->planned_wait_us = are_held(s, r) ? wait_of(r) : 0;
    s->n_planned = n;
    for (size_t i = 0; i < n; i++)
        s->planned[i] = (struct planned){plans[i].id, plans[i].rev};
    s->ops++;
    store_schedule_plan(s->store, &s->worker, plans, n, s->config.keep, on_planned, s);
}

static void on_booted(void *ctx, const struct store_result *r)
{
    struct schedule *s = ctx;
    s->ops--;
    s->booted = r->err == OK;
    if (r->err == OK)
        take_in(s, r);
    looked(s, r->err == OK ? 0 : LOOK_US);
}

static void on_due(void *ctx, const struct store_result *r)
{
    struct schedule *s = ctx;
    s->ops--;
    if (r->err == OK && s->boot_us == 0)
        s->boot_us = r->now_us;
    if (r->err == OK && !s->stopped && s->config.boot && !s->booted) {
        s->ops++;
        store_schedule_boot(s->store, &s->worker, s->boot_us, s->config.keep, on_booted, s);
        return;
    }
    if (r->err == OK && !s->stopped && r->n > 0) {
        plan(s, r);
        return;
    }
    looked(s, r->err == OK ? wait_of(r) : LOOK_US);
}

static void on_taken(void *ctx, const struct store_result *r)
{
    struct schedule *s = ctx;
    s->ops--;
    if (r->err == OK) {
        s->take_at_us = loop_now(s->loop) + TAKE_US;
        take_in(s, r);
    }
    looked(s, r->err == OK ? 0 : LOOK_US);
}

/* What waits was given by a lease that is gone: it is taken over with the new one. */
static void forget_waiting(struct schedule *s)
{
    struct schedule_call *c, *next;
    DL_FOREACH_SAFE (s->waiting, c, next) {
        DL_DELETE(s->waiting, c);
        call_free(c);
    }
    s->n_waiting = 0;
}

static void look(void *ctx)
{
    struct schedule *s = ctx;
    struct uuid worker;
    if (s->looking || s->stopped)
        return;
    send_ends(s);
    if (!s->config.worker(s->config.ctx, &worker) || s->n_waiting > WAITING_MAX) {
        look_in(s, LOOK_US / 5);
        return;
    }
    if (!uuid_equal(&worker, &s->worker)) {
        s->worker = worker;
        s->take_at_us = INT64_MIN;
        forget_waiting(s);
    }
    s->looking = true;
    s->ops++;
    if (loop_now(s->loop) >= s->take_at_us)
        store_run_take(s->store, &s->worker, on_taken, s);
    else
        store_schedule_due(s->store, LOOK_MAX, on_due, s);
}

/* ---- from the start to the end ---- */

struct schedule *schedule_new(struct loop *loop, struct store *store,
                              const struct schedule_config *config)
{
    struct schedule *s = mem_alloc(sizeof *s);
    s->loop = loop;
    s->store = store;
    s->config = *config;
    s->config.keep = config->keep > 0 ? config->keep : KEEP_DEFAULT;
    s->firings = mem_array(LOOK_MAX, sizeof *s->firings);
    s->planned = mem_array(LOOK_MAX, sizeof *s->planned);
    s->take_at_us = INT64_MIN;
    s->later = (struct loop_task){.fn = start_later, .ctx = s};
    look_in(s, 0);
    return s;
}

void schedule_stop(struct schedule *s)
{
    s->stopped = true;
    timer_stop(s->loop, &s->timer);
}

void schedule_free(struct schedule *s)
{
    struct schedule_call *next;
    if (s == NULL)
        return;
    schedule_stop(s);
    send_ends(s);
    while (s->ops > 0)
        loop_turn(s->loop, TURN_US);
    loop_cancel(s->loop, &s->later);
    struct schedule_call *c = s->calls;
    HASH_CLEAR(hh, s->calls);
    for (; c != NULL; c = next) {
        next = c->hh.next;
        call_free_unlinked(c);
    }
    cache_clear(s);
    free(s->firings);
    free(s->planned);
    free(s);
}
