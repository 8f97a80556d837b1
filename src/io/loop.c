/* In: descriptors, deadlines, signals and posted work. Out: their callbacks, one turn after the
 * other, on libuv; or, without an operating system, on time that only a test moves. */
#include "io/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"

#define CLOSING_TURNS 100 /* libuv needs one or two to close its handles */

struct task_list {
    struct loop_task *head, **tail;
};

struct signal_watch {
    uv_signal_t uv;
    loop_signal_fn fn;
    void *ctx;
    struct signal_watch *next;
};

struct loop {
    bool manual, stopped, in_turn;
    bool stale; /* the poll may have slept: the time must be read before the next callback */
    int64_t now, wall;
    struct heap timers;
    _Atomic(struct loop_task *) posted; /* a stack that any thread pushes to */
    struct task_list ready, deferred, ending;
    struct signal_watch *signals;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t alarm; /* only ends the poll in time; the heap says what is due */
};

struct loop_watch {
    uv_poll_t uv;
    struct loop *loop;
    loop_io_fn fn;
    void *ctx;
    unsigned events;
    bool closed;
};

/* ---- tasks ---- */

static void list_init(struct task_list *l)
{
    l->head = NULL;
    l->tail = &l->head;
}

static void list_add(struct task_list *l, struct loop_task *task)
{
    task->next = NULL;
    *l->tail = task;
    l->tail = &task->next;
}

/* One by one, so that loop_cancel() finds those that have not run yet. */
static void list_run(struct task_list *l)
{
    while (l->head != NULL) {
        struct loop_task *task = l->head;
        l->head = task->next;
        if (l->head == NULL)
            l->tail = &l->head;
        atomic_store(&task->queued, false);
        task->fn(task->ctx);
    }
}

static bool list_remove(struct task_list *l, struct loop_task *task)
{
    for (struct loop_task **at = &l->head; *at != NULL; at = &(*at)->next) {
        if (*at != task)
            continue;
        *at = task->next;
        if (*at == NULL)
            l->tail = at;
        return true;
    }
    return false;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    if (atomic_exchange(&task->queued, true))
        return;
    struct loop_task *head = atomic_load(&loop->posted);
    do
        task->next = head;
    while (!atomic_compare_exchange_weak(&loop->posted, &head, task));
    if (!loop->manual)
        (void)uv_async_send(&loop->wake);
}

/* Moves what was posted behind what is ready, in the order of posting. */
static void take_posted(struct loop *loop)
{
    struct loop_task *in_order = NULL;
    struct loop_task *task = atomic_exchange(&loop->posted, NULL);
    while (task != NULL) {
        struct loop_task *next = task->next;
        task->next = in_order;
        in_order = task;
        task = next;
    }
    while (in_order != NULL) {
        struct loop_task *next = in_order->next;
        list_add(&loop->ready, in_order);
        in_order = next;
    }
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (!atomic_exchange(&task->queued, true))
        list_add(&loop->deferred, task);
}

void loop_cancel(struct loop *loop, struct loop_task *task)
{
    if (!atomic_load(&task->queued))
        return;
    take_posted(loop);
    if (list_remove(&loop->ready, task) || list_remove(&loop->deferred, task) ||
        list_remove(&loop->ending, task))
        atomic_store(&task->queued, false);
}

static void run_posted(struct loop *loop)
{
    take_posted(loop);
    list_run(&loop->ready);
}

/* What deferred tasks defer waits for the next turn. */
static void run_deferred(struct loop *loop)
{
    if (loop->deferred.head == NULL)
        return;
    loop->ending = loop->deferred;
    list_init(&loop->deferred);
    list_run(&loop->ending);
}

static bool tasks_wait(const struct loop *loop)
{
    return loop->deferred.head != NULL || atomic_load(&loop->posted) != NULL;
}

/* ---- timers ---- */

void timer_set(struct loop *loop, struct loop_timer *t, int64_t at_us, loop_fn fn, void *ctx)
{
    t->fn = fn;
    t->ctx = ctx;
    heap_put(&loop->timers, &t->node, at_us);
}

void timer_stop(struct loop *loop, struct loop_timer *t)
{
    heap_remove(&loop->timers, &t->node);
}

bool timer_is_set(const struct loop_timer *t)
{
    return t->node.slot != 0;
}

/* Timers that timers set wait for the next turn, so that a turn always ends. */
static void run_timers(struct loop *loop)
{
    uint64_t seq_end = loop->timers.next_seq;
    struct heap_node *n;
    while ((n = heap_min(&loop->timers)) != NULL && n->key <= loop->now && n->seq < seq_end) {
        struct loop_timer *t = (struct loop_timer *)(void *)n; /* node is its first member */
        heap_remove(&loop->timers, n);
        t->fn(t->ctx);
    }
}

/* ---- turns ---- */

static void read_clock(struct loop *loop)
{
    if (!loop->stale)
        return;
    loop->stale = false;
    loop->now = clock_boot();
    loop->wall = clock_wall();
}

/* libuv runs its timers before it polls, too: an alarm that is due by then must still end the poll.
 */
static void on_alarm(uv_timer_t *alarm)
{
    uv_stop(alarm->loop);
}

static void on_wake(uv_async_t *wake)
{
    (void)wake;
}

/* Polls once, for at most max_wait_us or until the next timer; descriptors call back inside. */
static void poll_once(struct loop *loop, int64_t max_wait_us)
{
    const struct heap_node *next = heap_min(&loop->timers);
    int64_t wait_us = max_wait_us;
    if (tasks_wait(loop)) {
        wait_us = 0;
    } else if (next != NULL) {
        int64_t left_us = next->key - clock_boot();
        if (wait_us < 0 || left_us < wait_us)
            wait_us = left_us < 0 ? 0 : left_us;
    }
    if (wait_us > 0) {
        uv_update_time(&loop->uv);
        (void)uv_timer_start(&loop->alarm, on_alarm,
                             (uint64_t)((wait_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC), 0);
    } else {
        (void)uv_timer_stop(&loop->alarm);
    }
    loop->stale = true;
    (void)uv_run(&loop->uv, wait_us == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    read_clock(loop);
}

/* max_wait_us < 0: as long as it takes. */
static void turn(struct loop *loop, int64_t max_wait_us)
{
    assert(!loop->in_turn);
    loop->in_turn = true;
    if (!loop->manual)
        poll_once(loop, loop->stopped ? 0 : max_wait_us);
    run_posted(loop);
    run_timers(loop);
    run_deferred(loop);
    loop->in_turn = false;
}

void loop_turn(struct loop *loop, int64_t max_wait_us)
{
    turn(loop, max_wait_us < 0 ? 0 : max_wait_us);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        turn(loop, -1);
        if (loop->manual && !tasks_wait(loop))
            break; /* nothing can happen before somebody moves the time */
    }
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static void move_time(struct loop *loop, int64_t to_us)
{
    if (to_us <= loop->now)
        return;
    loop->wall += to_us - loop->now;
    loop->now = to_us;
}

void loop_advance(struct loop *loop, int64_t us)
{
    assert(loop->manual);
    int64_t target_us = loop->now + us;
    for (;;) {
        turn(loop, 0);
        if (tasks_wait(loop))
            continue;
        const struct heap_node *next = heap_min(&loop->timers);
        if (next == NULL || next->key > target_us)
            break;
        move_time(loop, next->key);
    }
    move_time(loop, target_us);
}

void loop_shift_wall(struct loop *loop, int64_t us)
{
    assert(loop->manual);
    loop->wall += us;
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

int64_t loop_wall(const struct loop *loop)
{
    return loop->wall;
}

/* ---- descriptors and signals ---- */

static void on_poll(uv_poll_t *handle, int status, int uv_events);

static void poll_start(struct loop_watch *w)
{
    int uv_events = ((w->events & LOOP_READ) != 0 ? UV_READABLE : 0) |
                    ((w->events & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);
    (void)uv_poll_start(&w->uv, uv_events, on_poll);
}

static void on_poll(uv_poll_t *handle, int status, int uv_events)
{
    struct loop_watch *w = handle->data;
    unsigned events = ((uv_events & UV_READABLE) != 0 ? (unsigned)LOOP_READ : 0) |
                      ((uv_events & UV_WRITABLE) != 0 ? (unsigned)LOOP_WRITE : 0);
    read_clock(w->loop);
    if (status < 0)
        events = w->events;
    w->fn(w->ctx, events);
    /* libuv stops a watch whose descriptor has an error pending; ours stay level-triggered. */
    if (status < 0 && !w->closed && w->events != 0)
        poll_start(w);
}

struct loop_watch *loop_watch(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *ctx)
{
    assert(!loop->manual);
    struct loop_watch *w = mem_alloc(sizeof(*w));
    *w = (struct loop_watch){.loop = loop, .fn = fn, .ctx = ctx, .events = events};
    int r = uv_poll_init(&loop->uv, &w->uv, fd);
    if (r < 0) {
        (void)fprintf(stderr, "scriptorium: descriptor %d cannot be watched: %s\n", fd,
                      uv_strerror(r));
        abort();
    }
    w->uv.data = w;
    if (events != 0)
        poll_start(w);
    return w;
}

void loop_watch_set(struct loop_watch *w, unsigned events)
{
    if (events == w->events)
        return;
    w->events = events;
    if (events == 0)
        (void)uv_poll_stop(&w->uv);
    else
        poll_start(w);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_unwatch(struct loop_watch *w)
{
    if (w == NULL)
        return;
    w->closed = true;
    uv_close((uv_handle_t *)&w->uv, on_watch_closed);
}

static void on_signal(uv_signal_t *handle, int signo)
{
    struct signal_watch *s = handle->data;
    struct loop *loop = handle->loop->data;
    read_clock(loop);
    s->fn(s->ctx, signo);
}

void loop_on_signal(struct loop *loop, int signo, loop_signal_fn fn, void *ctx)
{
    assert(!loop->manual);
    struct signal_watch *s = mem_alloc(sizeof(*s));
    *s = (struct signal_watch){.fn = fn, .ctx = ctx, .next = loop->signals};
    loop->signals = s;
    (void)uv_signal_init(&loop->uv, &s->uv);
    s->uv.data = s;
    (void)uv_signal_start(&s->uv, on_signal, signo);
}

/* ---- life ---- */

static struct loop *loop_alloc(bool manual, int64_t now, int64_t wall)
{
    struct loop *loop = mem_alloc(sizeof(*loop));
    loop->manual = manual;
    loop->now = now;
    loop->wall = wall;
    list_init(&loop->ready);
    list_init(&loop->deferred);
    list_init(&loop->ending);
    return loop;
}

struct loop *loop_new_manual(int64_t start_mono_us, int64_t start_wall_us)
{
    return loop_alloc(true, start_mono_us, start_wall_us);
}

enum err loop_new(struct loop **ret_loop)
{
    struct loop *loop = loop_alloc(false, clock_boot(), clock_wall());
    if (uv_loop_init(&loop->uv) < 0) {
        free(loop);
        return ERR_IO;
    }
    loop->uv.data = loop;
    (void)uv_timer_init(&loop->uv, &loop->alarm);
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) < 0) {
        uv_close((uv_handle_t *)&loop->alarm, NULL);
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&loop->uv);
        free(loop);
        return ERR_IO;
    }
    /* A peer that has gone is an error of the write, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    *ret_loop = loop;
    return OK;
}

static void close_uv(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    for (struct signal_watch *s = loop->signals; s != NULL; s = s->next)
        uv_close((uv_handle_t *)&s->uv, NULL);
    int r;
    int turns = 0;
    while ((r = uv_loop_close(&loop->uv)) == UV_EBUSY && turns++ < CLOSING_TURNS)
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    assert(r == 0); /* else somebody left a watch behind */
    (void)r;
    while (loop->signals != NULL) {
        struct signal_watch *next = loop->signals->next;
        free(loop->signals);
        loop->signals = next;
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (!loop->manual)
        close_uv(loop);
    heap_free(&loop->timers);
    free(loop);
}
