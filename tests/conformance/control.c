/* In: changes to how the whole is run. Out: whether every driver keeps, tells and undoes them. */
#include "conformance.h"
#include "store/store_history.h"
#include "store/store_schedules.h"

#include <stdio.h>
#include <string.h>

static struct store_scale look(struct fixture *f)
{
    const struct store_result *r = CALL(f, store_scale_get, &f->worker, true);
    assert_int_equal(r->err, OK);
    return *r->scale;
}

static void change(struct fixture *f, int workers, int concurrency)
{
    struct store_scale_change c = {.workers = workers, .concurrency = concurrency, .fallback = 7};
    const struct store_result *r = CALL(f, store_scale, &c);
    assert_int_equal(r->err, OK);
}

static void is_scaled(struct fixture *f, int workers, int concurrency, bool can_undo)
{
    struct store_scale s = look(f);
    assert_int_equal(s.workers, workers);
    assert_int_equal(s.concurrency, concurrency);
    assert_int_equal(s.can_undo, can_undo);
}

static void what_nobody_has_set_is_not_scaled(void **state)
{
    struct fixture *f = fixture(state);
    is_scaled(f, 0, 0, false);
    assert_int_equal(
        CALL(f, store_scale, &(struct store_scale_change){.undo = true, .fallback = 1})->err,
        ERR_INVALID);
}

static void every_change_is_undone_in_turn(void **state)
{
    struct fixture *f = fixture(state);
    change(f, 0, 5); /* one worker, as there is no schedule */
    is_scaled(f, 1, 5, true);
    change(f, 3, 0);
    is_scaled(f, 3, 5, true);
    change(f, 5, 5);
    is_scaled(f, 5, 5, true);
    static const struct store_scale_change undo = {.undo = true, .fallback = 7};
    assert_int_equal(CALL(f, store_scale, &undo)->err, OK);
    is_scaled(f, 3, 5, true);
    assert_int_equal(CALL(f, store_scale, &undo)->err, OK);
    is_scaled(f, 1, 5, true);
    assert_int_equal(CALL(f, store_scale, &undo)->err, OK);
    is_scaled(f, 0, 0, false);
}

static void a_concurrency_never_set_is_the_fallback(void **state)
{
    struct fixture *f = fixture(state);
    change(f, 4, 0);
    is_scaled(f, 4, 7, true);
    for (int i = 0; i < 9; i++)
        add_job(f, i);
    struct store_claim c = {.worker = f->worker, .max = 100, .label = "w", .label_cap = 2};
    assert_int_equal(CALL(f, store_claim, &c)->n, 7); /* stands above the caller's */
}

static void senseless_scales_are_refused(void **state)
{
    struct fixture *f = fixture(state);
    static const struct store_scale_change bad[] = {
        {.workers = -1, .fallback = 1},
        {.workers = STORE_SCALE_MAX + 1, .fallback = 1},
        {.concurrency = STORE_SCALE_MAX + 1, .fallback = 1},
        {.workers = 1, .concurrency = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(CALL(f, store_scale, &bad[i])->err, ERR_INVALID);
    is_scaled(f, 0, 0, false);
}

static void a_worker_knows_its_place_among_those_alive(void **state)
{
    struct fixture *f = fixture(state);
    struct store_scale s = look(f);
    assert_int_equal(s.processes, 1);
    assert_int_equal(s.place, 1);
    struct uuid second = open_worker(f, 60 * SECOND);
    s = *CALL(f, store_scale_get, &second, false)->scale;
    assert_int_equal(s.processes, 2);
    int place = look(f).place;
    assert_int_equal(place + s.place, 3); /* 1 and 2 */
    assert_int_equal(CALL(f, store_scale_get, &(struct uuid){0}, false)->scale->place, 0);
    pass(f, 30 * SECOND); /* the first one's lease runs out */
    s = *CALL(f, store_scale_get, &second, false)->scale;
    assert_int_equal(s.processes, 1);
    assert_int_equal(s.place, 1);
}

static void a_look_counts_what_is_due_and_runs(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 4; i++)
        add_job(f, i);
    (void)add_job_at(f, 5, 5, wall(f) + 100 * SECOND);
    (void)claim_one(f);
    struct store_scale s = look(f);
    assert_true(s.due == 3 && s.running == 1);
    assert_false(s.paused);
    assert_int_equal(CALL(f, store_setting_set, "paused", "on")->err, OK);
    assert_true(look(f).paused);
}

/* ---- schedules that drive workers ---- */

static void schedule(struct fixture *f, const char *name, const char *label)
{
    struct store_schedule s = {
        .name = name, .expr = "*/2 * * * *", .label = label, .missed_max = 1, .active = true};
    assert_int_equal(CALL(f, store_schedule_save, &s)->err, OK);
}

/* "name=label ..." of all, in order of name. */
static void schedules_are(struct fixture *f, const char *want)
{
    struct store_schedule_filter filter = {.limit = 100};
    const struct store_result *r = CALL(f, store_schedule_list, &filter);
    char got[1024] = "";
    size_t used = 0, last = r->n;
    assert_int_equal(r->err, OK);
    for (size_t done = 0; done < r->n; done++) {
        size_t least = r->n;
        for (size_t i = 0; i < r->n; i++) {
            const char *name = r->schedules[i].name;
            if ((last == r->n || strcmp(name, r->schedules[last].name) > 0) &&
                (least == r->n || strcmp(name, r->schedules[least].name) < 0))
                least = i;
        }
        last = least;
        const struct store_schedule *s = &r->schedules[least];
        assert_string_equal(s->expr, "*/2 * * * *");
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s=%s", done > 0 ? " " : "",
                                 s->name, s->label != NULL ? s->label : "-");
    }
    assert_string_equal(got, want);
}

#define W(n, label) "process-script-jobs-worker-" #n "=" label

static void schedules_follow_the_workers_and_come_back(void **state)
{
    struct fixture *f = fixture(state);
    static const struct store_scale_change undo = {.undo = true, .fallback = 3};
    schedule(f, "process-script-generation-jobs", NULL);
    schedule(f, "another", "worker-9");
    change(f, 3, 3);
    assert_int_equal(look(f).schedules, 3);
    schedules_are(f,
                  "another=worker-9 " W(1, "worker-1") " " W(2, "worker-2") " " W(3, "worker-3"));
    schedule(f, "process-script-jobs-worker-1", "first7");
    change(f, 2, 0);
    change(f, 4, 0);
    schedules_are(f, "another=worker-9 " W(1, "first7") " " W(2, "worker-2") " " W(
                         3, "first3") " " W(4, "first4"));
    change(f, 1, 1);
    schedules_are(f, "another=worker-9 process-script-generation-jobs=first7");
    for (int i = 0; i < 3; i++)
        assert_int_equal(CALL(f, store_scale, &undo)->err, OK);
    schedules_are(f, "another=worker-9 " W(1, "first7") " " W(2, "worker-2") " " W(3, "worker-3"));
    assert_int_equal(CALL(f, store_scale, &undo)->err, OK);
    schedules_are(f, "another=worker-9 process-script-generation-jobs=-");
}

/* ---- what goes ---- */

#define AGE(seconds)                                                                               \
    {                                                                                              \
        [JOB_COMPLETED] = (seconds)*SECOND                                                         \
    }

static struct store_claimed complete_one(struct fixture *f, int user)
{
    (void)add_job(f, user);
    struct store_claimed c = claim_one(f);
    struct store_step step = {.key = "outline", .input_hash = "h", .output = "a secret plan"};
    struct store_held held = {c.id, c.fence};
    struct uuid call = open_call_of(f, &c, &f->worker);
    struct store_call_end end = {.id = call,
                                 .state = CALL_EXACT,
                                 .usage = {.input = 10, .output = 20},
                                 .cost_udollar = 330,
                                 .error = "a secret"};
    assert_int_equal(CALL(f, store_step_save, &held, 1, &step, &end)->err, OK);
    struct store_line line = {
        .at_us = 1, .job = c.id, .level = "info", .event = "step", .message = "secret"};
    assert_int_equal(CALL(f, store_log_add, &line, 1, 1000)->err, OK);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    return c;
}

static size_t steps_of(struct fixture *f, const struct uuid *job)
{
    const struct store_result *r = CALL(f, store_steps, job, 1);
    assert_int_equal(r->err, OK);
    return r->n;
}

static size_t lines_of(struct fixture *f, const struct uuid *job)
{
    return CALL(f, store_log, &(struct store_log_filter){.job = *job, .limit = 100})->n;
}

/* Rounds until the end was reached; the number of jobs changed. */
static int64_t sweep(struct fixture *f, struct store_sweep want)
{
    int64_t n = 0;
    for (bool more = true; more;) {
        const struct store_result *r = CALL(f, store_sweep, &want);
        assert_int_equal(r->err, OK);
        n += r->count;
        more = r->due_left;
    }
    return n;
}

static void only_what_is_older_loses_its_texts_and_money_stays(void **state)
{
    struct fixture *f = fixture(state);
    struct store_claimed old[5];
    for (int i = 0; i < 5; i++)
        old[i] = complete_one(f, i);
    pass(f, 10 * SECOND);
    struct store_claimed young = complete_one(f, 7);
    struct uuid waiting = add_job(f, 8);
    int64_t cost = CALL0(f, store_stats)->stats->cost_udollar;
    assert_true(cost == 6 * 330);
    assert_true(sweep(f, (struct store_sweep){.look = 2}) == 0); /* off */
    assert_true(sweep(f, (struct store_sweep){.age_us = AGE(5), .look = 2}) == 5);
    assert_true(sweep(f, (struct store_sweep){.age_us = AGE(5), .look = 2}) == 0);
    for (int i = 0; i < 5; i++) {
        const struct store_job *j = get_job(f, &old[i].id);
        assert_int_equal(j->status, JOB_COMPLETED);
        assert_null(j->params);
        assert_null(j->script);
        assert_true(j->cost_udollar == 330);
        assert_int_equal(steps_of(f, &old[i].id), 0);
        assert_int_equal(lines_of(f, &old[i].id), 0);
    }
    assert_non_null(get_job(f, &young.id)->script);
    assert_int_equal(steps_of(f, &young.id), 1);
    assert_int_equal(get_job(f, &waiting)->status, JOB_PENDING);
    assert_true(sweep(f, (struct store_sweep){.age_us = AGE(5), .rows = true, .look = 3}) == 5);
    assert_int_equal(CALL(f, store_get, &old[0].id)->err, ERR_NOT_FOUND);
    assert_true(CALL0(f, store_stats)->stats->cost_udollar == cost);
}

static void a_key_lives_as_long_as_its_job(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[4];
    for (int i = 0; i < 4; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        struct store_new_job j = {
            .user_id = user_id(i % 2), .params = "{}", .idempotency_key = key};
        ids[i] = CALL(f, store_insert, &j, 1)->inserted[0].id;
    }
    assert_int_equal(CALL(f, store_delete, &ids[1])->err, OK);
    assert_int_equal(CALL(f, store_delete, &ids[2])->err, OK);
    pass(f, 7200 * SECOND);
    (void)sweep(f, (struct store_sweep){.look = 1});
    for (int i = 0; i < 4; i++)
        (void)sweep(f, (struct store_sweep){.look = 1});
    struct store_erase e = {.user = user_id(0), .look = 10};
    assert_true(CALL(f, store_erase, &e)->erased->keys == 1);
    e.user = user_id(1);
    assert_true(CALL(f, store_erase, &e)->erased->keys == 1);
}

static void one_user_is_erased_and_nobody_else(void **state)
{
    struct fixture *f = fixture(state);
    struct store_claimed mine[3];
    for (int i = 0; i < 3; i++)
        mine[i] = complete_one(f, 1);
    struct store_claimed other = complete_one(f, 2);
    (void)add_job(f, 1);
    struct store_claimed running = claim_one(f);
    struct uuid waiting = add_job(f, 1);
    int64_t cost = CALL0(f, store_stats)->stats->cost_udollar;
    struct store_erase want = {.user = user_id(1), .look = 2};
    struct store_erased sum = {0};
    do {
        const struct store_erased *part = CALL(f, store_erase, &want)->erased;
        assert_non_null(part);
        sum.cancelled += part->cancelled;
        sum.jobs += part->jobs;
        sum.steps += part->steps;
        sum.lines += part->lines;
        want.after = part->last;
    } while (!uuid_is_nil(&want.after));
    assert_true(sum.cancelled == 2 && sum.jobs == 5 && sum.steps == 3 && sum.lines == 3);
    assert_int_equal(check_one(f, &running), STORE_CANCELLED);
    assert_int_equal(finish_one(f, &running, STORE_COMPLETE), STORE_CANCELLED);
    const struct uuid *all[] = {&mine[0].id, &mine[1].id, &mine[2].id, &running.id, &waiting};
    for (size_t i = 0; i < 5; i++) {
        const struct store_job *j = get_job(f, all[i]);
        assert_null(j->params);
        assert_null(j->script);
        assert_null(j->metadata);
        assert_int_equal(steps_of(f, all[i]), 0);
        assert_int_equal(lines_of(f, all[i]), 0);
    }
    assert_non_null(get_job(f, &other.id)->script);
    assert_int_equal(steps_of(f, &other.id), 1);
    assert_true(CALL0(f, store_stats)->stats->cost_udollar == cost);
    assert_true(get_job(f, &mine[0].id)->cost_udollar == 330);
}

const struct CMUnitTest control_tests[] = {
    CASE(only_what_is_older_loses_its_texts_and_money_stays),
    CASE(a_key_lives_as_long_as_its_job),
    CASE(one_user_is_erased_and_nobody_else),
    CASE(schedules_follow_the_workers_and_come_back),
    CASE(what_nobody_has_set_is_not_scaled),
    CASE(every_change_is_undone_in_turn),
    CASE(a_concurrency_never_set_is_the_fallback),
    CASE(senseless_scales_are_refused),
    CASE(a_worker_knows_its_place_among_those_alive),
    CASE(a_look_counts_what_is_due_and_runs),
};
CASES(control_tests);
