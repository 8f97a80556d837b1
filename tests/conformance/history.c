/* In: claims with a label, calls of the function endpoint, lines of the log. Out: whether labels
 * are limited, and what happened is kept, bounded and listed. */
#include "conformance.h"
#include "store/store_history.h"

#include <stdio.h>
#include <string.h>

static const struct store_result *claim_for(struct fixture *f, const char *label, int cap)
{
    struct store_claim c = {
        .worker = f->worker, .max = STORE_BATCH_MAX, .label = label, .label_cap = cap};
    const struct store_result *r = CALL(f, store_claim, &c);
    assert_int_equal(r->err, OK);
    return r;
}

static void a_label_runs_at_most_its_cap(void **state)
{
    struct fixture *f = fixture(state);
    assert_false(claim_for(f, "w1", 3)->due_left);
    for (int i = 0; i < 9; i++)
        add_job(f, i);
    const struct store_result *r = claim_for(f, "w1", 3);
    assert_int_equal(r->n, 3);
    assert_false(r->due_left);
    struct store_claimed first = r->claimed[0], second = r->claimed[1], third = r->claimed[2];
    r = claim_for(f, "w1", 3);
    assert_int_equal(r->n, 0);
    assert_true(r->due_left);
    assert_int_equal(claim_for(f, "w2", 2)->n, 2);
    /* Finished, handed back, taken away by a client: each makes room. */
    assert_int_equal(finish_one(f, &first, STORE_COMPLETE), STORE_HELD);
    assert_int_equal(claim_for(f, "w1", 3)->n, 1);
    assert_int_equal(finish_one(f, &second, STORE_RELEASE), STORE_HELD);
    assert_int_equal(claim_for(f, "w1", 3)->n, 1);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '%s'",
                    &third.id));
    assert_int_equal(claim_for(f, "w1", 3)->n, 1);
    assert_int_equal(claim_for(f, "w1", 3)->n, 0);
    assert_int_equal(claim_for(f, "w1", 4)->n, 1);
}

static void a_job_claimed_anew_counts_for_its_new_label(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    const struct store_result *r = claim_for(f, "w1", 1);
    struct store_claimed c = r->claimed[0];
    assert_int_equal(finish_one(f, &c, STORE_RELEASE), STORE_HELD);
    assert_int_equal(claim_for(f, "w2", 1)->n, 1);
    add_job(f, 2);
    assert_int_equal(claim_for(f, "w2", 1)->n, 0);
    assert_int_equal(claim_for(f, "w1", 1)->n, 1);
}

static void claims_without_a_label_are_not_counted(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 6; i++)
        add_job(f, i);
    assert_int_equal(claim(f, 3, 0)->n, 3);
    assert_int_equal(claim_for(f, "default", 2)->n, 2);
    assert_int_equal(claim(f, 3, 0)->n, 1);
}

static void the_setting_stands_above_the_cap(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 8; i++)
        add_job(f, i);
    assert_int_equal(CALL(f, store_setting_set, "concurrent_limit", "5")->err, OK);
    assert_int_equal(claim_for(f, "w1", 3)->n, 5);
    assert_int_equal(CALL(f, store_setting_set, "concurrent_limit", "many")->err, OK);
    assert_int_equal(claim_for(f, "w2", 2)->n, 2);
}

static void a_senseless_label_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct store_claim c = {.worker = f->worker, .max = 1, .label = "w1"};
    assert_int_equal(CALL(f, store_claim, &c)->err, ERR_INVALID);
    char longer[STORE_LABEL_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    c.label = longer;
    c.label_cap = 1;
    assert_int_equal(CALL(f, store_claim, &c)->err, ERR_TOO_BIG);
}

/* ---- invocations ---- */

static struct store_invocation save(struct fixture *f, int status, int64_t keep)
{
    struct store_invocation i = {.id = uuid_new(wall(f)),
                                 .at_us = 1700000000000001,
                                 .duration_us = 42000000,
                                 .status = status,
                                 .processed = 3,
                                 .succeeded = 2,
                                 .failed = 1,
                                 .settled = true,
                                 .caller = "pg_cron",
                                 .label = "w1",
                                 .worker = "node:1",
                                 .version = "1.2"};
    assert_int_equal(CALL(f, store_invocation_save, &i, keep)->err, OK);
    return i;
}

static void an_invocation_is_saved_and_saved_again(void **state)
{
    struct fixture *f = fixture(state);
    struct store_invocation i = save(f, 0, 10);
    i.status = 500;
    i.settled = false;
    i.error = "away";
    assert_int_equal(CALL(f, store_invocation_save, &i, 10)->err, OK);
    const struct store_result *r = CALL(f, store_invocations, &(struct uuid){0}, 10);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    const struct store_invocation *got = &r->invocations[0];
    assert_true(uuid_equal(&got->id, &i.id));
    assert_true(got->at_us == 1700000000000001);
    assert_true(got->duration_us == 42000000);
    assert_int_equal(got->status, 500);
    assert_int_equal(got->processed, 3);
    assert_int_equal(got->succeeded, 2);
    assert_int_equal(got->failed, 1);
    assert_false(got->settled);
    assert_string_equal(got->caller, "pg_cron");
    assert_string_equal(got->label, "w1");
    assert_string_equal(got->worker, "node:1");
    assert_string_equal(got->version, "1.2");
    assert_string_equal(got->error, "away");
}

static void invocations_are_listed_newest_first_in_pages_and_bounded(void **state)
{
    struct fixture *f = fixture(state);
    struct store_invocation all[6];
    for (int i = 0; i < 6; i++)
        all[i] = save(f, 200 + i, 4);
    const struct store_result *r = CALL(f, store_invocations, &(struct uuid){0}, 3);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->invocations[0].status, 205);
    assert_int_equal(r->invocations[2].status, 203);
    r = CALL(f, store_invocations, &all[3].id, 3);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->invocations[0].status, 202);
}

/* ---- the log ---- */

static void add_lines(struct fixture *f, const struct uuid *job, const struct uuid *invocation,
                      int n, int64_t keep)
{
    struct store_line lines[10];
    char messages[10][20];
    for (int i = 0; i < n; i++) {
        (void)snprintf(messages[i], sizeof messages[i], "line %d", i);
        lines[i] = (struct store_line){.at_us = 1700000000000000 + i,
                                       .job = *job,
                                       .invocation = *invocation,
                                       .level = "info",
                                       .event = "step",
                                       .message = messages[i],
                                       .details = i == 0 ? "it's so" : NULL,
                                       .worker = "node:1"};
    }
    assert_int_equal(CALL(f, store_log_add, lines, (size_t)n, keep)->err, OK);
}

static const struct store_result *read_log(struct fixture *f, struct store_log_filter filter)
{
    const struct store_result *r = CALL(f, store_log, &filter);
    assert_int_equal(r->err, OK);
    return r;
}

static void lines_come_back_in_order_for_a_job_or_a_call(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid none = {0}, a = user_id(1), b = user_id(2), call = user_id(3);
    add_lines(f, &a, &none, 3, 100);
    add_lines(f, &b, &call, 2, 100);
    add_lines(f, &none, &call, 1, 100);
    const struct store_result *r = read_log(f, (struct store_log_filter){.limit = 100});
    assert_int_equal(r->n, 6);
    for (size_t i = 1; i < r->n; i++)
        assert_true(r->lines[i].n > r->lines[i - 1].n);
    const struct store_line *first = &r->lines[0];
    assert_true(first->at_us == 1700000000000000);
    assert_true(uuid_equal(&first->job, &a));
    assert_true(uuid_is_nil(&first->invocation));
    assert_string_equal(first->level, "info");
    assert_string_equal(first->event, "step");
    assert_string_equal(first->message, "line 0");
    assert_string_equal(first->details, "it's so");
    assert_string_equal(first->worker, "node:1");
    assert_null(r->lines[1].details);
    assert_int_equal(read_log(f, (struct store_log_filter){.job = a, .limit = 9})->n, 3);
    assert_int_equal(read_log(f, (struct store_log_filter){.invocation = call, .limit = 9})->n, 3);
    r = read_log(f, (struct store_log_filter){.job = a, .limit = 2}); /* the newest */
    assert_string_equal(r->lines[0].message, "line 1");
    assert_string_equal(r->lines[1].message, "line 2");
    r = read_log(f, (struct store_log_filter){.job = a, .after = first->n, .limit = 1});
    assert_int_equal(r->n, 1);
    assert_string_equal(r->lines[0].message, "line 1"); /* the next */
    r = read_log(f, (struct store_log_filter){.job = a, .after = -1, .limit = 2});
    assert_string_equal(r->lines[0].message, "line 0"); /* from the first on */
    assert_string_equal(r->lines[1].message, "line 1");
}

static void the_calls_of_the_dead_are_settled(void **state)
{
    struct fixture *f = fixture(state);
    struct store_worker dying = {.id = user_id(50), .name = "node:1", .lease_us = 5 * SECOND};
    assert_int_equal(CALL(f, store_worker_open, &dying)->err, OK);
    struct store_invocation mine = {.id = user_id(61), .at_us = wall(f), .worker = "test"},
                            theirs = {.id = user_id(62), .at_us = wall(f), .worker = "node:1"};
    assert_int_equal(CALL(f, store_invocation_save, &mine, 10)->err, OK);
    assert_int_equal(CALL(f, store_invocation_save, &theirs, 10)->err, OK);
    pass(f, 14 * SECOND);
    assert_int_equal(CALL(f, store_worker_renew, &f->worker)->err, OK);
    pass(f, 2 * SECOND);
    assert_int_equal(CALL(f, store_rescue, &f->worker)->err, OK);
    struct uuid newest = {{0}};
    const struct store_result *r = CALL(f, store_invocations, &newest, 10);
    assert_int_equal(r->n, 2);
    assert_true(r->invocations[0].settled);
    assert_string_equal(r->invocations[0].error,
                        "the process that was called ended before its jobs");
    assert_false(r->invocations[1].settled);
    assert_null(r->invocations[1].error);
}

static void the_log_is_bounded(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid none = {0}, a = user_id(1);
    for (int i = 0; i < 5; i++)
        add_lines(f, &a, &none, 10, 25);
    const struct store_result *r = read_log(f, (struct store_log_filter){.limit = 100});
    assert_int_equal(r->n, 25);
    assert_string_equal(r->lines[0].message, "line 5");
    int64_t last = r->lines[24].n;
    add_lines(f, &a, &none, 1, 25);
    r = read_log(f, (struct store_log_filter){.after = last, .limit = 100});
    assert_int_equal(r->n, 1);
}

const struct CMUnitTest history_tests[] = {
    CASE(a_label_runs_at_most_its_cap),
    CASE(a_job_claimed_anew_counts_for_its_new_label),
    CASE(claims_without_a_label_are_not_counted),
    CASE(the_setting_stands_above_the_cap),
    CASE(a_senseless_label_is_refused),
    CASE(an_invocation_is_saved_and_saved_again),
    CASE(invocations_are_listed_newest_first_in_pages_and_bounded),
    CASE(lines_come_back_in_order_for_a_job_or_a_call),
    CASE(the_calls_of_the_dead_are_settled),
    CASE(the_log_is_bounded),
};
CASES(history_tests);
