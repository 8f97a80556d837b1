/* In: schedules, plans, workers that die. Out: whether each firing is made once, by one worker, and
 * taken over or lost as its schedule says. */
#include "conformance.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_schedules.h"

#define KEEP 10

static struct store_schedule save_as(struct fixture *f, const char *name, const char *expr,
                                     enum store_missed missed)
{
    struct store_schedule s = {.name = name,
                               .expr = expr,
                               .label = "w1",
                               .missed = missed,
                               .missed_max = missed == STORE_MISSED_ALL ? 5 : 0,
                               .active = true};
    const struct store_result *r = CALL(f, store_schedule_save, &s);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    return r->schedules[0];
}

static struct store_schedule save(struct fixture *f, const char *name)
{
    return save_as(f, name, "* * * * *", STORE_MISSED_ONCE);
}

static const struct store_result *due(struct fixture *f)
{
    const struct store_result *r = CALL(f, store_schedule_due, 100);
    assert_int_equal(r->err, OK);
    return r;
}

static struct store_schedule get(struct fixture *f, const char *name)
{
    struct store_schedule_filter filter = {.name = name, .limit = 1};
    const struct store_result *r = CALL(f, store_schedule_list, &filter);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    return r->schedules[0];
}

/* A plan of what was seen, with one firing. */
static const struct store_result *plan(struct fixture *f, const struct uuid *worker,
                                       const struct store_schedule *s, int64_t at, int64_t next)
{
    struct store_firing firing = {.at_us = at};
    struct store_plan p = {
        .id = s->id, .rev = s->rev, .due_us = next, .firings = &firing, .n = at != 0};
    return CALL(f, store_schedule_plan, worker, &p, 1, KEEP);
}

static const struct store_result *runs_of(struct fixture *f, const char *name)
{
    struct store_run_filter filter = {.name = name, .limit = 100};
    const struct store_result *r = CALL(f, store_runs, &filter);
    assert_int_equal(r->err, OK);
    return r;
}

static void end(struct fixture *f, const struct store_run *run, int64_t want)
{
    struct store_run_end e = {.id = run->id,
                              .attempt = run->attempt,
                              .state = STORE_RUN_SUCCEEDED,
                              .invocation = user_id(7),
                              .message = "accepted"};
    const struct store_result *r = CALL(f, store_run_end, &e, 1);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->count, want);
}

/* ---- schedules ---- */

static void a_schedule_is_kept_as_it_was_given(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = {.name = "nightly",
                               .expr = "CRON_TZ=Europe/Berlin 0 3 * * mon-fri",
                               .label = "worker-1",
                               .missed = STORE_MISSED_ALL,
                               .missed_max = 7,
                               .active = true};
    int64_t before = wall(f);
    assert_int_equal(CALL(f, store_schedule_save, &s)->count, 0);
    struct store_schedule got = get(f, "nightly");
    assert_true(got.id > 0);
    assert_string_equal(got.expr, s.expr);
    assert_string_equal(got.label, "worker-1");
    assert_null(got.error);
    assert_int_equal(got.missed, STORE_MISSED_ALL);
    assert_int_equal(got.missed_max, 7);
    assert_true(got.active);
    assert_false(got.planned);
    assert_true(got.created_us >= before);
    assert_true(got.changed_us == got.created_us);
}

static void the_same_name_changes_the_schedule(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    int64_t now = wall(f);
    assert_int_equal(plan(f, &f->worker, &s, 0, now + 60 * SECOND)->err, OK);
    pass(f, SECOND);
    /* The same again: its next time stays. */
    assert_int_equal(save(f, "tick").id, s.id);
    struct store_schedule got = get(f, "tick");
    assert_true(got.planned);
    assert_true(got.due_us == now + 60 * SECOND);
    assert_true(got.changed_us == s.changed_us);
    /* Another time: planned anew, from now on. */
    assert_int_equal(save_as(f, "tick", "5 * * * *", STORE_MISSED_SKIP).id, s.id);
    got = get(f, "tick");
    assert_false(got.planned);
    assert_int_equal(got.missed, STORE_MISSED_SKIP);
    assert_true(got.changed_us > s.changed_us);
}

static void a_removed_schedule_is_gone(void **state)
{
    struct fixture *f = fixture(state);
    int64_t id = save(f, "tick").id;
    assert_int_equal(CALL(f, store_schedule_remove, "tick")->count, 1);
    assert_int_equal(CALL(f, store_schedule_remove, "tick")->err, ERR_NOT_FOUND);
    assert_int_equal(due(f)->n, 0);
    assert_true(save(f, "tick").id != id);
}

static void schedules_are_listed_in_pages(void **state)
{
    struct fixture *f = fixture(state);
    char name[16];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        save(f, name);
    }
    struct store_schedule_filter page = {.limit = 3};
    const struct store_result *r = CALL(f, store_schedule_list, &page);
    assert_int_equal(r->n, 3);
    assert_string_equal(r->schedules[2].name, "s2");
    page.after = r->schedules[2].id;
    r = CALL(f, store_schedule_list, &page);
    assert_int_equal(r->n, 2);
    assert_string_equal(r->schedules[1].name, "s4");
    page.after = 0;
    assert_int_equal(CALL(f, store_schedule_list_sql, &page)->err, OK);
    assert_int_equal(f->latest->r.n, 0); /* these are no clients' */
}

static void nonsense_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = {.name = "", .expr = "* * * * *"};
    assert_int_equal(CALL(f, store_schedule_save, &s)->err, ERR_INVALID);
    s = (struct store_schedule){
        .name = "x", .expr = "* * * * *", .missed = STORE_MISSED_ALL, .missed_max = 101};
    assert_int_equal(CALL(f, store_schedule_save, &s)->err, ERR_INVALID);
    struct store_run_end e = {.id = 1, .attempt = 1, .state = STORE_RUN_LOST};
    assert_int_equal(CALL(f, store_run_end, &e, 1)->err, ERR_INVALID);
}

/* ---- planning ---- */

static void what_is_not_planned_or_due_is_shown(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick"), off;
    off = (struct store_schedule){.name = "off", .expr = "* * * * *"};
    assert_int_equal(CALL(f, store_schedule_save, &off)->err, OK);
    const struct store_result *r = due(f);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->schedules[0].id, s.id);
    int64_t now = r->now_us;
    assert_true(now >= s.changed_us);
    assert_int_equal(plan(f, &f->worker, &s, 0, now + 60 * SECOND)->n, 0);
    r = due(f);
    assert_int_equal(r->n, 0);
    assert_true(r->next_due_us == now + 60 * SECOND);
    pass(f, 60 * SECOND);
    r = due(f);
    assert_int_equal(r->n, 1);
    assert_true(r->schedules[0].planned);
    assert_true(r->schedules[0].due_us == now + 60 * SECOND);
    /* Never again. */
    assert_int_equal(plan(f, &f->worker, &r->schedules[0], now, 0)->n, 1);
    r = due(f);
    assert_int_equal(r->n, 0);
    assert_true(r->next_due_us == 0);
}

static void the_first_plan_is_believed(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid other = open_worker(f, 60 * SECOND);
    struct store_schedule s = save(f, "tick");
    int64_t now = wall(f);
    const struct store_result *r = plan(f, &other, &s, now, now + SECOND);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    assert_string_equal(r->runs[0].name, "tick");
    assert_string_equal(r->runs[0].label, "w1");
    assert_string_equal(r->runs[0].node, "test");
    assert_true(r->runs[0].fire_us == now);
    assert_int_equal(r->runs[0].attempt, 1);
    assert_int_equal(r->runs[0].state, STORE_RUN_RUNNING);
    r = plan(f, &f->worker, &s, now, now + 2 * SECOND);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 0);
    assert_true(get(f, "tick").due_us == now + SECOND);
    assert_int_equal(runs_of(f, "tick")->n, 1);
}

static void a_time_is_fired_once_whatever_is_planned(void **state)
{
    struct fixture *f = fixture(state);
    save(f, "tick");
    int64_t now = wall(f);
    for (int i = 0; i < 3; i++) {
        struct store_schedule s = get(f, "tick");
        const struct store_result *r = plan(f, &f->worker, &s, now, now + SECOND);
        assert_int_equal(r->err, OK);
        assert_int_equal(r->n, i == 0);
    }
    assert_int_equal(runs_of(f, "tick")->n, 1);
}

static void a_changed_or_stopped_schedule_does_not_fire_by_an_old_plan(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    int64_t now = wall(f);
    save_as(f, "tick", "5 * * * *", STORE_MISSED_ONCE);
    assert_int_equal(plan(f, &f->worker, &s, now, now + SECOND)->n, 0);
    assert_false(get(f, "tick").planned);
    assert_int_equal(CALL(f, store_schedule_remove, "tick")->count, 1);
    assert_int_equal(plan(f, &f->worker, &s, now, now + SECOND)->n, 0);
}

static void only_workers_with_a_lease_fire(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    struct uuid gone = open_worker(f, 60 * SECOND);
    int64_t now = wall(f);
    assert_int_equal(CALL(f, store_worker_close, &gone)->err, OK);
    assert_int_equal(plan(f, &gone, &s, now, now + SECOND)->err, ERR_LOST);
    assert_int_equal(CALL(f, store_schedule_boot, &gone, now, KEEP)->err, ERR_LOST);
    assert_int_equal(CALL(f, store_run_take, &gone)->err, ERR_LOST);
    assert_false(get(f, "tick").planned);
    assert_int_equal(runs_of(f, "tick")->n, 0);
}

static void skipped_firings_and_errors_are_recorded(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    int64_t now = wall(f);
    struct store_firing firings[] = {{.at_us = now - SECOND, .skip = true, .note = "too late"},
                                     {.at_us = now, .note = "stands for more"}};
    struct store_plan p = {
        .id = s.id, .rev = s.rev, .error = "no such day", .firings = firings, .n = 2};
    const struct store_result *r = CALL(f, store_schedule_plan, &f->worker, &p, 1, KEEP);
    assert_int_equal(r->n, 1);
    assert_true(r->runs[0].fire_us == now);
    r = runs_of(f, "tick");
    assert_int_equal(r->n, 2);
    assert_int_equal(r->runs[1].state, STORE_RUN_SKIPPED);
    assert_string_equal(r->runs[1].message, "too late");
    assert_true(r->runs[1].ended_us >= now);
    assert_string_equal(r->runs[0].message, "stands for more");
    s = get(f, "tick");
    assert_string_equal(s.error, "no such day");
    assert_true(s.due_us == 0);
}

static void a_plan_made_far_in_the_future_is_shown_again(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    int64_t now = wall(f), hour = 3600 * SECOND;
    pass(f, 10 * hour);
    f->worker = open_worker(f, 60 * SECOND);
    assert_int_equal(plan(f, &f->worker, &s, 0, now + 20 * hour)->err, OK);
    pass(f, -2 * hour); /* set back a little: what has fired shall not fire again */
    assert_int_equal(due(f)->n, 0);
    pass(f, -5 * hour);
    assert_int_equal(due(f)->n, 1);
    assert_true(due(f)->schedules[0].planned_us > wall(f) + STORE_CLOCK_BACK_US);
}

static void reboot_fires_once_at_each_start(void **state)
{
    struct fixture *f = fixture(state);
    save_as(f, "boot", "CRON_TZ=Asia/Tokyo @Reboot \t", STORE_MISSED_ONCE);
    save(f, "tick");
    int64_t start = wall(f);
    const struct store_result *r = CALL(f, store_schedule_boot, &f->worker, start, KEEP);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    assert_string_equal(r->runs[0].name, "boot");
    assert_true(r->runs[0].fire_us == start);
    assert_int_equal(CALL(f, store_schedule_boot, &f->worker, start, KEEP)->n, 0);
    assert_int_equal(CALL(f, store_schedule_boot, &f->worker, start + 1, KEEP)->n, 1);
    assert_int_equal(runs_of(f, "boot")->n, 2);
    assert_int_equal(runs_of(f, "tick")->n, 0);
}

/* ---- runs ---- */

static void a_run_ends_once_under_its_attempt(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    const struct store_result *r = plan(f, &f->worker, &s, wall(f), 0);
    struct store_run run = r->runs[0], late = run;
    late.attempt++;
    end(f, &late, 0);
    end(f, &run, 1);
    end(f, &run, 0);
    r = runs_of(f, "tick");
    assert_int_equal(r->runs[0].state, STORE_RUN_SUCCEEDED);
    assert_string_equal(r->runs[0].message, "accepted");
    assert_true(r->runs[0].ended_us > 0);
    struct uuid invocation = user_id(7);
    assert_true(uuid_equal(&r->runs[0].invocation, &invocation));
}

static void of_each_schedule_the_newest_runs_stay(void **state)
{
    struct fixture *f = fixture(state);
    save(f, "tick");
    save(f, "rare");
    int64_t now = wall(f);
    struct store_schedule s = get(f, "rare");
    struct store_run rare = plan(f, &f->worker, &s, now, 0)->runs[0];
    end(f, &rare, 1);
    for (int i = 0; i < KEEP + 5; i++) {
        s = get(f, "tick");
        const struct store_result *r = plan(f, &f->worker, &s, now + i, now);
        assert_int_equal(r->n, 1);
        struct store_run run = r->runs[0];
        if (i > 0) /* the first one never ends: it stays */
            end(f, &run, 1);
    }
    assert_int_equal(runs_of(f, "tick")->n, KEEP + 1);
    assert_true(runs_of(f, "tick")->runs[KEEP].fire_us == now);
    assert_int_equal(runs_of(f, "rare")->n, 1);
    struct store_run_filter page = {.name = "tick", .limit = 4};
    const struct store_result *r = CALL(f, store_runs, &page);
    assert_int_equal(r->n, 4);
    assert_true(r->runs[0].fire_us == now + KEEP + 4);
    page.before = r->runs[3].id;
    assert_true(CALL(f, store_runs, &page)->runs[0].fire_us == now + KEEP);
}

/* A worker dies with a run; another one takes over what it may. */
static const struct store_result *die_and_take(struct fixture *f, const struct uuid *dying)
{
    assert_int_equal(CALL(f, store_worker_close, dying)->err, OK);
    const struct store_result *r = CALL(f, store_run_take, &f->worker);
    assert_int_equal(r->err, OK);
    return r;
}

static void the_run_of_a_dead_worker_is_taken_over_a_few_times(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    struct uuid dying = open_worker(f, 60 * SECOND);
    struct store_run run = plan(f, &dying, &s, wall(f), 0)->runs[0];
    /* It lives: nobody takes anything. */
    assert_int_equal(CALL(f, store_run_take, &f->worker)->n, 0);
    assert_int_equal(CALL(f, store_worker_close, &dying)->err, OK);
    for (int attempt = 2; attempt <= STORE_RUN_ATTEMPTS; attempt++) {
        const struct store_result *r = CALL(f, store_run_take, &f->worker);
        assert_int_equal(r->n, 1);
        assert_int_equal(r->runs[0].id, run.id);
        assert_int_equal(r->runs[0].attempt, attempt);
        /* Asked again, it is still its own, under the same attempt. */
        assert_int_equal(CALL(f, store_run_take, &f->worker)->runs[0].attempt, attempt);
        struct uuid next = open_worker(f, 60 * SECOND);
        assert_int_equal(CALL(f, store_worker_close, &f->worker)->err, OK);
        f->worker = next;
    }
    end(f, &run, 0); /* the first one wakes up: too late */
    assert_int_equal(CALL(f, store_run_take, &f->worker)->n, 0);
    const struct store_result *r = runs_of(f, "tick");
    assert_int_equal(r->n, 1);
    assert_int_equal(r->runs[0].state, STORE_RUN_LOST);
    assert_non_null(r->runs[0].message);
}

static void what_skips_the_missed_is_not_taken_over(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save_as(f, "tick", "* * * * *", STORE_MISSED_SKIP);
    struct uuid dying = open_worker(f, 60 * SECOND);
    assert_int_equal(plan(f, &dying, &s, wall(f), 0)->n, 1);
    assert_int_equal(die_and_take(f, &dying)->n, 0);
    assert_int_equal(runs_of(f, "tick")->runs[0].state, STORE_RUN_LOST);
}

static void runs_outlive_their_schedule(void **state)
{
    struct fixture *f = fixture(state);
    struct store_schedule s = save(f, "tick");
    struct store_run run = plan(f, &f->worker, &s, wall(f), 0)->runs[0];
    assert_int_equal(CALL(f, store_schedule_remove, "tick")->count, 1);
    end(f, &run, 1);
    assert_int_equal(runs_of(f, "tick")->n, 1);
    /* Under the same name it is another one: the same time fires again. */
    struct store_schedule again = save(f, "tick");
    assert_int_equal(plan(f, &f->worker, &again, run.fire_us, 0)->n, 1);
}

static void many_plans_at_once(void **state)
{
    struct fixture *f = fixture(state);
    enum { N = 300 };
    struct store_plan plans[N];
    struct store_firing firings[N][2];
    char name[16];
    int64_t now = wall(f);
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        struct store_schedule s = save(f, name);
        firings[i][0] = (struct store_firing){.at_us = now + i};
        firings[i][1] = (struct store_firing){.at_us = now + N + i};
        plans[i] = (struct store_plan){.id = s.id,
                                       .rev = s.rev + (i % 3 == 0), /* every third is stale */
                                       .due_us = now + 60 * SECOND,
                                       .firings = firings[i],
                                       .n = 2};
    }
    const struct store_result *r = CALL(f, store_schedule_plan, &f->worker, plans, N, KEEP);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 400);
    for (size_t i = 0; i < r->n; i++)
        assert_true(strcmp(r->runs[i].name, "s0") != 0);
    assert_int_equal(due(f)->n, 100);
}

const struct CMUnitTest schedule_tests[] = {
    CASE(a_schedule_is_kept_as_it_was_given),
    CASE(the_same_name_changes_the_schedule),
    CASE(a_removed_schedule_is_gone),
    CASE(schedules_are_listed_in_pages),
    CASE(nonsense_is_refused),
    CASE(what_is_not_planned_or_due_is_shown),
    CASE(the_first_plan_is_believed),
    CASE(a_time_is_fired_once_whatever_is_planned),
    CASE(a_changed_or_stopped_schedule_does_not_fire_by_an_old_plan),
    CASE(only_workers_with_a_lease_fire),
    CASE(skipped_firings_and_errors_are_recorded),
    CASE(a_plan_made_far_in_the_future_is_shown_again),
    CASE(reboot_fires_once_at_each_start),
    CASE(a_run_ends_once_under_its_attempt),
    CASE(of_each_schedule_the_newest_runs_stay),
    CASE(the_run_of_a_dead_worker_is_taken_over_a_few_times),
    CASE(what_skips_the_missed_is_not_taken_over),
    CASE(runs_outlive_their_schedule),
    CASE(many_plans_at_once),
};
CASES(schedule_tests);
