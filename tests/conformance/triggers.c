/* In: rows written by clients, in every state a job can be in. Out: the queue in step, as the
 * trigger table of the contract says, and late results that change nothing. */
#include "conformance.h"

#include <stdio.h>
#include <string.h>

#define SET(status) "UPDATE script_generation_jobs SET status = '" status "' WHERE id = '%s'"

/* A job brought into a state, and the attempt that runs it, if one does. */
struct subject {
    struct uuid id;
    struct store_claimed claimed; /* fence 0 = it never ran */
};

static struct subject bring(struct fixture *f, enum job_state state)
{
    struct subject s = {.id = add_job(f, 1)};
    if (state == STATE_WAITING)
        return s;
    if (state == STATE_FOREIGN) {
        assert_true(raw(f, SET("processing"), &s.id));
        return s;
    }
    s.claimed = claim_one(f);
    assert_true(uuid_equal(&s.claimed.id, &s.id));
    if (state == STATE_COMPLETED)
        assert_int_equal(finish_one(f, &s.claimed, STORE_COMPLETE), STORE_HELD);
    if (state == STATE_FAILED)
        assert_int_equal(finish_one(f, &s.claimed, STORE_FAIL), STORE_HELD);
    if (state == STATE_CANCELLED)
        assert_true(raw(f, SET("cancelled"), &s.id));
    if (state == STATE_ABSENT)
        assert_true(raw(f, "DELETE FROM script_generation_jobs WHERE id = '%s'", &s.id));
    return s;
}

static enum job_state state_of(struct fixture *f, const struct uuid *id)
{
    const struct store_job *j = get_job(f, id);
    if (j == NULL)
        return STATE_ABSENT;
    switch (j->status) {
    case JOB_PENDING:
        assert_true(j->queued);
        return STATE_WAITING;
    case JOB_PROCESSING:
        return j->queued ? STATE_RUNNING : STATE_FOREIGN;
    case JOB_COMPLETED:
        assert_false(j->queued);
        return STATE_COMPLETED;
    case JOB_FAILED:
        assert_false(j->queued);
        return STATE_FAILED;
    case JOB_CANCELLED:
    case JOB_STATUS_MAX:
        break;
    }
    assert_false(j->queued);
    return STATE_CANCELLED;
}

static const enum job_state all_states[] = {STATE_WAITING,   STATE_RUNNING, STATE_FOREIGN,
                                            STATE_COMPLETED, STATE_FAILED,  STATE_CANCELLED};
#define STATES (sizeof all_states / sizeof all_states[0])

/* What a late attempt finds, and that its result changes nothing. */
static void assert_fenced_off(struct fixture *f, const struct subject *s, enum store_lost why)
{
    if (s->claimed.fence == 0)
        return;
    enum job_state before = state_of(f, &s->id);
    assert_int_equal(check_one(f, &s->claimed), why);
    assert_int_equal(finish_one(f, &s->claimed, STORE_COMPLETE), why);
    assert_int_equal(finish_one(f, &s->claimed, STORE_RETRY), why);
    assert_int_equal(finish_one(f, &s->claimed, STORE_RELEASE), why);
    assert_int_equal(finish_one(f, &s->claimed, STORE_FAIL), why);
    assert_int_equal(state_of(f, &s->id), before);
    const struct store_job *j = get_job(f, &s->id);
    if (j != NULL && j->status != JOB_COMPLETED)
        assert_null(j->script);
}

static void a_client_may_cancel_in_any_state(void **state)
{
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < STATES; i++) {
        struct subject s = bring(f, all_states[i]);
        assert_true(raw(f, SET("cancelled"), &s.id));
        assert_int_equal(state_of(f, &s.id), STATE_CANCELLED);
        if (all_states[i] == STATE_RUNNING)
            assert_fenced_off(f, &s, STORE_CANCELLED);
        assert_int_equal(claim(f, 5, 0)->n, 0);
    }
}

static void a_client_may_run_a_job_again_in_any_state(void **state)
{
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < STATES; i++) {
        struct subject s = bring(f, all_states[i]);
        assert_true(raw(f, SET("pending"), &s.id));
        assert_int_equal(state_of(f, &s.id), STATE_WAITING);
        if (all_states[i] == STATE_RUNNING)
            assert_fenced_off(f, &s, STORE_REPLACED);
        struct store_claimed again = claim_one(f);
        assert_true(uuid_equal(&again.id, &s.id));
        assert_true(again.fence > s.claimed.fence);
        assert_int_equal(again.attempts, 0);
        assert_int_equal(again.run, all_states[i] == STATE_COMPLETED ? 2 : 1);
        assert_int_equal(finish_one(f, &again, STORE_COMPLETE), STORE_HELD);
    }
}

static void a_client_may_delete_in_any_state(void **state)
{
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < STATES; i++) {
        struct subject s = bring(f, all_states[i]);
        assert_true(raw(f, "DELETE FROM script_generation_jobs WHERE id = '%s'", &s.id));
        assert_int_equal(state_of(f, &s.id), STATE_ABSENT);
        if (all_states[i] == STATE_RUNNING)
            assert_fenced_off(f, &s, STORE_DELETED);
        assert_int_equal(claim(f, 5, 0)->n, 0);
    }
    const struct store_stats *st = CALL0(f, store_stats)->stats;
    assert_int_equal(st->due + st->running + st->delayed + st->foreign, 0);
}

static void a_client_may_end_a_job_in_any_state(void **state)
{
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < STATES; i++) {
        struct subject s = bring(f, all_states[i]), t = bring(f, all_states[i]);
        assert_true(raw(f, SET("completed"), &s.id));
        assert_int_equal(state_of(f, &s.id), STATE_COMPLETED);
        assert_true(raw(f, SET("failed"), &t.id));
        assert_int_equal(state_of(f, &t.id), STATE_FAILED);
        if (all_states[i] == STATE_RUNNING) {
            assert_int_equal(check_one(f, &s.claimed), STORE_REPLACED);
            assert_fenced_off(f, &t, STORE_REPLACED);
        }
        assert_int_equal(claim(f, 5, 0)->n, 0);
    }
}

static void a_foreign_worker_takes_waiting_and_ended_jobs_but_not_running_ones(void **state)
{
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < STATES; i++) {
        struct subject s = bring(f, all_states[i]);
        assert_true(raw(f, SET("processing"), &s.id));
        if (all_states[i] == STATE_RUNNING) {
            assert_int_equal(state_of(f, &s.id), STATE_RUNNING);
            assert_int_equal(finish_one(f, &s.claimed, STORE_COMPLETE), STORE_HELD);
            continue;
        }
        assert_int_equal(state_of(f, &s.id), STATE_FOREIGN);
        assert_int_equal(claim(f, 5, 0)->n, 0);
    }
    assert_int_equal(CALL0(f, store_stats)->stats->foreign, (int)STATES - 1);
}

static void foreign_jobs_come_back_only_when_asked_for_and_old_enough(void **state)
{
    struct fixture *f = fixture(state);
    struct subject s = bring(f, STATE_FOREIGN);
    pass(f, 10 * SECOND);
    assert_int_equal(CALL(f, store_rescue_foreign, 30 * SECOND)->count, 0);
    assert_int_equal(claim(f, 5, 0)->n, 0);
    pass(f, 30 * SECOND);
    assert_int_equal(CALL(f, store_rescue_foreign, 30 * SECOND)->count, 1);
    assert_int_equal(state_of(f, &s.id), STATE_WAITING);
    assert_int_equal(CALL(f, store_rescue_foreign, 0)->count, 0);
    assert_int_equal(CALL0(f, store_stats)->stats->foreign, 0);
}

#define A_USER "'01900000-0000-7000-8000-000000000001'"

static void a_client_inserts_a_row_with_nothing_but_a_user(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(raw(f, "INSERT INTO script_generation_jobs (user_id) VALUES (" A_USER ")", NULL));
    struct store_claimed c = claim_one(f);
    struct uuid user = user_id(1);
    assert_true(uuid_equal(&c.user_id, &user));
    assert_false(uuid_is_nil(&c.id));
    assert_int_equal(c.id.bytes[6] >> 4, 4); /* a random UUID, version 4 */
    assert_int_equal(c.id.bytes[8] >> 6, 2);
    assert_int_equal(c.priority, 5);
    assert_int_equal(c.max_retries, 3);
    assert_null(c.params);
}

static void rows_inserted_in_another_state_are_not_queued(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const others[] = {"processing", "completed", "failed", "cancelled"};
    for (size_t i = 0; i < 4; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO script_generation_jobs (user_id, status) VALUES (" A_USER
                       ", '%s')",
                       others[i]);
        assert_true(raw(f, sql, NULL));
    }
    assert_int_equal(claim(f, 5, 0)->n, 0);
    assert_int_equal(CALL0(f, store_stats)->stats->foreign, 1);
}

static void rows_outside_the_rules_are_refused(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const bad[] = {
        "INSERT INTO script_generation_jobs (status) VALUES ('pending')",
        "INSERT INTO script_generation_jobs (user_id, status) VALUES (" A_USER ", 'done')",
        "INSERT INTO script_generation_jobs (user_id, progress) VALUES (" A_USER ", 101)",
        "INSERT INTO script_generation_jobs (user_id, priority) VALUES (" A_USER ", 0)",
        "INSERT INTO script_generation_jobs (user_id, generation_params)"
        " VALUES (" A_USER ", '{oops')",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(raw(f, bad[i], NULL));
    assert_int_equal(claim(f, 5, 0)->n, 0);
}

static void several_rows_of_one_statement_all_follow(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 20; i++)
        add_job(f, i % 3);
    assert_int_equal(claim(f, 5, 0)->n, 5);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'cancelled'", NULL));
    struct store_stats st = *CALL0(f, store_stats)->stats;
    assert_int_equal(st.count[JOB_CANCELLED], 20);
    assert_int_equal(st.due + st.running, 0);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'pending'", NULL));
    assert_int_equal(CALL0(f, store_stats)->stats->due, 20);
    assert_true(raw(f, "DELETE FROM script_generation_jobs", NULL));
    assert_int_equal(CALL0(f, store_stats)->stats->due, 0);
}

static void a_rolled_back_client_leaves_the_queue_as_it_was(void **state)
{
    struct fixture *f = fixture(state);
    struct subject s = bring(f, STATE_RUNNING);
    assert_true(raw(f, "BEGIN", NULL));
    assert_true(raw(f, SET("cancelled"), &s.id));
    assert_true(raw(f, "ROLLBACK", NULL));
    assert_int_equal(check_one(f, &s.claimed), STORE_HELD);
}

static void the_priority_of_a_waiting_job_may_change(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid first = add_job(f, 1), second = add_job(f, 2);
    assert_true(raw(f, "UPDATE script_generation_jobs SET priority = 9 WHERE id = '%s'", &second));
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &second));
    assert_int_equal(c.priority, 9);
    c = claim_one(f);
    assert_true(uuid_equal(&c.id, &first));
}

static void a_waiting_job_moves_to_its_new_owner(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), other = user_id(2);
    char text[UUID_TEXT_SIZE], sql[160];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE script_generation_jobs SET user_id = '%s' WHERE id = '%%s'",
                   uuid_text(&other, text));
    assert_true(raw(f, sql, &id));
    add_job(f, 2);
    const struct store_result *r = claim(f, 5, 1); /* one of a user: both are the second's now */
    assert_int_equal(r->n, 1);
    assert_true(uuid_equal(&r->claimed[0].id, &id));
}

static void a_row_with_a_new_id_is_a_new_job(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid waiting = add_job(f, 1), fresh = user_id(501), running = user_id(502);
    char text[UUID_TEXT_SIZE], sql[160];
    static const char change[] = "UPDATE script_generation_jobs SET id = '%s' WHERE id = '%%s'";
    (void)snprintf(sql, sizeof sql, change, uuid_text(&fresh, text));
    assert_true(raw(f, sql, &waiting));
    assert_null(get_job(f, &waiting));
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &fresh));
    (void)snprintf(sql, sizeof sql, change, uuid_text(&running, text));
    assert_true(raw(f, sql, &fresh));
    assert_int_equal(check_one(f, &c), STORE_DELETED);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->running + s->due + s->delayed, 0);
    assert_int_equal(s->foreign, 1);
}

const struct CMUnitTest trigger_tests[] = {
    CASE(a_waiting_job_moves_to_its_new_owner),
    CASE(a_row_with_a_new_id_is_a_new_job),
    CASE(a_client_may_cancel_in_any_state),
    CASE(a_client_may_run_a_job_again_in_any_state),
    CASE(a_client_may_delete_in_any_state),
    CASE(a_client_may_end_a_job_in_any_state),
    CASE(a_foreign_worker_takes_waiting_and_ended_jobs_but_not_running_ones),
    CASE(foreign_jobs_come_back_only_when_asked_for_and_old_enough),
    CASE(a_client_inserts_a_row_with_nothing_but_a_user),
    CASE(rows_inserted_in_another_state_are_not_queued),
    CASE(rows_outside_the_rules_are_refused),
    CASE(several_rows_of_one_statement_all_follow),
    CASE(a_rolled_back_client_leaves_the_queue_as_it_was),
    CASE(the_priority_of_a_waiting_job_may_change),
};
CASES(trigger_tests);
