/* In: descriptors, deadlines, signals, work from other threads. Out: callbacks on one thread, in a
 * fixed order each turn: descriptors, posted work, timers, deferred work. The one home of uv.h. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"

struct loop;

typedef void (*loop_fn)(void *ctx);

enum err loop_new(struct loop **ret_loop) MUST_CHECK;
/* A loop without an operating system: no descriptors, no signals; time stands still until
 * loop_advance(). For tests on a fake clock. */
struct loop *loop_new_manual(int64_t start_mono_us, int64_t start_wall_us);
/* Every watch and timer must be stopped before. Takes NULL. */
void loop_free(struct loop *loop);

void loop_run(struct loop *loop);  /* until loop_stop() */
void loop_stop(struct loop *loop); /* ends loop_run() after this turn */
/* One turn that waits at most max_wait_us; for tests and for draining. */
void loop_turn(struct loop *loop, int64_t max_wait_us);
/* Manual loops only: moves time forward, running what falls due in order, at its own time. */
void loop_advance(struct loop *loop, int64_t us);
/* Manual loops: somebody sets the wall clock; the other one goes on. */
void loop_shift_wall(struct loop *loop, int64_t us);

/* Monotonic microseconds, fixed during a turn. They go on while the machine sleeps: a lease that
 * ran out meanwhile has run out, and a stream that has been silent for so long is dead. */
int64_t loop_now(const struct loop *loop);
int64_t loop_wall(const struct loop *loop); /* wall clock microseconds */

/* A timer lives in its owner (zero-initialised); it fires once. Setting a set timer moves it.
 * Deadlines are on loop_now()'s clock; equal ones fire in the order they were set. All timers share
 * one operating-system timer, which is at most a millisecond late. */
struct loop_timer {
    struct heap_node node; /* node.key is the deadline */
    loop_fn fn;
    void *ctx;
};
void timer_set(struct loop *loop, struct loop_timer *t, int64_t at_us, loop_fn fn, void *ctx);
void timer_stop(struct loop *loop, struct loop_timer *t); /* harmless when not set */
bool timer_is_set(const struct loop_timer *t);

/* A task lives in its owner (zero-initialised). loop_post() may be called from any thread and runs
 * fn on the loop's; posting a posted task does nothing. loop_defer() is for the loop's own thread:
 * fn runs at the end of this turn, when no caller is on the stack: the place to free objects. */
struct loop_task {
    loop_fn fn;
    void *ctx;
    struct loop_task *next;
    _Atomic bool queued;
};
void loop_post(struct loop *loop, struct loop_task *task);
void loop_defer(struct loop *loop, struct loop_task *task);
/* Takes back a task that waits, before its owner is freed; harmless when it does not wait. Other
 * threads must have stopped posting it. */
void loop_cancel(struct loop *loop, struct loop_task *task);

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_io_fn)(void *ctx, unsigned events);

/* Watches a descriptor (socket, pipe, epoll; never a plain file) that stays the caller's. An error
 * or hang-up counts as all the events asked for, so that the next system call reports it. After
 * loop_unwatch() the callback never runs again and the descriptor may be closed at once; the watch
 * is freed by the loop. Level-triggered. */
struct loop_watch;
struct loop_watch *loop_watch(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *ctx);
void loop_watch_set(struct loop_watch *w, unsigned events); /* 0 pauses */
void loop_unwatch(struct loop_watch *w);                    /* takes NULL */

typedef void (*loop_signal_fn)(void *ctx, int signo);
/* Until the loop is freed. `fn` runs on the loop like a descriptor's callback. */
void loop_on_signal(struct loop *loop, int signo, loop_signal_fn fn, void *ctx);

#endif
