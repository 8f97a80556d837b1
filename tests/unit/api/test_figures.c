/* In: counts and times. Out: when jobs are told to start and finish, computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/figures.h"
#include "base/clock.h"

#define S   USEC_PER_SEC
#define NOW (1000000 * S)

static struct store_job pending(int position)
{
    return (struct store_job){
        .status = JOB_PENDING, .queued = true, .position = position, .run_at_us = NOW};
}

static void a_free_slot_means_now(void **state)
{
    (void)state;
    struct figures f = {.running = 7, .own_us = 40 * S};
    struct store_job job = pending(3);
    struct estimate e = figures_estimate(&f, 10, &job, NOW);
    assert_int_equal(e.start_us, NOW);
    assert_int_equal(e.finish_us, NOW + 40 * S);
}

/* 10 slots, all taken, a job takes 40 s: one ends each 4 s, and the fifth of them is ours. */
static void past_the_slots_one_starts_as_one_ends(void **state)
{
    (void)state;
    struct figures f = {.running = 10, .own_us = 40 * S};
    struct store_job job = pending(5);
    struct estimate e = figures_estimate(&f, 10, &job, NOW);
    assert_int_equal(e.start_us, NOW + 20 * S);
    assert_int_equal(e.finish_us, NOW + 60 * S);
}

/* 4 slots here, but 20 jobs run: the other nodes' slots count too. */
static void what_runs_elsewhere_are_slots_too(void **state)
{
    (void)state;
    struct figures f = {.running = 20, .own_us = 40 * S};
    struct store_job job = pending(10);
    assert_int_equal(figures_estimate(&f, 4, &job, NOW).start_us, NOW + 20 * S);
}

static void a_delayed_job_starts_when_it_is_due(void **state)
{
    (void)state;
    struct figures f = {.own_us = 40 * S};
    struct store_job job = pending(0);
    job.run_at_us = NOW + 90 * S;
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 90 * S);
}

static void a_running_job_finishes_after_what_jobs_take_but_not_in_the_past(void **state)
{
    (void)state;
    struct figures f = {.running = 1, .own_us = 40 * S};
    struct store_job job = {.status = JOB_PROCESSING, .queued = true, .started_us = NOW - 10 * S};
    struct estimate e = figures_estimate(&f, 10, &job, NOW);
    assert_int_equal(e.start_us, NOW - 10 * S);
    assert_int_equal(e.finish_us, NOW + 30 * S);
    job.started_us = NOW - 100 * S;
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).finish_us, NOW);
}

static void what_is_not_known_is_not_told(void **state)
{
    (void)state;
    struct figures f = {.running = 10};
    struct store_job job = pending(5);
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, 0);
    f.running = 0; /* there is room: now, but nobody knows for how long */
    struct estimate e = figures_estimate(&f, 10, &job, NOW);
    assert_int_equal(e.start_us, NOW);
    assert_int_equal(e.finish_us, 0);
    job.status = JOB_COMPLETED;
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, 0);
    job = pending(1);
    assert_int_equal(figures_estimate(&f, 0, &job, NOW).start_us, 0);
}

static void own_jobs_come_before_the_hours_average(void **state)
{
    (void)state;
    struct figures f = {0};
    struct store_stats stats = {.running = 10};
    stats.recent_seconds[JOB_COMPLETED] = 80;
    figures_take(&f, &stats, 1);
    struct store_job job = pending(10);
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 80 * S);
    figures_learn(&f, 40 * S);
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 40 * S);
    figures_learn(&f, 120 * S); /* 40 + 80 / 8 */
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 50 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_slot_means_now),
        cmocka_unit_test(past_the_slots_one_starts_as_one_ends),
        cmocka_unit_test(what_runs_elsewhere_are_slots_too),
        cmocka_unit_test(a_delayed_job_starts_when_it_is_due),
        cmocka_unit_test(a_running_job_finishes_after_what_jobs_take_but_not_in_the_past),
        cmocka_unit_test(what_is_not_known_is_not_told),
        cmocka_unit_test(own_jobs_come_before_the_hours_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
