/* In: changes to how the whole is run. Out: whether every driver keeps, tells and undoes them. */
#include "conformance.h"

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

const struct CMUnitTest control_tests[] = {
    CASE(schedules_follow_the_workers_and_come_back),
    CASE(what_nobody_has_set_is_not_scaled),
    CASE(every_change_is_undone_in_turn),
    CASE(a_concurrency_never_set_is_the_fallback),
    CASE(senseless_scales_are_refused),
    CASE(a_worker_knows_its_place_among_those_alive),
    CASE(a_look_counts_what_is_due_and_runs),
};
CASES(control_tests);
