/* In: what clients ask of jobs. Out: rows as system.md promises them. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static void a_new_job_is_pending_with_the_columns_defaults(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), user = user_id(1);
    const struct store_job *j = get_job(f, &id);
    assert_non_null(j);
    assert_true(uuid_equal(&j->user_id, &user));
    assert_true(uuid_is_nil(&j->workflow_id));
    assert_int_equal(j->status, JOB_PENDING);
    assert_int_equal(j->progress, 0);
    assert_int_equal(j->retry_count, 0);
    assert_int_equal(j->max_retries, 3);
    assert_int_equal(j->priority, 5);
    assert_string_equal(j->current_step, "queued");
    assert_null(j->error_message);
    assert_json(f, j->params, "{\"topic\":\"tea\"}");
    assert_null(j->script);
    assert_int_equal(j->started_us, 0);
    assert_int_equal(j->completed_us, 0);
    assert_int_equal(j->processing_seconds, -1);
    assert_true(j->queued);
    assert_int_equal(j->run, 1);
    assert_int_equal(j->position, 1);
    int64_t age = wall(f) - j->created_us;
    assert_true(age >= 0 && age < 60 * SECOND);
}

static void ids_that_a_client_supplies_are_kept(void **state)
{
    struct fixture *f = fixture(state);
    struct store_new_job j = {.id = user_id(77), .user_id = user_id(1), .workflow_id = user_id(9)};
    assert_int_equal(CALL(f, store_insert, &j, 1)->err, OK);
    const struct store_job *got = get_job(f, &j.id);
    assert_non_null(got);
    assert_true(uuid_equal(&got->workflow_id, &j.workflow_id));
    assert_null(got->params);
    assert_int_equal(CALL(f, store_insert, &j, 1)->err, ERR_EXISTS);
}

static void params_come_back_as_they_were(void **state)
{
    struct fixture *f = fixture(state);
    const char *odd = "{ \"b\" : 1.50,\n\t\"a\":\"\\u00e9 \xc3\xa9\" , \"b\":2 }";
    struct store_new_job j = {.user_id = user_id(1), .params = odd};
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    struct uuid id = r->inserted[0].id;
    assert_json(f, get_job(f, &id)->params, odd);
    assert_json(f, claim_one(f).params, odd);
}

static void bad_jobs_are_refused_and_leave_nothing_of_their_batch(void **state)
{
    struct fixture *f = fixture(state);
    struct store_new_job batch[2] = {{.user_id = user_id(1), .params = "{}"},
                                     {.user_id = user_id(1), .params = "not JSON"}};
    const struct store_result *r = CALL(f, store_insert, batch, 2);
    assert_int_equal(r->err, ERR_INVALID);
    assert_true(strlen(r->message) > 0);
    batch[1] = (struct store_new_job){.user_id = user_id(1), .priority = 11};
    assert_int_equal(CALL(f, store_insert, batch, 2)->err, ERR_INVALID);
    batch[1] = (struct store_new_job){.priority = 1};
    assert_int_equal(CALL(f, store_insert, batch, 2)->err, ERR_INVALID);
    assert_int_equal(CALL(f, store_insert, batch, STORE_BATCH_MAX + 1)->err, ERR_INVALID);
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], 0);
}

static void a_text_past_the_limit_is_too_big(void **state)
{
    struct fixture *f = fixture(state);
    char *huge = mem_alloc(STORE_TEXT_MAX + 2);
    memset(huge, ' ', STORE_TEXT_MAX + 1);
    struct store_new_job j = {.user_id = user_id(1), .params = huge};
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    free(huge);
    assert_int_equal(r->err, ERR_TOO_BIG);
}

static void an_idempotency_key_makes_one_job_per_user(void **state)
{
    struct fixture *f = fixture(state);
    struct store_new_job j = {.user_id = user_id(1), .idempotency_key = "once"};
    const struct store_result *a = CALL(f, store_insert, &j, 1);
    const struct store_result *b = CALL(f, store_insert, &j, 1);
    assert_false(a->inserted[0].existed);
    assert_true(b->inserted[0].existed);
    assert_true(uuid_equal(&a->inserted[0].id, &b->inserted[0].id));
    j.user_id = user_id(2);
    assert_false(CALL(f, store_insert, &j, 1)->inserted[0].existed);
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], 2);
}

static void an_idempotency_key_holds_inside_one_batch(void **state)
{
    struct fixture *f = fixture(state);
    struct store_new_job two[2] = {{.user_id = user_id(1), .idempotency_key = "k"},
                                   {.user_id = user_id(1), .idempotency_key = "k"}};
    const struct store_result *r = CALL(f, store_insert, two, 2);
    assert_int_equal(r->err, OK);
    assert_false(r->inserted[0].existed);
    assert_true(r->inserted[1].existed);
    assert_true(uuid_equal(&r->inserted[0].id, &r->inserted[1].id));
}

static void the_key_of_a_deleted_job_is_free_again(void **state)
{
    struct fixture *f = fixture(state);
    struct store_new_job j = {.user_id = user_id(1), .idempotency_key = "once"};
    struct uuid first = CALL(f, store_insert, &j, 1)->inserted[0].id;
    assert_int_equal(CALL(f, store_delete, &first)->err, OK);
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    assert_false(r->inserted[0].existed);
    assert_false(uuid_equal(&r->inserted[0].id, &first));
}

static void unknown_jobs_are_not_found(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = user_id(5);
    assert_int_equal(CALL(f, store_get, &id)->err, ERR_NOT_FOUND);
    assert_int_equal(CALL(f, store_cancel, &id)->err, ERR_NOT_FOUND);
    assert_int_equal(CALL(f, store_retry, &id)->err, ERR_NOT_FOUND);
    const struct store_result *r = CALL(f, store_delete, &id);
    assert_int_equal(r->err, ERR_NOT_FOUND);
    assert_true(strlen(r->message) > 0);
}

static void a_list_is_newest_first_and_goes_on_at_the_cursor(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = add_job(f, i % 2);
    struct store_filter filter = {.status = JOB_STATUS_MAX, .limit = 2};
    const struct store_result *r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 2);
    assert_true(uuid_equal(&r->jobs[0].id, &ids[4]));
    assert_true(uuid_equal(&r->jobs[1].id, &ids[3]));
    assert_null(r->jobs[0].params);
    filter.after = ids[3];
    filter.after_at = r->jobs[1].listed_at;
    filter.limit = 10;
    r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 3);
    assert_true(uuid_equal(&r->jobs[0].id, &ids[2]));
    assert_true(uuid_equal(&r->jobs[2].id, &ids[0]));
}

static void a_list_goes_on_behind_a_job_that_is_gone(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = add_job(f, 1);
    struct store_filter filter = {.status = JOB_STATUS_MAX, .limit = 2};
    const struct store_result *r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 2);
    filter.after = r->jobs[1].id;
    filter.after_at = r->jobs[1].listed_at;
    assert_int_equal(CALL(f, store_delete, &ids[2])->err, OK);
    r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 2);
    assert_true(uuid_equal(&r->jobs[0].id, &ids[1]));
    assert_true(uuid_equal(&r->jobs[1].id, &ids[0]));
}

static void a_list_filters_by_status_and_user(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = add_job(f, i % 2);
    assert_int_equal(CALL(f, store_cancel, &ids[1])->err, OK);
    struct store_filter filter = {.status = JOB_CANCELLED, .limit = 10};
    const struct store_result *r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 1);
    assert_true(uuid_equal(&r->jobs[0].id, &ids[1]));
    filter = (struct store_filter){.status = JOB_STATUS_MAX, .user_id = user_id(1), .limit = 10};
    assert_int_equal(CALL(f, store_list, &filter)->n, 2);
    filter.status = JOB_PENDING;
    r = CALL(f, store_list, &filter);
    assert_int_equal(r->n, 1);
    assert_true(uuid_equal(&r->jobs[0].id, &ids[3]));
    filter.limit = 0;
    assert_int_equal(CALL(f, store_list, &filter)->err, ERR_INVALID);
}

static void the_position_counts_due_jobs_ahead(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid low = add_job_at(f, 1, 1, 0);
    struct uuid first = add_job_at(f, 1, 5, 0), second = add_job_at(f, 1, 5, 0);
    struct uuid later = add_job_at(f, 1, 9, wall(f) + 60 * SECOND);
    assert_int_equal(get_job(f, &first)->position, 1);
    assert_int_equal(get_job(f, &second)->position, 2);
    assert_int_equal(get_job(f, &low)->position, 3);
    assert_int_equal(get_job(f, &later)->position, 0);
}

static void cancel_is_for_jobs_that_have_not_ended(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid waiting = add_job(f, 1);
    const struct store_result *r = CALL(f, store_cancel, &waiting);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->count, 1);
    const struct store_job *j = get_job(f, &waiting);
    assert_int_equal(j->status, JOB_CANCELLED);
    assert_string_equal(j->current_step, "cancelled");
    assert_false(j->queued);
    assert_int_equal(CALL(f, store_cancel, &waiting)->err, ERR_INVALID);
    assert_int_equal(claim(f, 5, 0)->n, 0);
}

static void retry_queues_an_ended_job_again(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    assert_int_equal(CALL(f, store_retry, &id)->err, ERR_INVALID); /* it waits already */
    struct store_claimed c = claim_one(f);
    assert_int_equal(CALL(f, store_retry, &id)->err, ERR_INVALID); /* nor is it paid for twice */
    assert_int_equal(check_one(f, &c), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    assert_int_equal(CALL(f, store_retry, &id)->count, 1);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_PENDING);
    assert_int_equal(j->retry_count, 0);
    assert_true(j->queued);
    assert_int_equal(claim_one(f).attempts, 0);
}

static void retry_all_takes_failed_and_cancelled_jobs_that_match(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = add_job(f, i < 2 ? 1 : 2);
    assert_int_equal(CALL(f, store_cancel, &ids[0])->err, OK);
    assert_int_equal(CALL(f, store_cancel, &ids[2])->err, OK);
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'failed' WHERE id = '%s'", &ids[3]));
    struct store_filter filter = {.status = JOB_FAILED};
    assert_int_equal(CALL(f, store_retry_all, &filter)->count, 1);
    filter = (struct store_filter){.status = JOB_STATUS_MAX, .user_id = user_id(1)};
    assert_int_equal(CALL(f, store_retry_all, &filter)->count, 1);
    filter = (struct store_filter){.status = JOB_COMPLETED};
    assert_int_equal(CALL(f, store_retry_all, &filter)->err, ERR_INVALID);
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], 3);
    assert_int_equal(CALL0(f, store_stats)->stats->due, 3);
}

static void a_setting_lasts_until_it_is_removed(void **state)
{
    struct fixture *f = fixture(state);
    assert_null(CALL(f, store_setting_get, "paused")->text);
    assert_int_equal(CALL(f, store_setting_set, "paused", "yes")->err, OK);
    assert_int_equal(CALL(f, store_setting_set, "paused", "no")->err, OK);
    assert_string_equal(CALL(f, store_setting_get, "paused")->text, "no");
    assert_int_equal(CALL(f, store_setting_set, "paused", NULL)->err, OK);
    assert_null(CALL(f, store_setting_get, "paused")->text);
    assert_int_equal(CALL(f, store_setting_set, "", "x")->err, ERR_INVALID);
}

static void stats_count_what_is_there(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 4; i++)
        add_job(f, i);
    add_job_at(f, 1, 0, wall(f) + 60 * SECOND);
    struct uuid foreign = add_job(f, 9);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'processing' WHERE id = '%s'",
                    &foreign));
    const struct store_result *claimed = claim(f, 3, 0);
    assert_int_equal(claimed->n, 3);
    pass(f, 7 * SECOND);
    assert_int_equal(finish_one(f, &claimed->claimed[0], STORE_COMPLETE), STORE_HELD);
    assert_int_equal(finish_one(f, &claimed->claimed[1], STORE_FAIL), STORE_HELD);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->count[JOB_PENDING], 2);
    assert_int_equal(s->count[JOB_PROCESSING], 2);
    assert_int_equal(s->count[JOB_COMPLETED], 1);
    assert_int_equal(s->count[JOB_FAILED], 1);
    assert_int_equal(s->recent[JOB_COMPLETED], 1);
    assert_int_equal((int)s->recent_seconds[JOB_COMPLETED], 7);
    assert_int_equal((int)s->recent_seconds[JOB_CANCELLED], -1);
    assert_int_equal(s->due, 1);
    assert_int_equal(s->delayed, 1);
    assert_int_equal(s->running, 1);
    assert_int_equal(s->foreign, 1);
    assert_true(s->oldest_due_us > 0);
}

static void migrating_again_changes_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    assert_string_equal(CALL(f, store_migrate, STORE_MIGRATE_DRY_RUN)->text, "");
    assert_int_equal(CALL(f, store_migrate, 0)->err, OK);
    assert_int_equal(CALL(f, store_migrate, 0)->err, OK);
    assert_int_equal(get_job(f, &id)->status, JOB_PENDING);
}

static void one_bad_request_among_many_does_not_disturb_them(void **state)
{
    struct fixture *f = fixture(state);
    enum { N = 40 };
    struct answer *answers[N];
    for (int i = 0; i < N; i++) {
        struct store_new_job j = {.user_id = user_id(i), .params = i == 17 ? "{broken" : "{}"};
        answers[i] = answer_new(f);
        store_insert(f->store, &j, 1, answer_take, answers[i]);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(answer_wait(f, answers[i])->err, i == 17 ? ERR_INVALID : OK);
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], N - 1);
}

static void note_change(void *ctx)
{
    ++*(int *)ctx;
}

static void own_inserts_and_other_programs_writes_give_a_hint(void **state)
{
    struct fixture *f = fixture(state);
    int changes = 0;
    store_on_change(f->store, note_change, &changes);
    struct uuid id = add_job(f, 1);
    for (int i = 0; i < 10000 && changes == 0; i++)
        loop_turn(f->loop, 1000);
    assert_true(changes > 0);
    changes = 0;
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '%s'", &id));
    int64_t end = clock_mono() + 10 * SECOND;
    while (changes == 0 && clock_mono() < end)
        loop_turn(f->loop, 1000);
    assert_true(changes > 0);
    store_on_change(f->store, NULL, NULL);
}

static void closing_answers_what_is_still_queued(void **state)
{
    struct fixture *f = fixture(state);
    struct store *other = f->plug->open(f->db, f->loop, false);
    struct answer *answers[20];
    for (int i = 0; i < 20; i++) {
        struct store_new_job j = {.user_id = user_id(i)};
        answers[i] = answer_new(f);
        store_insert(other, &j, 1, answer_take, answers[i]);
    }
    store_free(other);
    for (int i = 0; i < 20; i++) {
        assert_true(answers[i]->done);
        assert_int_equal(answers[i]->r.err, OK);
    }
    assert_int_equal(CALL0(f, store_stats)->stats->due, 20);
}

const struct CMUnitTest jobs_tests[] = {
    CASE(a_new_job_is_pending_with_the_columns_defaults),
    CASE(ids_that_a_client_supplies_are_kept),
    CASE(params_come_back_as_they_were),
    CASE(bad_jobs_are_refused_and_leave_nothing_of_their_batch),
    CASE(a_text_past_the_limit_is_too_big),
    CASE(an_idempotency_key_makes_one_job_per_user),
    CASE(an_idempotency_key_holds_inside_one_batch),
    CASE(the_key_of_a_deleted_job_is_free_again),
    CASE(unknown_jobs_are_not_found),
    CASE(a_list_is_newest_first_and_goes_on_at_the_cursor),
    CASE(a_list_goes_on_behind_a_job_that_is_gone),
    CASE(a_list_filters_by_status_and_user),
    CASE(the_position_counts_due_jobs_ahead),
    CASE(cancel_is_for_jobs_that_have_not_ended),
    CASE(retry_queues_an_ended_job_again),
    CASE(retry_all_takes_failed_and_cancelled_jobs_that_match),
    CASE(a_setting_lasts_until_it_is_removed),
    CASE(stats_count_what_is_there),
    CASE(migrating_again_changes_nothing),
    CASE(one_bad_request_among_many_does_not_disturb_them),
    CASE(own_inserts_and_other_programs_writes_give_a_hint),
    CASE(closing_answers_what_is_still_queued),
};
CASES(jobs_tests);
