/* In: workers that vanish. Out: their jobs run again, no sooner than they should. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#define LEASE (15 * SECOND)

static struct store_claimed claim_as(struct fixture *f, const struct uuid *worker)
{
    struct store_claim c = {.worker = *worker, .max = 1};
    const struct store_result *r = CALL(f, store_claim, &c);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    return r->claimed[0];
}

static const struct store_result *rescue(struct fixture *f, const struct uuid *by)
{
    static const struct uuid nil;
    return CALL(f, store_rescue, by == NULL ? &nil : by);
}

static void renew(struct fixture *f, const struct uuid *worker)
{
    assert_int_equal(CALL(f, store_worker_renew, worker)->err, OK);
}

static void a_lease_that_ran_out_is_rescued_and_its_jobs_run_again(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), dead = open_worker(f, LEASE);
    struct store_claimed c = claim_as(f, &dead);
    open_call_of(f, &c, &dead);
    pass(f, 10 * SECOND);
    renew(f, &f->worker);
    assert_int_equal(rescue(f, &f->worker)->count, 0);
    pass(f, 6 * SECOND);
    renew(f, &f->worker);
    assert_int_equal(rescue(f, &f->worker)->count, 1);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_PENDING);
    assert_int_equal(j->retry_count, 0);
    assert_int_equal(check_one(f, &c), STORE_REPLACED);
    assert_int_equal(CALL(f, store_worker_renew, &dead)->err, ERR_LOST);
    c = claim_one(f);
    assert_int_equal(c.crashes, 1);
    assert_int_equal(c.attempts, 0);
}

static void a_late_renewal_keeps_the_lease_while_nobody_has_taken_it(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct store_claimed c = claim_one(f);
    pass(f, 60 * SECOND);
    renew(f, &f->worker);
    assert_int_equal(check_one(f, &c), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
}

static void a_worker_back_from_an_outage_judges_nobody_for_a_whole_lease(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct uuid other = open_worker(f, LEASE);
    struct store_claimed c = claim_as(f, &other);
    pass(f, 60 * SECOND); /* all leases have run out */
    assert_int_equal(rescue(f, &f->worker)->count, 0);
    renew(f, &f->worker);
    assert_int_equal(rescue(f, &f->worker)->count, 0);
    renew(f, &other); /* it was only slow */
    for (int i = 0; i < 4; i++) {
        pass(f, 5 * SECOND);
        renew(f, &f->worker);
        renew(f, &other);
    }
    assert_int_equal(rescue(f, &f->worker)->count, 0);
    assert_int_equal(check_one(f, &c), STORE_HELD);
    for (int i = 0; i < 4; i++) {
        pass(f, 5 * SECOND);
        renew(f, &f->worker);
    }
    assert_int_equal(rescue(f, &f->worker)->count, 1); /* now it is dead */
}

static void a_young_worker_does_not_rescue(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    claim_one(f);
    pass(f, 60 * SECOND);
    struct uuid young = open_worker(f, LEASE);
    assert_int_equal(rescue(f, &young)->count, 0);
    struct uuid unknown = user_id(3);
    assert_int_equal(rescue(f, &unknown)->err, ERR_LOST);
}

static void closing_a_worker_gives_its_jobs_back(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(CALL(f, store_worker_close, &f->worker)->err, OK);
    assert_int_equal(get_job(f, &id)->status, JOB_PENDING);
    assert_int_equal(check_one(f, &c), STORE_REPLACED);
    f->worker = open_worker(f, LEASE);
    c = claim_one(f);
    assert_int_equal(c.crashes, 0);
    assert_int_equal(c.attempts, 0);
}

static void a_restart_takes_everything_of_the_engine_before(void **state)
{
    struct fixture *f = fixture(state);
    if (f->plug->shared) {
        assert_int_equal(rescue(f, NULL)->count, 0);
        return;
    }
    add_job(f, 1);
    add_job(f, 2);
    const struct store_result *r = claim(f, 2, 0);
    for (size_t i = 0; i < 2; i++)
        open_call_of(f, &r->claimed[i], &f->worker);
    store_free(f->store);
    f->store = f->plug->open(f->db, f->loop, true);
    f->worker = open_worker(f, LEASE);
    assert_int_equal(rescue(f, NULL)->count, 2);
    struct store_claimed c = claim_one(f); /* its own lease still holds */
    assert_int_equal(c.crashes, 1);
    assert_int_equal(rescue(f, NULL)->count, 0);
    assert_int_equal(check_one(f, &c), STORE_HELD);
}

static struct store_claimed crash_once(struct fixture *f)
{
    struct uuid worker = open_worker(f, LEASE);
    struct store_claimed c = claim_as(f, &worker);
    open_call_of(f, &c, &worker);
    pass(f, 16 * SECOND);
    return c;
}

/* Our own worker is alive all the while and rescues in the end. */
static const struct store_result *outlive(struct fixture *f)
{
    renew(f, &f->worker);
    pass(f, 14 * SECOND);
    renew(f, &f->worker);
    pass(f, 2 * SECOND);
    return rescue(f, &f->worker);
}

static void pass_alive(struct fixture *f, int64_t us)
{
    for (; us > 0; us -= 10 * SECOND) {
        pass(f, 10 * SECOND);
        renew(f, &f->worker);
    }
}

/* Due at once after the first crash; then after 10 to 20, 20 to 40 and 40 to 80 s. */
static void five_crashes_in_a_call_without_progress_fail_the_job(void **state)
{
    struct fixture *f = fixture(state);
    static const int64_t least[] = {0, 0, 10, 20, 40};
    struct uuid id = add_job(f, 1);
    for (int i = 1; i <= JOB_CRASHES_MAX; i++) {
        renew(f, &f->worker);
        int64_t fence = crash_once(f).fence;
        const struct store_result *r = outlive(f);
        assert_int_equal(r->count, i < JOB_CRASHES_MAX ? 1 : 0);
        assert_int_equal(r->failed, i < JOB_CRASHES_MAX ? 0 : 1);
        if (i == JOB_CRASHES_MAX)
            break;
        int64_t wait = least[i] * SECOND + least[i] * SECOND / 16 * (fence % 16);
        int64_t left = get_job(f, &id)->run_at_us - wall(f);
        assert_true(left <= wait && left > wait - SECOND);
        pass_alive(f, wait);
    }
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_FAILED);
    assert_non_null(strstr(j->error_message, "5 times"));
    assert_false(j->queued);
}

/* It waited, or was between two calls: it cannot be what killed the worker. */
static void crashes_outside_a_call_count_for_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    for (int i = 0; i <= 2 * JOB_CRASHES_MAX; i++) {
        struct uuid worker = open_worker(f, LEASE);
        struct store_claimed c = claim_as(f, &worker);
        assert_int_equal(c.crashes, 0);
        struct store_call_end end = {.id = open_call_of(f, &c, &worker), .state = CALL_UNBILLED};
        assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
        open_call_of(f, &c, &f->worker); /* another worker's call of it: not this death's */
        assert_int_equal(outlive(f)->count, 1);
        assert_int_equal(get_job(f, &id)->status, JOB_PENDING);
    }
}

static void saved_text_lets_the_crash_count_start_over(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    for (int i = 1; i <= 2 * JOB_CRASHES_MAX; i++) {
        renew(f, &f->worker);
        struct store_claimed c = crash_once(f);
        assert_int_equal(c.crashes, i == 1 ? 0 : 1);
        struct store_progress p = {.job = c.id,
                                   .fence = c.fence,
                                   .text_step = "a",
                                   .text_hash = "h",
                                   .text = "x",
                                   .text_len = 1};
        assert_int_equal(CALL(f, store_progress, &p, 1)->lost[0], STORE_HELD);
        assert_int_equal(outlive(f)->count, 1);
    }
}

/* 1000 tokens in at $3; 80 seen + 140 ms unseen (half of two ticks, and the way) at 100 tokens/s
 * = 94 out at $15. */
static void the_open_calls_of_the_dead_are_closed_as_estimates(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), dead = open_worker(f, LEASE);
    struct store_claimed c = claim_as(f, &dead);
    struct uuid call = open_call_of(f, &c, &dead);
    struct store_progress p = {
        .job = id, .fence = c.fence, .call = call, .output_tokens = 80, .tokens_per_second = 100};
    assert_int_equal(CALL(f, store_progress, &p, 1)->lost[0], STORE_HELD);
    pass(f, 14 * SECOND);
    renew(f, &f->worker);
    pass(f, 2 * SECOND);
    assert_int_equal(rescue(f, &f->worker)->count, 1);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->calls_estimated, 1);
    assert_int_equal(s->usage.input, 1000);
    assert_int_equal(s->usage.output, 94);
    assert_int_equal(s->cost_udollar, 3000 + 15 * 94);
}

/* The fixture's own worker is the first; a renewal moves the end of a lease, a rescue ends it. */
static const char *fact(const struct store_result *r, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->facts[i].name, name) == 0)
            value = r->facts[i].value;
    return value;
}

static void what_is_wrong_with_the_database_is_seen(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid running = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    const struct store_result *r = CALL0(f, store_examine);
    assert_int_equal(r->err, OK);
    assert_null(fact(r, "triggers_off"));
    assert_string_equal(fact(r, "unqueued_jobs"), "0");
    assert_string_equal(fact(r, "leases_expired"), "0");
    assert_string_equal(fact(r, "stuck_jobs"), "0");
    assert_null(fact(r, "stuck_job"));
    assert_null(fact(r, "foreign_since_us"));
    int64_t now = f->plug->now != NULL ? f->plug->now(f->db, f->loop) : loop_wall(f->loop);
    int64_t told = strtoll(fact(r, "now_us"), NULL, 10);
    assert_true(told > now - 60 * SECOND && told < now + 60 * SECOND);

    /* A job in work of which nobody has heard, its worker dead; a row that somebody else took. */
    struct uuid taken = add_job(f, 2);
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'processing' WHERE id = '%s'", &taken));
    f->plug->pass(f->db, f->loop, 601 * SECOND);
    r = CALL0(f, store_examine);
    char id[UUID_TEXT_SIZE];
    assert_string_equal(fact(r, "stuck_jobs"), "1");
    assert_string_equal(fact(r, "stuck_job"), uuid_text(&c.id, id));
    assert_true(uuid_equal(&c.id, &running));
    assert_string_equal(fact(r, "leases_expired"), "1");
    assert_non_null(fact(r, "foreign_since_us"));
}

static void workers_are_listed_with_what_they_run_until_they_are_dead(void **state)
{
    struct fixture *f = fixture(state);
    pass(f, SECOND);
    int64_t opened = wall(f);
    struct uuid other = open_worker(f, LEASE);
    add_job(f, 1);
    add_job(f, 2);
    (void)claim_as(f, &other);
    (void)claim_as(f, &other);
    pass(f, 10 * SECOND);
    renew(f, &f->worker);
    const struct store_result *r = CALL0(f, store_workers);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 2);
    assert_true(uuid_equal(&r->workers[0].id, &f->worker));
    assert_int_equal(r->workers[0].running, 0);
    assert_int_equal(r->workers[0].held_since_us, opened - SECOND);
    assert_int_equal(r->workers[0].expires_us, opened + 10 * SECOND + LEASE);
    assert_true(uuid_equal(&r->workers[1].id, &other));
    assert_int_equal(r->workers[1].running, 2);
    assert_int_equal(r->workers[1].held_since_us, opened);
    assert_int_equal(r->workers[1].expires_us, opened + LEASE);
    pass(f, 6 * SECOND);
    renew(f, &f->worker);
    assert_int_equal(rescue(f, &f->worker)->count, 2);
    r = CALL0(f, store_workers);
    assert_int_equal(r->n, 1);
    assert_true(uuid_equal(&r->workers[0].id, &f->worker));
}

static void a_process_that_is_alone_has_all_of_a_limit(void **state)
{
    struct fixture *f = fixture(state);
    struct store_budget_ask asks[2] = {
        {.rate_class = "sonnet",
         .wanted = {900, 100, 0},
         .limit = {600, 0, 0},
         .told_us = -1,
         .cut_us = -1},
        {.rate_class = "opus", .wanted = {1, 1, 1}, .told_us = -1, .cut_us = -1},
    };
    const struct store_result *r = CALL(f, store_budget, &f->worker, asks, 2);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 2);
    assert_true(r->budgets[0].part[0] == 600 || r->budgets[0].part[0] == -1);
    for (int i = 1; i < STORE_LIMITS; i++) /* of which nobody knows */
        assert_int_equal(r->budgets[0].part[i], -1);
    assert_int_equal(r->budgets[0].limit[0], 600);
    assert_int_equal(r->budgets[1].part[0], -1);
    assert_int_equal(r->budgets[1].cut_us, -1);
    assert_int_equal(r->budgets[1].frozen_us[0], 0);
}

const struct CMUnitTest worker_tests[] = {
    CASE(a_lease_that_ran_out_is_rescued_and_its_jobs_run_again),
    CASE(a_late_renewal_keeps_the_lease_while_nobody_has_taken_it),
    CASE(a_worker_back_from_an_outage_judges_nobody_for_a_whole_lease),
    CASE(a_young_worker_does_not_rescue),
    CASE(closing_a_worker_gives_its_jobs_back),
    CASE(a_restart_takes_everything_of_the_engine_before),
    CASE(five_crashes_in_a_call_without_progress_fail_the_job),
    CASE(crashes_outside_a_call_count_for_nothing),
    CASE(saved_text_lets_the_crash_count_start_over),
    CASE(the_open_calls_of_the_dead_are_closed_as_estimates),
    CASE(a_process_that_is_alone_has_all_of_a_limit),
    CASE(workers_are_listed_with_what_they_run_until_they_are_dead),
    CASE(what_is_wrong_with_the_database_is_seen),
};
CASES(worker_tests);
