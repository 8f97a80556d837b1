/* In: counts and times. Out: when jobs are told to start and finish, computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "api/figures.h"
#include "base/clock.h"
#include "base/mem.h"

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
    figures_learn(&f, 120 * S); /* the first ones count the same */
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 80 * S);
    for (int i = 0; i < 6; i++)
        figures_learn(&f, 80 * S);
    figures_learn(&f, 160 * S); /* 80 + 80 / 8 */
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 90 * S);
}

/* Two slots: one job ends in 10 s, the other in 30; each takes 40. So slots become free after 10,
 * 30, 50, 70, 90 s. */
static void slots_become_free_as_each_running_job_ends(void **state)
{
    (void)state;
    static const int after[] = {10, 30, 50, 70, 90};
    struct figures *f = mem_alloc(sizeof *f);
    struct store_job running[2] = {
        {.status = JOB_PROCESSING, .queued = true, .started_us = NOW - 10 * S},
        {.status = JOB_PROCESSING, .queued = true, .started_us = NOW - 30 * S},
    };
    f->own_us = 40 * S;
    f->learned = 100;
    figures_take_running(f, running, 2, 1, NOW);
    for (int i = 0; i < 5; i++) {
        struct store_job job = pending(i + 1);
        assert_int_equal(figures_estimate(f, 2, &job, NOW).start_us, NOW + after[i] * S);
    }
    /* A third slot is idle: the first goes now, and its slot is free again after 40 s. */
    struct store_job first = pending(1), fourth = pending(4);
    assert_int_equal(figures_estimate(f, 3, &first, NOW).start_us, NOW);
    assert_int_equal(figures_estimate(f, 3, &fourth, NOW).start_us, NOW + 40 * S);
    free(f);
}

/* 50: 0.08 + 0.78 / 2 = 0.47 of its time, shown after 47 s: at that pace it takes 100 s. With the
 * 60 s that jobs take here that is 0.53 * 60 + 47 = 78.8 s in all, of which 0.53 are left. */
static void a_jobs_own_pace_counts_the_more_the_further_it_is(void **state)
{
    (void)state;
    struct figures *f = mem_alloc(sizeof *f);
    struct store_job job = {.status = JOB_PROCESSING,
                            .queued = true,
                            .progress = 50,
                            .started_us = NOW - 48 * S,
                            .updated_us = NOW - 1 * S};
    figures_take_running(f, &job, 1, 1, NOW);
    assert_in_range(f->pace_us, 100 * S - 1, 100 * S + 1); /* nothing else is known */
    f->own_us = 60 * S;
    f->learned = 100;
    int64_t end = NOW - 1 * S + 53 * 788 * S / 1000;
    assert_in_range(figures_estimate(f, 1, &job, NOW).finish_us, end - 2, end + 2);
    free(f);
}

/* Of seven at the same place the middle is told. */
static void of_equals_half_go_first(void **state)
{
    (void)state;
    struct figures f = {.running = 10, .own_us = 40 * S};
    struct store_job job = pending(2);
    job.beside = 6;
    assert_int_equal(figures_estimate(&f, 10, &job, NOW).start_us, NOW + 20 * S);
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
        cmocka_unit_test(slots_become_free_as_each_running_job_ends),
        cmocka_unit_test(a_jobs_own_pace_counts_the_more_the_further_it_is),
        cmocka_unit_test(of_equals_half_go_first),
        cmocka_unit_test(own_jobs_come_before_the_hours_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
