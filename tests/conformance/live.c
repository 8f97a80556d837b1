/* In: jobs that run, wait and have ended, whoever saw to it. Out: who looks at all of them is told
 * of each, and what has ended is told by when it ended, not by when it was made. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>

#define SET(status) "UPDATE script_generation_jobs SET status = '" status "' WHERE id = '%s'"

static const struct store_result *look(struct fixture *f, int user, size_t most)
{
    struct store_live ask = {
        .since_us = wall(f) - 60 * SECOND, .running = most, .waiting = most, .ended = most};
    if (user >= 0)
        ask.user_id = user_id(user);
    const struct store_result *r = CALL(f, store_live, &ask);
    assert_int_equal(r->err, OK);
    return r;
}

static size_t count(const struct store_result *r, const struct uuid *id, enum job_status status)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += uuid_equal(&r->live[i].id, id) && r->live[i].status == status;
    return n;
}

static size_t count_all(const struct store_result *r, enum job_status status)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->live[i].status == status;
    return n;
}

static void all_that_live_and_have_ended_are_told(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid completed = add_job(f, 1), failed = add_job(f, 1), running = add_job(f, 1);
    const struct store_result *claimed = claim(f, 3, 0);
    for (size_t i = 0; i < 3; i++) {
        const struct store_claimed *c = &claimed->claimed[i];
        if (!uuid_equal(&c->id, &running))
            assert_int_equal(
                finish_one(f, c, uuid_equal(&c->id, &failed) ? STORE_FAIL : STORE_COMPLETE),
                STORE_HELD);
    }
    struct uuid cancelled = add_job(f, 2), waiting = add_job(f, 2), foreign = add_job(f, 2);
    struct uuid deleted = add_job(f, 2), later = add_job_at(f, 2, 5, wall(f) + 600 * SECOND);
    assert_true(raw(f, SET("cancelled"), &cancelled)); /* and no time */
    assert_true(raw(f, SET("processing"), &foreign));
    assert_true(raw(f, "DELETE FROM script_generation_jobs WHERE id = '%s'", &deleted));
    const struct store_result *r = look(f, -1, 100);
    assert_int_equal(count(r, &completed, JOB_COMPLETED), 1);
    assert_int_equal(count(r, &failed, JOB_FAILED), 1);
    assert_int_equal(count(r, &running, JOB_PROCESSING), 1);
    assert_int_equal(count(r, &cancelled, JOB_CANCELLED), 1);
    assert_int_equal(count(r, &waiting, JOB_PENDING), 1);
    assert_int_equal(count(r, &later, JOB_PENDING), 1);
    assert_int_equal(count(r, &foreign, JOB_PROCESSING), 1);
    assert_int_equal(r->n, 7);
    for (size_t i = 0; i < r->n; i++) {
        bool lives = r->live[i].status == JOB_PENDING || r->live[i].status == JOB_PROCESSING;
        assert_true(lives == (r->live[i].ended_us == 0));
        assert_true(lives || llabs(wall(f) - r->live[i].ended_us) < 60 * SECOND);
    }
    assert_int_equal(look(f, 1, 100)->n, 3);
    assert_int_equal(look(f, 2, 100)->n, 4);
    assert_int_equal(look(f, 3, 100)->n, 0);
}

static void what_is_run_again_is_not_told_as_ended(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(raw(f, SET("cancelled"), &id));
        assert_true(raw(f, SET("pending"), &id));
    }
    const struct store_result *r = look(f, -1, 100);
    assert_int_equal(r->n, 1);
    assert_int_equal(count(r, &id, JOB_PENDING), 1);
}

static void an_old_end_and_a_new_one(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid old = add_job(f, 1), fresh = add_job(f, 1);
    assert_true(raw(f, SET("cancelled"), &old));
    assert_true(raw(f, SET("failed"), &fresh));
    struct store_live ask = {.since_us = wall(f) + 3600 * SECOND, .ended = 10};
    assert_int_equal(CALL(f, store_live, &ask)->n, 0);
    ask = (struct store_live){.since_us = wall(f) - 60 * SECOND, .ended = 1};
    const struct store_result *r = CALL(f, store_live, &ask);
    assert_int_equal(r->n, 1);
    assert_int_equal(count(r, &old, JOB_CANCELLED), 1); /* the first to end, and then ... */
    assert_int_equal(r->count, 0);
    ask.since_us = r->live[0].ended_us;
    ask.after = r->live[0].id;
    ask.ended = 10;
    r = CALL(f, store_live, &ask);
    assert_int_equal(r->n, 1);
    assert_int_equal(count(r, &fresh, JOB_FAILED), 1);
}

/* Of many that wait: those that are next, and those that are last, none twice. */
static void a_long_line_is_told_from_both_its_ends(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid last = {{0}};
    for (int i = 0; i < 30; i++)
        last = add_job(f, 1);
    struct uuid next = add_job_at(f, 2, 9, 0);
    const struct store_result *r = look(f, -1, 10);
    assert_in_range(count_all(r, JOB_PENDING), 9, 10); /* one may be both */
    assert_int_equal(count(r, &next, JOB_PENDING), 1);
    assert_int_equal(count(r, &last, JOB_PENDING), 1);
    r = look(f, 1, 10);
    assert_int_equal(count_all(r, JOB_PENDING), 10);
    assert_int_equal(count(r, &last, JOB_PENDING), 1);
    assert_int_equal(look(f, 1, 100)->n, 30);
    assert_int_equal(CALL(f, store_live, &(struct store_live){.running = 1001})->err, ERR_INVALID);
}

const struct CMUnitTest live_tests[] = {
    CASE(all_that_live_and_have_ended_are_told),
    CASE(what_is_run_again_is_not_told_as_ended),
    CASE(an_old_end_and_a_new_one),
    CASE(a_long_line_is_told_from_both_its_ends),
};
CASES(live_tests);
