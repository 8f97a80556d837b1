/* In: a store that fails, waits or refuses at each place where the engine asks it for something.
 * Out: jobs that are completed all the same, each call in the ledger once. */
#include "engine_bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "engine/batch.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

#define STREAMING  "SELECT sum(length(text)) > 300 FROM scriptorium_text"
#define COMPLETED  "SELECT count(*) FROM script_generation_jobs WHERE status = 'completed'"

static const struct bench_options slow = {.speed = 15};

/* ---- the store fails for a while ---- */

static void fails_for_a_while(struct bench *b, enum store_verb verb)
{
    bench_insert(b, NULL);
    b->flaky->fail = VERBS(verb);
    bench_start(b, 0, &(struct bench_options){.config.lease_us = 900 * USEC_PER_MSEC});
    int64_t end = clock_mono() + 20 * USEC_PER_SEC;
    while (b->flaky->failures < 3 && clock_mono() < end)
        bench_pass(b, 20 * USEC_PER_MSEC);
    assert_true(b->flaky->failures >= 3);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1); /* once, not at each repetition */
    assert_string_equal(b->w->message[ENGINE_TROUBLE], "injected: no space left");
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, COMPLETED), 1);
    bench_check_ledger(b);
}

static void opening_the_worker_fails(void **state)
{
    fails_for_a_while(*state, VERB_WORKER_OPEN);
}

/* ---- slots shared by all engines ---- */

#define RUNNING "SELECT count(*) FROM script_generation_jobs WHERE status = 'processing'"

static void set_scale(struct bench *b, int workers, int concurrency)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "INSERT OR REPLACE INTO scriptorium_setting VALUES ('workers', '%d'),"
                   " ('concurrent_limit', '%d')",
                   workers, concurrency);
    bench_sql(b, sql);
}

static void nothing_is_claimed_before_the_scale_is_known(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 6; i++)
        bench_insert(b, NULL);
    set_scale(b, 2, 1);
    b->flaky->hold = VERBS(VERB_SCALE_GET);
    struct bench_options options = {.speed = 15, .config.scaled = true};
    struct worker *w = bench_start(b, 0, &options);
    bench_pass(b, 300 * USEC_PER_MSEC);
    assert_int_equal(w->told[ENGINE_JOB_CLAIMED], 0);
    b->flaky->hold = no_verbs;
    flaky_let_go(b->flaky);
    bench_until_told(w, ENGINE_JOB_CLAIMED, 2);
    assert_int_equal(bench_number(b, RUNNING), 2);
    assert_int_equal(engine_slots(w->engine), 2);
    b->flaky->fail = VERBS(VERB_SCALE_GET); /* away: the last share stays */
    set_scale(b, 5, 1);
    bench_pass(b, 800 * USEC_PER_MSEC);
    assert_int_equal(engine_slots(w->engine), 2);
    b->flaky->fail = no_verbs;
    bench_until_told(w, ENGINE_JOB_CLAIMED, 5);
    assert_int_equal(engine_slots(w->engine), 5);
    engine_limit(w->engine, 0, 0); /* triggered mode: no scale changes that */
    assert_int_equal(engine_slots(w->engine), 0);
    bench_stop(w);
}

static void claiming_fails(void **state)
{
    fails_for_a_while(*state, VERB_CLAIM);
}

static void reading_the_steps_fails(void **state)
{
    fails_for_a_while(*state, VERB_STEPS);
}

static void writing_the_intent_fails(void **state)
{
    fails_for_a_while(*state, VERB_CALL_OPEN);
    assert_int_equal(bench_number(*state, "SELECT count(*) FROM scriptorium_call"),
                     (int64_t)bench_requests(*state)); /* nothing was sent without one */
}

static void saving_a_step_fails(void **state)
{
    fails_for_a_while(*state, VERB_STEP_SAVE);
}

static void finishing_fails(void **state)
{
    fails_for_a_while(*state, VERB_FINISH);
}

static void trouble_that_stays_is_told_after_trouble_that_passes(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    b->flaky->error = ERR_BUSY;
    b->flaky->fail = VERBS(VERB_CLAIM);
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_TROUBLE, 1);
    assert_string_equal(b->w->message[ENGINE_TROUBLE], "injected: busy");
    b->flaky->error = ERR_FULL;
    bench_until_told(b->w, ENGINE_TROUBLE, 2);
    assert_string_equal(b->w->message[ENGINE_TROUBLE], "injected: no space left");
    b->flaky->error = ERR_BUSY; /* nothing new for who has to act anyway */
    int failures = b->flaky->failures;
    while (b->flaky->failures < failures + 2)
        bench_pass(b, 20 * USEC_PER_MSEC);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 2);
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_stop(b->w);
}

static void saving_text_fails(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_start(b, 0, &slow);
    bench_until(b, STREAMING);
    b->flaky->fail = VERBS(VERB_PROGRESS);
    while (b->flaky->failures < 5)
        bench_pass(b, 20 * USEC_PER_MSEC);
    b->flaky->fail = no_verbs;
    /* What could not be written is written then, without a hole: a stop keeps it all. */
    int asked = b->flaky->asked[VERB_PROGRESS];
    while (b->flaky->asked[VERB_PROGRESS] < asked + 4)
        bench_pass(b, 20 * USEC_PER_MSEC);
    bench_stop(b->w);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1);
    int64_t ours = bench_number(b, "SELECT output FROM scriptorium_call");
    int64_t kept = bench_number(b, "SELECT sum(length(text)) FROM scriptorium_text");
    assert_true(kept > ours * 3); /* a token is four bytes */
    bench_start(b, 0, &slow);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_check_ledger(b);
}

static void closing_a_call_fails(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"529\"}]");
    b->flaky->fail = VERBS(VERB_CALL_CLOSE);
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    while (b->flaky->failures < 3)
        bench_pass(b, 20 * USEC_PER_MSEC);
    b->flaky->fail = no_verbs;
    bench_stop(b->w); /* waits for it */
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 3"), 1);
    bench_check_ledger(b);
}

static void renewing_the_lease_fails_until_it_runs_out(void **state)
{
    struct bench *b = *state;
    b->flaky->fail = VERBS(VERB_WORKER_RENEW);
    bench_start(b, 0, &(struct bench_options){.config.lease_us = 300 * USEC_PER_MSEC});
    bench_pass(b, 500 * USEC_PER_MSEC);
    bench_insert(b, NULL);
    bench_pass(b, 300 * USEC_PER_MSEC);
    assert_int_equal(bench_requests(b), 0); /* without a lease no call starts */
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
}

static void a_lost_lease_is_counted_once_however_often_the_next_one_fails(void **state)
{
    struct bench *b = *state;
    bench_start(b, 0, &(struct bench_options){.config.lease_us = 300 * USEC_PER_MSEC});
    for (int i = 1; i <= 2; i++) {
        bench_until(b, "SELECT count(*) FROM scriptorium_worker");
        int opened = b->flaky->asked[VERB_WORKER_OPEN];
        b->flaky->fail = VERBS(VERB_WORKER_OPEN);
        bench_sql(b, "DELETE FROM scriptorium_worker");
        while (b->flaky->asked[VERB_WORKER_OPEN] < opened + 3)
            bench_pass(b, 20 * USEC_PER_MSEC);
        b->flaky->fail = no_verbs;
        bench_until(b, "SELECT count(*) FROM scriptorium_worker");
        assert_int_equal(engine_leases_lost(b->w->engine), i);
    }
}

/* ---- a call that fails while the store does ---- */

static void a_salvaged_step_is_repeated_until_the_store_takes_it(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"error\",\"after_tokens\":600}]");
    b->flaky->fail = VERBS(VERB_STEP_SAVE);
    bench_start(b, 0, &(struct bench_options){0});
    while (b->flaky->failures < 3)
        bench_pass(b, 20 * USEC_PER_MSEC);
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_string_equal(bench_text(b, "SELECT error LIKE '%overloaded_error%' FROM scriptorium_call"
                                      " WHERE state = 2"),
                        "1");
    bench_check_ledger(b);
}

static void a_job_cancelled_while_its_step_cannot_be_saved_still_pays(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    b->flaky->fail = VERBS(VERB_STEP_SAVE);
    bench_start(b, 0, &(struct bench_options){0});
    while (b->flaky->failures < 2)
        bench_pass(b, 10 * USEC_PER_MSEC);
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'cancelled'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    b->flaky->fail = no_verbs;
    bench_stop(b->w);
    bench_check_ledger(b);
}

static void a_save_that_fails_after_the_job_was_cancelled_still_pays(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    b->flaky->hold = VERBS(VERB_STEP_SAVE);
    bench_start(b, 0, &(struct bench_options){0});
    while (b->flaky->held == 0)
        bench_pass(b, 10 * USEC_PER_MSEC);
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'cancelled'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    flaky_fail_held(b->flaky);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 1"), 1);
    bench_check_ledger(b);
}

/* ---- stopping while the store waits or fails ---- */

static void stops_while_held(struct bench *b, enum store_verb verb)
{
    bench_insert(b, NULL);
    bench_insert(b, NULL);
    b->flaky->hold = VERBS(verb);
    bench_start(b, 0, &slow);
    int64_t end = clock_mono() + 20 * USEC_PER_SEC;
    while (b->flaky->held == 0 && clock_mono() < end)
        bench_pass(b, 5 * USEC_PER_MSEC);
    assert_true(b->flaky->held > 0);
    engine_stop(b->w->engine);
    bench_pass(b, 50 * USEC_PER_MSEC);
    assert_int_equal(b->w->told[ENGINE_STOPPED], 0); /* somebody will still call back */
    flaky_let_go(b->flaky);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"), 0);
    bench_check_ledger(b);
    bench_start(b, 0, &(struct bench_options){0});
    bench_until(b, "SELECT count(*) = 0 FROM scriptorium_queue");
    bench_stop(b->w);
    assert_int_equal(bench_number(b, COMPLETED), 2);
    bench_check_ledger(b);
}

static void a_stop_while_the_worker_opens(void **state)
{
    stops_while_held(*state, VERB_WORKER_OPEN);
}

static void a_stop_while_claiming(void **state)
{
    stops_while_held(*state, VERB_CLAIM);
}

static void a_stop_while_steps_are_read(void **state)
{
    stops_while_held(*state, VERB_STEPS);
}

static void a_stop_while_an_intent_is_written(void **state)
{
    stops_while_held(*state, VERB_CALL_OPEN);
}

static void a_stop_while_text_is_saved(void **state)
{
    stops_while_held(*state, VERB_PROGRESS);
}

static void a_stop_while_a_step_is_saved(void **state)
{
    stops_while_held(*state, VERB_STEP_SAVE);
}

static void a_stop_while_a_job_is_finished(void **state)
{
    stops_while_held(*state, VERB_FINISH);
}

static void trouble_stops(struct bench *b, enum store_verb verb)
{
    bench_insert(b, NULL);
    bench_insert(b, NULL);
    b->flaky->fail = VERBS(verb);
    bench_start(b, 0, &slow)->stop_at = ENGINE_TROUBLE;
    bench_until_told(b->w, ENGINE_TROUBLE, 1);
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_STOPPED, 1);
    assert_int_equal(engine_running(b->w->engine), 0);
    engine_free(b->w->engine);
    b->w->engine = NULL;
    bench_check_ledger(b);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"), 0);
}

static void trouble_with_a_claim_stops(void **state)
{
    trouble_stops(*state, VERB_CLAIM);
}

static void trouble_with_steps_stops(void **state)
{
    trouble_stops(*state, VERB_STEPS);
}

static void trouble_with_an_intent_stops(void **state)
{
    trouble_stops(*state, VERB_CALL_OPEN);
}

static void trouble_with_text_stops(void **state)
{
    trouble_stops(*state, VERB_PROGRESS);
}

static void trouble_with_a_step_stops(void **state)
{
    trouble_stops(*state, VERB_STEP_SAVE);
}

static void trouble_with_a_finish_stops(void **state)
{
    trouble_stops(*state, VERB_FINISH);
}

/* Nothing is ever written again: the engine ends all the same, and the next start goes on. */
static void a_store_that_takes_nothing_any_more_does_not_hold_up_the_end(void **state)
{
    struct bench *b = *state;
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":3600}");
    bench_start(b, 0, &(struct bench_options){.speed = 15, .config.sole = true});
    bench_until(b, STREAMING);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"529\",\"times\":3}]");
    bench_insert(b, NULL); /* waits to try again when the stop comes */
    while (bench_requests(b) < 3)
        bench_pass(b, 5 * USEC_PER_MSEC);
    b->flaky->fail = VERBS(VERB_PROGRESS, VERB_FINISH, VERB_CALL_CLOSE, VERB_STEP_SAVE,
                           VERB_WORKER_CLOSE, VERB_CALL_OPEN);
    bench_stop(b->w);
    b->flaky->fail = no_verbs;
    bench_pass(b, 600 * USEC_PER_MSEC); /* whatever was left over would strike now */
    bench_sql(b, "DELETE FROM scriptorium_worker");
    bench_start(b, 0, &(struct bench_options){.config.sole = true});
    bench_until(b, "SELECT count(*) = 0 FROM scriptorium_queue");
    bench_stop(b->w);
    assert_int_equal(bench_number(b, COMPLETED), 2);
    bench_check_ledger(b);
}

/* It answers when the engine is gone: the memory waits for it. */
static void a_store_that_answers_after_the_end_finds_nobody_harmed(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    bench_insert(b, LONG_REQUEST);
    b->flaky->hold = VERBS(VERB_FINISH, VERB_CHECK);
    bench_start(b, 0, &slow);
    while (b->flaky->asked[VERB_FINISH] == 0)
        bench_pass(b, 20 * USEC_PER_MSEC);
    bench_stop(b->w);
    flaky_let_go(b->flaky);
    bench_until(b, COMPLETED); /* it was taken after all */
}

static void count_settled(void *ctx, const struct engine_batch_result *r)
{
    int *stages = ctx;
    stages[r->stage]++;
}

static void a_batch_is_told_nothing_after_the_end(void **state)
{
    struct bench *b = *state;
    int stages[BATCH_STAGE_MAX] = {0};
    /* Slots that are all taken leave the second job to the batch. */
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":14400}");
    bench_start(b, 0, &(struct bench_options){.speed = 15, .config.slots = 1});
    bench_until(b, STREAMING);
    bench_insert(b, NULL);
    b->flaky->hold = VERBS(VERB_FINISH);
    engine_run_batch(b->w->engine, &(struct engine_batch){
                                       .label = "w", .cap = 3, .fn = count_settled, .ctx = stages});
    while (b->flaky->asked[VERB_FINISH] == 0)
        bench_pass(b, 20 * USEC_PER_MSEC);
    assert_int_equal(stages[BATCH_STARTED], 1);
    bench_stop(b->w);
    b->flaky->error = ERR_IO;
    flaky_fail_held(b->flaky);
    bench_pass(b, 100 * USEC_PER_MSEC);
    assert_int_equal(stages[BATCH_SETTLED], 0);
}

/* A daemon answers before its worker is open; who calls in between gets jobs, not an error. */
static void a_batch_waits_until_the_worker_is_open(void **state)
{
    struct bench *b = *state;
    int stages[BATCH_STAGE_MAX] = {0};
    bench_insert(b, NULL);
    b->flaky->hold = VERBS(VERB_WORKER_OPEN);
    bench_start(b, 0, &(struct bench_options){.speed = 1000});
    while (b->flaky->held == 0)
        bench_pass(b, 20 * USEC_PER_MSEC);
    engine_run_batch(b->w->engine, &(struct engine_batch){
                                       .label = "w", .cap = 3, .fn = count_settled, .ctx = stages});
    bench_pass(b, 20 * USEC_PER_MSEC);
    assert_int_equal(stages[BATCH_CLAIMED], 0);
    b->flaky->hold = no_verbs;
    flaky_let_go(b->flaky);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_int_equal(stages[BATCH_STARTED], 1);
    bench_stop(b->w);
}

static void a_batch_that_waits_is_refused_when_the_engine_stops(void **state)
{
    struct bench *b = *state;
    int stages[BATCH_STAGE_MAX] = {0};
    b->flaky->hold = VERBS(VERB_WORKER_OPEN);
    bench_start(b, 0, &(struct bench_options){.speed = 1000});
    while (b->flaky->held == 0)
        bench_pass(b, 20 * USEC_PER_MSEC);
    engine_run_batch(b->w->engine, &(struct engine_batch){
                                       .label = "w", .cap = 3, .fn = count_settled, .ctx = stages});
    engine_stop(b->w->engine);
    bench_pass(b, 20 * USEC_PER_MSEC);
    assert_int_equal(stages[BATCH_CLAIMED], 1);
    assert_int_equal(stages[BATCH_STARTED], 0);
    b->flaky->hold = no_verbs;
    flaky_let_go(b->flaky);
    bench_stop(b->w);
}

/* ---- a real disk that is full ---- */

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_in_the_middle_costs_nothing_twice(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++)
        bench_insert(b, LONG_REQUEST);
    bench_start(b, 0, &slow);
    bench_until(b, STREAMING);
    set_file_limit(4096); /* nothing that exists can grow, and no page can be written */
    bench_until_told(b->w, ENGINE_TROUBLE, 1);
    bench_pass(b, 600 * USEC_PER_MSEC);
    set_file_limit(RLIM_INFINITY);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 3);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1);
    bench_stop(b->w);
    bench_check_ledger(b);
}

/* ---- a user's own trigger raises ---- */

static void refuse(struct bench *b, const char *when)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "CREATE TRIGGER mine BEFORE UPDATE ON script_generation_jobs WHEN %s BEGIN"
                   " SELECT raise(ABORT, 'the user says no'); END",
                   when);
    bench_sql(b, sql);
}

static void a_refused_completion_fails_the_job_with_the_databases_words(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    refuse(b, "new.status = 'completed'");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until(b, "SELECT count(*) = 0 FROM scriptorium_queue");
    bench_stop(b->w);
    assert_string_equal(bench_text(b, "SELECT status FROM script_generation_jobs"), "failed");
    assert_non_null(strstr(bench_text(b, "SELECT error_message FROM script_generation_jobs"),
                           "the user says no"));
    bench_check_ledger(b);
}

static void refused_progress_does_not_end_the_job(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    refuse(b, "new.current_step LIKE 'generating%'");
    bench_start(b, 0, &(struct bench_options){.speed = 30});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_int_equal(b->w->told[ENGINE_JOB_LOST], 0);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, COMPLETED), 1);
}

static void a_job_that_cannot_even_be_failed_is_tried_again_later(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    refuse(b, "new.status <> 'processing' AND old.status = 'processing'");
    bench_start(b, 0, &(struct bench_options){0});
    while (b->flaky->asked[VERB_FINISH] < 3)
        bench_pass(b, 10 * USEC_PER_MSEC);
    bench_sql(b, "DROP TRIGGER mine");
    bench_until(b, "SELECT status <> 'processing' FROM script_generation_jobs");
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"), 0);
    bench_check_ledger(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_claimed_before_the_scale_is_known),
        TEST(opening_the_worker_fails),
        TEST(claiming_fails),
        TEST(reading_the_steps_fails),
        TEST(writing_the_intent_fails),
        TEST(saving_a_step_fails),
        TEST(finishing_fails),
        TEST(trouble_that_stays_is_told_after_trouble_that_passes),
        TEST(saving_text_fails),
        TEST(closing_a_call_fails),
        TEST(renewing_the_lease_fails_until_it_runs_out),
        TEST(a_lost_lease_is_counted_once_however_often_the_next_one_fails),
        TEST(a_salvaged_step_is_repeated_until_the_store_takes_it),
        TEST(a_job_cancelled_while_its_step_cannot_be_saved_still_pays),
        TEST(a_save_that_fails_after_the_job_was_cancelled_still_pays),
        TEST(a_stop_while_the_worker_opens),
        TEST(a_stop_while_claiming),
        TEST(a_stop_while_steps_are_read),
        TEST(a_stop_while_an_intent_is_written),
        TEST(a_stop_while_text_is_saved),
        TEST(a_stop_while_a_step_is_saved),
        TEST(a_stop_while_a_job_is_finished),
        TEST(trouble_with_a_claim_stops),
        TEST(trouble_with_steps_stops),
        TEST(trouble_with_an_intent_stops),
        TEST(trouble_with_text_stops),
        TEST(trouble_with_a_step_stops),
        TEST(trouble_with_a_finish_stops),
        TEST(a_store_that_takes_nothing_any_more_does_not_hold_up_the_end),
        TEST(a_store_that_answers_after_the_end_finds_nobody_harmed),
        TEST(a_batch_is_told_nothing_after_the_end),
        TEST(a_batch_waits_until_the_worker_is_open),
        TEST(a_batch_that_waits_is_refused_when_the_engine_stops),
        TEST(a_full_disk_in_the_middle_costs_nothing_twice),
        TEST(a_refused_completion_fails_the_job_with_the_databases_words),
        TEST(refused_progress_does_not_end_the_job),
        TEST(a_job_that_cannot_even_be_failed_is_tried_again_later),
    };
    return cmocka_run_group_tests_name("engine_store", tests, NULL, NULL);
}
