/* In: loop.c. Out: the order of a turn, time on a manual loop, posting from threads, watches whose
 * descriptors are closed at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"

struct trace {
    struct loop *loop;
    char text[64];
    size_t len;
};

struct step {
    struct trace *trace;
    char name;
    int64_t at_us;
};

static void note(void *ctx)
{
    struct step *s = ctx;
    s->trace->text[s->trace->len++] = s->name;
    s->at_us = loop_now(s->trace->loop);
}

static void timers_fire_in_order_of_deadline_then_of_setting(void **state)
{
    (void)state;
    struct loop *loop = loop_new_manual(1000, 5000000);
    struct trace t = {.loop = loop};
    struct step a = {&t, 'a', 0}, b = {&t, 'b', 0}, c = {&t, 'c', 0}, d = {&t, 'd', 0};
    struct loop_timer ta = {0}, tb = {0}, tc = {0}, td = {0};
    timer_set(loop, &ta, 3000, note, &a);
    timer_set(loop, &tb, 2000, note, &b);
    timer_set(loop, &tc, 2000, note, &c);
    timer_set(loop, &td, 9000, note, &d);
    timer_set(loop, &tb, 2000, note, &b); /* moved: now after c */
    loop_advance(loop, 4000);
    assert_string_equal(t.text, "cba");
    assert_int_equal(c.at_us, 2000);
    assert_int_equal(a.at_us, 3000);
    assert_int_equal(loop_now(loop), 5000);
    assert_int_equal(loop_wall(loop), 5004000);
    assert_true(timer_is_set(&td));
    assert_false(timer_is_set(&ta));
    timer_stop(loop, &td);
    timer_stop(loop, &td);
    loop_advance(loop, 100000);
    assert_string_equal(t.text, "cba");
    loop_free(loop);
}

struct chain {
    struct loop *loop;
    struct loop_timer timer;
    int64_t last_us;
    int fired;
};

static void again(void *ctx)
{
    struct chain *c = ctx;
    c->fired++;
    c->last_us = loop_now(c->loop);
    timer_set(c->loop, &c->timer, loop_now(c->loop) + 100, again, c);
}

static void a_timer_that_sets_itself_fires_at_each_of_its_times(void **state)
{
    (void)state;
    struct chain c = {.loop = loop_new_manual(0, 0)};
    timer_set(c.loop, &c.timer, 100, again, &c);
    loop_advance(c.loop, 1050);
    assert_int_equal(c.fired, 10);
    assert_int_equal(c.last_us, 1000);
    timer_stop(c.loop, &c.timer);
    loop_free(c.loop);
}

static void canceled_tasks_do_not_run(void **state)
{
    (void)state;
    struct loop *loop = loop_new_manual(0, 0);
    struct trace t = {.loop = loop};
    struct step s[4] = {{&t, '0', 0}, {&t, '1', 0}, {&t, '2', 0}, {&t, '3', 0}};
    struct loop_task task[4] = {{0}};
    for (int i = 0; i < 4; i++) {
        task[i].fn = note;
        task[i].ctx = &s[i];
    }
    loop_post(loop, &task[0]);
    loop_post(loop, &task[1]);
    loop_post(loop, &task[1]);
    loop_defer(loop, &task[2]);
    loop_defer(loop, &task[3]);
    loop_cancel(loop, &task[0]);
    loop_cancel(loop, &task[3]);
    loop_cancel(loop, &task[3]);
    loop_turn(loop, 0);
    assert_string_equal(t.text, "12");
    loop_defer(loop, &task[3]);
    loop_turn(loop, 0);
    assert_string_equal(t.text, "123");
    loop_free(loop);
}

static struct loop *real_loop(void)
{
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), OK);
    return loop;
}

static void note_readable(void *ctx, unsigned events)
{
    if ((events & LOOP_READ) != 0)
        note(ctx);
}

static void a_turn_runs_descriptors_then_posted_then_timers_then_deferred(void **state)
{
    (void)state;
    struct loop *loop = real_loop();
    struct trace t = {.loop = loop};
    struct step p = {&t, 'p', 0}, d = {&t, 'd', 0}, w = {&t, 'w', 0}, e = {&t, 'e', 0};
    struct loop_task posted = {.fn = note, .ctx = &p}, deferred = {.fn = note, .ctx = &e};
    struct loop_timer timer = {0};
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    struct loop_watch *watch = loop_watch(loop, fd[0], LOOP_READ, note_readable, &w);
    loop_defer(loop, &deferred);
    timer_set(loop, &timer, loop_now(loop) - 1, note, &d);
    loop_post(loop, &posted);
    loop_turn(loop, 0);
    assert_string_equal(t.text, "wpde");
    loop_unwatch(watch);
    close(fd[0]);
    close(fd[1]);
    loop_free(loop);
}

static void a_timer_is_never_early(void **state)
{
    (void)state;
    struct loop *loop = real_loop();
    struct trace t = {.loop = loop};
    struct step s = {&t, 's', 0};
    struct loop_timer timer = {0};
    int64_t at = loop_now(loop) + 5300;
    timer_set(loop, &timer, at, note, &s);
    while (t.len == 0)
        loop_turn(loop, USEC_PER_SEC);
    assert_true(s.at_us >= at);
    assert_true(clock_mono() >= at);
    loop_free(loop);
}

/* A wait that is over before the poll begins must not become an endless one. */
static void short_waits_always_end(void **state)
{
    (void)state;
    struct loop *loop = real_loop();
    int64_t from = clock_mono();
    for (int64_t i = 0; clock_mono() - from < USEC_PER_SEC / 2; i++)
        loop_turn(loop, 1 + i % 1100);
    loop_free(loop);
}

enum { THREADS = 4, POSTS = 2000 };

struct poster {
    struct loop *loop;
    struct loop_task task[POSTS];
    int ran, *left;
};

static void count(void *ctx)
{
    struct poster *p = ctx;
    p->ran++;
    if (--*p->left == 0)
        loop_stop(p->loop);
}

static void *post_all(void *ctx)
{
    struct poster *p = ctx;
    for (int i = 0; i < POSTS; i++)
        loop_post(p->loop, &p->task[i]);
    return NULL;
}

static void posts_from_threads_all_run_once_on_the_loop(void **state)
{
    (void)state;
    static struct poster posters[THREADS];
    struct loop *loop = real_loop();
    pthread_t thread[THREADS];
    int left = THREADS * POSTS;
    for (int i = 0; i < THREADS; i++) {
        posters[i].loop = loop;
        posters[i].left = &left;
        for (int k = 0; k < POSTS; k++)
            posters[i].task[k] = (struct loop_task){.fn = count, .ctx = &posters[i]};
        assert_int_equal(pthread_create(&thread[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(posters[i].ran, POSTS);
    }
    loop_free(loop);
}

static void *post_one(void *arg)
{
    struct poster *p = arg;
    loop_post(p->loop, &p->task[0]);
    return NULL;
}

static void a_post_that_ends_the_wait_runs_in_the_same_turn(void **state)
{
    (void)state;
    static struct poster p;
    int left = 2; /* count() stops the loop at 0 */
    pthread_t thread;
    p = (struct poster){.loop = real_loop(), .left = &left};
    p.task[0] = (struct loop_task){.fn = count, .ctx = &p};
    assert_int_equal(pthread_create(&thread, NULL, post_one, &p), 0);
    loop_turn(p.loop, 60 * USEC_PER_SEC);
    assert_int_equal(p.ran, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    loop_free(p.loop);
}

struct closer {
    struct loop_watch *watch[2];
    int fd[2], ran;
};

static void close_both(void *ctx, unsigned events)
{
    struct closer *c = ctx;
    (void)events;
    c->ran++;
    for (int i = 0; i < 2; i++) {
        loop_unwatch(c->watch[i]);
        close(c->fd[i]);
    }
}

/* Both descriptors are ready in one poll; the callback that comes first closes both. */
static void a_closed_watch_never_calls_back_though_its_event_was_collected(void **state)
{
    (void)state;
    struct loop *loop = real_loop();
    struct closer c = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, c.fd), 0);
    assert_int_equal(write(c.fd[0], "x", 1), 1);
    assert_int_equal(write(c.fd[1], "x", 1), 1);
    for (int i = 0; i < 2; i++)
        c.watch[i] = loop_watch(loop, c.fd[i], LOOP_READ, close_both, &c);
    loop_turn(loop, USEC_PER_SEC);
    loop_turn(loop, 0);
    assert_int_equal(c.ran, 1);
    loop_free(loop);
}

struct counter {
    struct loop *loop;
    int calls;
};

static void count_event(void *ctx, unsigned events)
{
    (void)events;
    ((struct counter *)ctx)->calls++;
}

static void a_paused_watch_rests_and_a_hang_up_repeats_until_handled(void **state)
{
    (void)state;
    struct counter c = {.loop = real_loop()};
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    struct loop_watch *watch = loop_watch(c.loop, fd[0], LOOP_READ, count_event, &c);
    close(fd[1]);
    loop_watch_set(watch, 0);
    loop_turn(c.loop, 0);
    assert_int_equal(c.calls, 0);
    loop_watch_set(watch, LOOP_READ);
    loop_turn(c.loop, USEC_PER_SEC);
    loop_turn(c.loop, USEC_PER_SEC);
    assert_int_equal(c.calls, 2);
    loop_unwatch(watch);
    close(fd[0]);
    loop_free(c.loop);
}

static void count_signal(void *ctx, int signo)
{
    struct counter *c = ctx;
    assert_int_equal(signo, SIGUSR1);
    c->calls++;
    loop_stop(c->loop);
}

static void signals_arrive_on_the_loop(void **state)
{
    (void)state;
    struct counter c = {.loop = real_loop()};
    loop_on_signal(c.loop, SIGUSR1, count_signal, &c);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_run(c.loop);
    assert_int_equal(c.calls, 1);
    loop_free(c.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_of_deadline_then_of_setting),
        cmocka_unit_test(a_timer_that_sets_itself_fires_at_each_of_its_times),
        cmocka_unit_test(canceled_tasks_do_not_run),
        cmocka_unit_test(a_turn_runs_descriptors_then_posted_then_timers_then_deferred),
        cmocka_unit_test(a_timer_is_never_early),
        cmocka_unit_test(short_waits_always_end),
        cmocka_unit_test(posts_from_threads_all_run_once_on_the_loop),
        cmocka_unit_test(a_post_that_ends_the_wait_runs_in_the_same_turn),
        cmocka_unit_test(a_closed_watch_never_calls_back_though_its_event_was_collected),
        cmocka_unit_test(a_paused_watch_rests_and_a_hang_up_repeats_until_handled),
        cmocka_unit_test(signals_arrive_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
