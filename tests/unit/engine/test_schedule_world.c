/* In: schedules on a clock that jumps; three nodes that are killed, whose requests are carried out
 * and answered in any order, or not answered. Out: whether each time fires once, and what was
 * missed is treated as its schedule says; on SQLite's store, and with PG_URL on PostgreSQL's. SEED
 * replays a run, SCHEDULES says how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/schedule.h"
#include "store/store_driver.h"
#include "text/cron.h"
#include "world_store.h"

#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)
#define START  ((int64_t)1795458600 * SECOND) /* 2026-11-23 18:30:00 */
#define NODES  3
#define HELD   8 /* calls under way at once */
#define ROUNDS 30

struct fired { /* a time of a schedule that was called */
    UT_hash_handle hh;
    struct {
        int64_t schedule, at;
    } key;
    int64_t run;
    int attempt;
    const struct schedule_call *held; /* under way */
};
struct held {
    struct schedule_call *call;
    struct fired *fired;
};
struct node {
    struct store base; /* as the scheduler sees it */
    struct world *world;
    struct schedule *schedule;
    struct uuid worker;
    struct pending *pending;
    size_t n_pending, n_held;
    struct held held[HELD];
    bool dead;
    struct loop_task task;
};
struct pending { /* a request: asked, carried out, answered */
    struct pending *prev, *next;
    struct node *node;
    struct store_op *op; /* NULL: carried out */
    store_fn fn;
    void *ctx;
    struct store_result result;
    struct arena arena;
};
struct world {
    struct loop *loop;
    struct world_store *store;
    struct rng rng;
    struct node nodes[NODES + 1]; /* the last one has no scheduler */
    struct fired *fired;
    struct store_run *runs;
    size_t n_runs, n_calls;
    int boots;
    bool failed, calm; /* calm: all calls end at once, every request is answered */
    struct arena arena;
};

/* ---- a store that answers when the test likes ---- */

static void keep_answer(void *ctx, const struct store_result *r)
{
    struct pending *p = ctx;
    p->result = *r;
    p->arena = p->op->arena;
    p->op->arena = (struct arena){0};
    p->op = NULL;
}

static void begin(struct pending *p)
{
    struct store *store = world_store_get(p->node->world->store);
    p->op->fn = keep_answer;
    p->op->ctx = p;
    p->op->next = NULL;
    store->driver->submit(store, p->op);
}

static void carry_out(struct pending *p)
{
    struct world *w = p->node->world;
    world_store_time(w->store, loop_wall(w->loop));
    begin(p);
    while (p->op != NULL)
        world_store_turn(w->store);
}

static void answer(struct pending *p, bool lost)
{
    struct store_result nothing = {.err = ERR_CONNECT, .message = "injected"};
    DL_DELETE(p->node->pending, p);
    p->node->n_pending--;
    p->fn(p->ctx, lost ? &nothing : &p->result);
    if (p->op != NULL) {
        arena_free(&p->op->arena);
        free(p->op);
    }
    arena_free(&p->arena);
    free(p);
}

/* The dead hear nothing more, whether it was done or not. */
static void drop_all(void *ctx)
{
    struct node *n = ctx;
    while (n->pending != NULL) {
        if (n->pending->op != NULL && rng_below(&n->world->rng, 2) == 0)
            carry_out(n->pending);
        answer(n->pending, true);
    }
}

static void submit(struct store *s, struct store_op *op)
{
    struct node *n = (struct node *)s;
    struct pending *p = mem_alloc(sizeof *p);
    *p = (struct pending){.node = n, .op = op, .fn = op->fn, .ctx = op->ctx};
    DL_APPEND(n->pending, p);
    n->n_pending++;
    if (n->dead)
        loop_post(s->loop, &n->task);
}

static const struct store_driver driver = {submit, NULL, NULL};

/* One request goes on; which one is chance. False: there is none. */
static bool step(struct world *w)
{
    size_t all = 0;
    for (int i = 0; i <= NODES; i++)
        all += w->nodes[i].n_pending;
    if (all == 0)
        return false;
    size_t which = rng_below(&w->rng, (uint32_t)all);
    int i = 0;
    for (; which >= w->nodes[i].n_pending; i++)
        which -= w->nodes[i].n_pending;
    struct pending *p = w->nodes[i].pending;
    while (which-- > 0)
        p = p->next;
    bool lost = !w->calm && i < NODES && rng_below(&w->rng, 40) == 0;
    if (p->op != NULL && !lost)
        carry_out(p);
    else
        answer(p, lost);
    return true;
}

static void on_done(void *ctx, const struct store_result *r)
{
    struct world *w = ctx;
    if (r->err != OK) {
        print_error("%s\n", r->message);
        w->failed = true;
    }
}

/* What the test itself has asked. */
static void settle(struct world *w)
{
    struct node *own = &w->nodes[NODES];
    while (own->pending != NULL) {
        carry_out(own->pending);
        answer(own->pending, false);
    }
    assert_false(w->failed);
}

/* ---- nodes ---- */

static bool node_worker(void *ctx, struct uuid *ret)
{
    *ret = ((struct node *)ctx)->worker;
    return true;
}

static void end_call(struct node *n, struct schedule_call *call, struct fired *f)
{
    bool left = !n->world->calm && rng_below(&n->world->rng, 50) == 0;
    f->held = NULL;
    if (left)
        f->attempt--; /* to be made again as the same */
    schedule_called(call,
                    &(struct schedule_outcome){.err = left ? ERR_CONNECT : OK, .message = "done"});
}

static void node_call(void *ctx, const struct store_run *run, struct schedule_call *call)
{
    struct node *n = ctx;
    struct world *w = n->world;
    struct fired *f = NULL, key = {.key = {run->schedule, run->fire_us}};
    w->n_calls++;
    HASH_FIND(hh, w->fired, &key.key, sizeof key.key, f);
    if (f == NULL) {
        f = mem_alloc(sizeof *f);
        *f = (struct fired){.key = key.key, .run = run->id};
        HASH_ADD(hh, w->fired, key, sizeof f->key, f);
    }
    assert_true(f->run == run->id);         /* a time is one run */
    assert_null(f->held);                   /* nobody is at it */
    assert_true(f->attempt < run->attempt); /* and nobody alive has been */
    f->attempt = run->attempt;
    if (w->calm || n->n_held == HELD || rng_below(&w->rng, 20) != 0) {
        end_call(n, call, f);
        return;
    }
    f->held = call;
    n->held[n->n_held++] = (struct held){call, f};
}

static void node_up(struct world *w, int i)
{
    struct node *n = &w->nodes[i];
    bool boot = i == 0; /* one process of the program has it */
    struct schedule_config config = {
        .worker = node_worker, .call = node_call, .ctx = n, .keep = 1000, .boot = boot};
    n->worker = (struct uuid){.bytes = {(uint8_t)(i + 1)}};
    for (size_t k = 1; k < sizeof n->worker.bytes; k++)
        n->worker.bytes[k] = (uint8_t)rng_below(&w->rng, 256);
    struct store_worker worker = {.id = n->worker, .name = "node", .lease_us = MINUTE};
    store_worker_open(&w->nodes[NODES].base, &worker, on_done, w);
    settle(w);
    n->dead = false;
    n->schedule = schedule_new(w->loop, &n->base, &config);
    w->boots += boot;
}

static void node_down(struct world *w, int i)
{
    struct node *n = &w->nodes[i];
    for (size_t k = 0; k < n->n_held; k++)
        n->held[k].fired->held = NULL;
    n->n_held = 0;
    n->dead = true;
    loop_post(w->loop, &n->task);
    schedule_free(n->schedule);
    n->schedule = NULL;
    store_worker_close(&w->nodes[NODES].base, &n->worker, on_done, w);
    settle(w);
}

static void turn(struct world *w, int64_t us, int steps)
{
    loop_advance(w->loop, us);
    for (bool more = true; more && steps > 0; steps--) {
        more = step(w);
        loop_turn(w->loop, 0);
        struct node *n = &w->nodes[rng_below(&w->rng, NODES)];
        if (n->n_held > 0 && (w->calm || rng_below(&w->rng, 4) == 0)) {
            struct held h = n->held[--n->n_held];
            end_call(n, h.call, h.fired);
            more = true;
        }
    }
}

/* ---- the world ---- */

static const char *const exprs[] = {"* * * * *",   "40 * * * *",
                                    "*/5 * * * *", "0 19 * * *",
                                    "@hourly",     "CRON_TZ=America/New_York 35 13 * * *",
                                    "@daily",      "30 seconds",
                                    "15 3 * * *",  "@reboot"};
#define EXPRS (sizeof exprs / sizeof exprs[0])

static void world_open(struct world *w, uint64_t seed, int schedules)
{
    w->loop = loop_new_manual(0, START);
    w->store = world_store_new(START);
    w->rng = rng_seed(seed, 1);
    for (int i = 0; i <= NODES; i++) {
        struct node *n = &w->nodes[i];
        *n = (struct node){.base = {.driver = &driver, .loop = w->loop}, .world = w};
        n->task = (struct loop_task){.fn = drop_all, .ctx = n};
    }
    for (int i = 0; i < schedules; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "s%d", i);
        struct store_schedule s = {.name = name,
                                   .expr = exprs[(size_t)i % EXPRS],
                                   .missed = (enum store_missed)((size_t)i / EXPRS % 3),
                                   .missed_max = 3,
                                   .active = true};
        if (i >= 500 && (size_t)i % EXPRS == EXPRS - 1)
            s.expr = "0 0 1 * *"; /* fifty of @reboot are enough */
        store_schedule_save(&w->nodes[NODES].base, &s, on_done, w);
    }
    struct pending *p; /* all of them at once */
    DL_FOREACH (w->nodes[NODES].pending, p)
        begin(p);
    while (w->nodes[NODES].pending != NULL) {
        if (w->nodes[NODES].pending->op != NULL)
            world_store_turn(w->store);
        else
            answer(w->nodes[NODES].pending, false);
    }
    assert_false(w->failed);
}

static void world_close(struct world *w)
{
    struct fired *f, *next;
    for (int i = 0; i < NODES; i++)
        node_down(w, i);
    HASH_ITER (hh, w->fired, f, next) {
        HASH_DEL(w->fired, f);
        free(f);
    }
    world_store_free(w->store);
    loop_free(w->loop);
    free(w->runs);
    arena_free(&w->arena);
}

static void on_runs(void *ctx, const struct store_result *r)
{
    struct world *w = ctx;
    on_done(w, r);
    w->runs = realloc(w->runs, (w->n_runs + r->n + 1) * sizeof *w->runs);
    assert_non_null(w->runs);
    for (size_t i = 0; i < r->n; i++) {
        struct store_run *run = &w->runs[w->n_runs++];
        *run = r->runs[i];
        run->name = arena_strdup(&w->arena, run->name);
        run->message = arena_strdup(&w->arena, run->message);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct store_run *x = a, *y = b;
    if (x->schedule != y->schedule)
        return x->schedule < y->schedule ? -1 : 1;
    return (x->fire_us > y->fire_us) - (x->fire_us < y->fire_us);
}

static size_t read_runs(struct world *w)
{
    size_t running = 0, before;
    w->n_runs = 0;
    do {
        before = w->n_runs;
        store_runs(&w->nodes[NODES].base,
                   &(struct store_run_filter){.before = before > 0 ? w->runs[before - 1].id : 0,
                                              .limit = STORE_BATCH_MAX},
                   on_runs, w);
        settle(w);
    } while (w->n_runs > before);
    qsort(w->runs, w->n_runs, sizeof *w->runs, by_time);
    for (size_t i = 0; i < w->n_runs; i++)
        running += w->runs[i].state == STORE_RUN_RUNNING;
    return running;
}

/* ---- what has to be true in the end ---- */

static bool says(const struct store_run *run, const char *what, int64_t at)
{
    char iso[CLOCK_ISO_SIZE], text[96];
    clock_iso(at, iso);
    (void)snprintf(text, sizeof text, "%s %.19sZ", what, iso);
    return run->message != NULL && strncmp(run->message, text, strlen(text)) == 0;
}

/* The runs of one schedule account for each of its times, in a way that its policy allows. */
static void check_schedule(const struct world *w, const struct store_run *runs, size_t n, size_t i)
{
    enum store_missed missed = (enum store_missed)(i / EXPRS % 3);
    struct cron *c = NULL;
    assert_int_equal(cron_parse(exprs[i % EXPRS], &c, NULL), OK);
    int64_t t = cron_next(c, START);
    for (size_t k = 0; k < n; k++) {
        const struct store_run *r = &runs[k];
        assert_true(k == 0 || r->fire_us > r[-1].fire_us);
        if (r->fire_us != t) { /* it stands for those before it */
            assert_true(r->fire_us > t && missed != STORE_MISSED_ALL);
            assert_true(says(
                r, missed == STORE_MISSED_ONCE ? "stands for all since" : "missed, with all since",
                t));
            assert_true(missed == STORE_MISSED_ONCE || r->state == STORE_RUN_SKIPPED);
        }
        t = cron_next(c, r->fire_us);
        if (r->state == STORE_RUN_SKIPPED && k + 1 < n &&
            says(r, "missed, with all before", runs[k + 1].fire_us))
            t = runs[k + 1].fire_us;
        assert_true(r->state != STORE_RUN_SKIPPED || missed != STORE_MISSED_ONCE);
        assert_true(r->state != STORE_RUN_LOST || missed == STORE_MISSED_SKIP ||
                    r->attempt == STORE_RUN_ATTEMPTS);
        assert_true(r->attempt == 1 || missed != STORE_MISSED_SKIP);
    }
    assert_true(t > loop_wall(w->loop) - 2 * SECOND); /* the last look is that old at most */
    cron_free(c);
}

static void check_all(const struct world *w, int schedules)
{
    size_t from = 0, count[STORE_RUN_STATE_MAX] = {0};
    for (size_t k = 0; k < w->n_runs; k++)
        count[w->runs[k].state]++;
    for (size_t i = 0; i < (size_t)schedules; i++) {
        size_t n = 0;
        while (from + n < w->n_runs && w->runs[from + n].schedule == w->runs[from].schedule &&
               (size_t)atoi(w->runs[from].name + 1) == i)
            n++;
        if (i % EXPRS < EXPRS - 1)
            check_schedule(w, &w->runs[from], n, i);
        else if (i < 500)
            assert_true(n >= 1 && n <= (size_t)w->boots);
        from += n;
    }
    assert_int_equal(from, w->n_runs);
    print_message("%zu calls, %zu runs: %zu succeeded, %zu skipped, %zu lost\n", w->n_calls,
                  w->n_runs, count[STORE_RUN_SUCCEEDED], count[STORE_RUN_SKIPPED],
                  count[STORE_RUN_LOST]);
    assert_true(count[STORE_RUN_SUCCEEDED] > 0 && count[STORE_RUN_SKIPPED] > 0);
    assert_int_equal(count[STORE_RUN_FAILED], 0);
}

static void no_time_fires_twice_whoever_dies_and_however_clocks_jump(void **state)
{
    (void)state;
    struct world w = {0};
    const char *n = getenv("SCHEDULES"), *s = getenv("SEED");
    uint64_t seed = s != NULL ? strtoull(s, NULL, 10) : rng_seed_from_os();
    int schedules = n != NULL ? atoi(n) : 10000;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    world_open(&w, seed, schedules);
    for (int i = 0; i < NODES; i++)
        node_up(&w, i);
    w.calm = true; /* all times count from START, also when the clock is set back at once */
    turn(&w, 0, 100000);
    w.calm = false;
    for (int round = 0; round < ROUNDS; round++) {
        int one = (int)rng_below(&w.rng, NODES);
        turn(&w, (int64_t)rng_below(&w.rng, 20) * SECOND, 1 + (int)rng_below(&w.rng, 300));
        switch (rng_below(&w.rng, 6)) {
        case 0:
        case 1:
            node_down(&w, one);
            turn(&w, (int64_t)rng_below(&w.rng, 10) * SECOND, 1 + (int)rng_below(&w.rng, 100));
            node_up(&w, one);
            break;
        case 2:
            loop_shift_wall(w.loop, (int64_t)rng_below(&w.rng, 600) * SECOND);
            break;
        case 3: /* within three hours, all in all */
            loop_shift_wall(w.loop, -(int64_t)rng_below(&w.rng, 200) * SECOND);
            break;
        default:
            break;
        }
    }
    w.calm = true;
    loop_shift_wall(w.loop, 100 * MINUTE); /* whoever waited for the clock goes on */
    size_t running = 1;
    for (int i = 0; i < 30 && (i < 8 || running > 0); i++) {
        turn(&w, SECOND, 100000);
        running = i < 7 ? 1 : read_runs(&w);
    }
    assert_int_equal(running, 0); /* none is forgotten */
    check_all(&w, schedules);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_time_fires_twice_whoever_dies_and_however_clocks_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
