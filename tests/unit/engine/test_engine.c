/* In: jobs, clients who change their minds, stops. Out: what became of the jobs, and of the money.
 */
#include "engine_bench.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define STREAMING "SELECT sum(length(text)) > 300 FROM scriptorium_text"
#define STATUS    "SELECT status FROM script_generation_jobs"

/* Slow enough to be caught in the middle: a stream of 80 tokens a second, this much faster. */
static const struct bench_options slow = {.speed = 15};

static void a_job_becomes_a_script(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_IDLE, 1);
    assert_int_equal(b->w->told[ENGINE_JOB_CLAIMED], 1);
    assert_int_equal(b->w->told[ENGINE_JOB_COMPLETED], 1);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 0);
    assert_string_equal(bench_text(b, STATUS), "completed");
    assert_int_equal(bench_number(b, "SELECT progress FROM script_generation_jobs"), 100);
    assert_int_equal(bench_number(b, "SELECT retry_count FROM script_generation_jobs"), 0);
    /* Two minutes at 130 words a minute; a word has at least four letters and a blank, roughly. */
    assert_true(bench_number(b, "SELECT length(generated_script) FROM script_generation_jobs") >
                2 * 130 * 4);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue"), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_text"), 0);
    bench_check_ledger(b);
}

static void a_long_script_shows_each_step_with_its_progress(void **state)
{
    struct bench *b = *state;
    /* The first chunk's call breaks off: its continuation goes on from where it was. */
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":1200}");
    bench_faults(b, "[{\"nth\":2,\"fault\":\"error\",\"after_tokens\":1000}]");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_string_equal(
        b->w->shown, "initializing 5, preparing_data 10, outline 15, generating_chunk_1_of_2 20, "
                     "generating_chunk_2_of_2 50, validating_quality 85, saving_script 90, "
                     "completed 100");
    assert_int_equal(b->w->falls, 0);
    bench_check_ledger(b);
    /* The call that broke off is in it. */
    bench_until(b, "SELECT abs(1e6 * (script_metadata ->> 'costUsd') -"
                   " (SELECT sum(cost) FROM scriptorium_call)) < 0.5 FROM script_generation_jobs");
}

static void a_continued_chunk_shows_what_was_written_before(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST); /* one chunk of 1,573 words, about 2,100 tokens */
    bench_faults(b, "[{\"nth\":1,\"fault\":\"error\",\"after_tokens\":1500},"
                    "{\"nth\":2,\"fault\":\"spend\"}]");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_RELEASED, 1);
    bench_stop(b->w);
    bench_sql(b, "UPDATE scriptorium_queue SET state = 0, run_at = 0");
    struct worker *w = bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(w, ENGINE_JOB_COMPLETED, 1);
    /* The attempt began at 5; the first word of the continuation is not the chunk's first. */
    assert_non_null(strstr(w->shown, "preparing_data 10, generating_chunk_1_of_1 "));
    assert_true(atoi(strstr(w->shown, "generating_chunk_1_of_1 ") + 24) > 40);
}

static void ten_jobs_share_three_slots(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 10; i++)
        bench_insert(b, NULL);
    bench_start(b, 0, &(struct bench_options){.config.slots = 3});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 10);
    assert_int_equal(b->w->max_running, 3);
    bench_until_told(b->w, ENGINE_IDLE, 1);
    assert_int_equal(engine_running(b->w->engine), 0);
    bench_check_ledger(b);
}

/* Forty calls at once, three times: what the first forty teach is not learned forty times over. */
static void estimates_of_prompts_settle_however_many_calls_teach_them(void **state)
{
    struct bench *b = *state;
    bench_start(b, 0, &(struct bench_options){.config.slots = 40});
    for (int wave = 1; wave <= 3; wave++) {
        for (int i = 0; i < 40; i++)
            bench_insert(b, NULL);
        bench_until_told(b->w, ENGINE_JOB_COMPLETED, wave * 40);
    }
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 1 AND"
                                     " abs(estimated_input - input) * 2 > input"),
                     0);
}

static void a_job_that_comes_while_idle_is_taken_without_a_poll(void **state)
{
    struct bench *b = *state;
    bench_start(b, 0, &(struct bench_options){.config.poll_us = 3600 * USEC_PER_SEC});
    bench_until_told(b->w, ENGINE_IDLE, 1);
    bench_insert(b, NULL);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_until_told(b->w, ENGINE_IDLE, 2);
}

static void idle_tells_when_the_next_job_is_due(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    int64_t due = clock_wall() + 3600 * USEC_PER_SEC;
    char sql[128];
    (void)snprintf(sql, sizeof sql, "UPDATE scriptorium_queue SET state = 2, run_at = %lld",
                   (long long)due);
    bench_sql(b, sql);
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_IDLE, 1);
    assert_int_equal(b->w->told[ENGINE_JOB_CLAIMED], 0);
}

/* ---- clients write their rows while we stream ---- */

static void stream_first(struct bench *b)
{
    bench_insert(b, LONG_REQUEST);
    bench_start(b, 0, &slow);
    bench_until(b, STREAMING);
}

static void a_cancelled_job_is_dropped_within_a_second(void **state)
{
    struct bench *b = *state;
    stream_first(b);
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'cancelled'");
    int64_t asked = clock_mono();
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    assert_true(clock_mono() - asked < USEC_PER_SEC);
    assert_string_equal(b->w->message[ENGINE_JOB_LOST], "cancelled");
    assert_int_equal(engine_running(b->w->engine), 0);
    bench_stop(b->w);
    assert_string_equal(bench_text(b, STATUS), "cancelled");
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 2"), 1);
    bench_check_ledger(b);
}

static void a_cut_call_is_billed_under_its_own_number(void **state)
{
    struct bench *b = *state;
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":1200}"); /* outline, chunks */
    bench_start(b, 0, &slow);
    bench_until(b, "SELECT count(*) FROM scriptorium_call WHERE state = 1");
    bench_until(b, STREAMING); /* the next one */
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'cancelled'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call"
                                     " WHERE state = 2 AND request_id <> ''"),
                     1);
    bench_check_ledger(b);
}

static void a_deleted_job_leaves_only_its_bill(void **state)
{
    struct bench *b = *state;
    stream_first(b);
    bench_sql(b, "DELETE FROM script_generation_jobs");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    assert_string_equal(b->w->message[ENGINE_JOB_LOST], "deleted");
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue"), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_text"), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 2"), 1);
    bench_check_ledger(b);
}

static void a_job_that_is_run_again_while_it_streams_is_completed_once(void **state)
{
    struct bench *b = *state;
    stream_first(b);
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'pending'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    assert_string_equal(b->w->message[ENGINE_JOB_LOST], "taken over or run again");
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_until_told(b->w, ENGINE_IDLE, 1);
    assert_int_equal(b->w->told[ENGINE_JOB_CLAIMED], 2);
    assert_int_equal(b->w->told[ENGINE_JOB_COMPLETED], 1);
    assert_int_equal(b->w->max_running, 1); /* the old attempt is over before the new one begins */
    assert_string_equal(bench_text(b, STATUS), "completed");
    bench_check_ledger(b);
}

static void a_job_that_is_claimed_again_has_one_attempt_here(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    /* Neither a look nor a write tells that the first attempt is over. */
    bench_start(b, 0,
                &(struct bench_options){.speed = 15,
                                        .config.check_us = 3600 * USEC_PER_SEC,
                                        .config.text_save_us = 3600 * USEC_PER_SEC,
                                        .config.poll_us = 20 * USEC_PER_MSEC});
    bench_until(b, "SELECT count(*) FROM scriptorium_call");
    b->flaky->fail = VERBS(VERB_CHECK); /* the change hint asks for one */
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'pending'");
    bench_until_told(b->w, ENGINE_JOB_CLAIMED, 2);
    assert_int_equal(b->w->told[ENGINE_JOB_LOST], 1);
    assert_int_equal(engine_running(b->w->engine), 1);
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_check_ledger(b);
}

static void a_row_that_a_client_completes_stays_as_the_client_wrote_it(void **state)
{
    struct bench *b = *state;
    stream_first(b);
    bench_sql(b,
              "UPDATE script_generation_jobs SET status = 'completed', generated_script = 'mine'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    bench_stop(b->w);
    assert_string_equal(bench_text(b, "SELECT generated_script FROM script_generation_jobs"),
                        "mine");
    bench_check_ledger(b);
}

/* ---- stop, start ---- */

static void a_stopped_job_goes_on_where_it_was(void **state)
{
    struct bench *b = *state;
    stream_first(b);
    bench_stop(b->w);
    assert_string_equal(bench_text(b, STATUS), "pending");
    assert_string_equal(bench_text(b, "SELECT current_step FROM script_generation_jobs"), "queued");
    int64_t kept = bench_number(b, "SELECT sum(length(text)) FROM scriptorium_text");
    assert_true(kept > 300);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_worker"), 0);
    bench_check_ledger(b);

    bench_start(b, 0, &slow);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_step WHERE stop = 'cut'"),
                     1);
    bench_check_ledger(b);
}

static void the_grace_period_lets_a_stream_finish_its_step(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    bench_start(b, 0, &(struct bench_options){.speed = 15, .config.grace_us = 30 * USEC_PER_SEC});
    bench_until(b, STREAMING);
    bench_stop(b->w);
    assert_string_equal(bench_text(b, STATUS), "pending");
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state <> 1"), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_step"), 1);
    uint64_t before = bench_requests(b);
    bench_start(b, 0, &slow);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_int_equal(before, 1);
    bench_check_ledger(b); /* the first call was not made again */
}

static void stop_at(struct bench *b, enum engine_event_kind kind, const char *params)
{
    bench_insert(b, params);
    bench_insert(b, params);
    bench_start(b, 0, &(struct bench_options){0})->stop_at = kind;
    bench_until_told(b->w, ENGINE_STOPPED, 1);
    assert_int_equal(engine_running(b->w->engine), 0);
    engine_free(b->w->engine);
    b->w->engine = NULL;
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_worker"), 0);
    bench_check_ledger(b);
}

static void a_stop_from_inside_claimed(void **state)
{
    stop_at(*state, ENGINE_JOB_CLAIMED, NULL);
}

static void a_stop_from_inside_progress(void **state)
{
    stop_at(*state, ENGINE_JOB_PROGRESS, NULL);
}

static void a_stop_from_inside_step(void **state)
{
    stop_at(*state, ENGINE_JOB_STEP, NULL);
}

static void a_stop_from_inside_completed(void **state)
{
    stop_at(*state, ENGINE_JOB_COMPLETED, NULL);
}

static void a_stop_from_inside_failed(void **state)
{
    stop_at(*state, ENGINE_JOB_FAILED, "{\"topic\":\"Tides\",\"targetDuration\":-1}");
}

static void a_stop_at_any_moment_ends_and_the_rest_is_done_later(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++)
        bench_insert(b, NULL);
    int64_t wait = 1 * USEC_PER_MSEC;
    for (int stops = 0; bench_number(b, "SELECT count(*) FROM scriptorium_queue") > 0; stops++) {
        assert_true(stops < 40);
        bench_start(b, 0, &(struct bench_options){.speed = 60});
        bench_pass(b, wait);
        bench_stop(b->w);
        assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"),
                         0);
        wait += wait / 2 + USEC_PER_MSEC;
    }
    assert_int_equal(
        bench_number(b, "SELECT count(*) FROM script_generation_jobs WHERE status = 'completed'"),
        3);
    assert_int_equal(bench_number(b, "SELECT sum(retry_count) FROM script_generation_jobs"), 0);
    bench_check_ledger(b);
}

static void an_engine_that_never_started_stops_at_once(void **state)
{
    struct bench *b = *state;
    bench_start(b, 0, &(struct bench_options){0});
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_worker"), 0);
}

/* ---- requests that cannot or must not go on ---- */

static void a_request_that_cannot_be_run_fails_and_says_why(void **state)
{
    struct bench *b = *state;
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":-5}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_non_null(strstr(b->w->message[ENGINE_JOB_FAILED], "targetDuration"));
    assert_string_equal(bench_text(b, STATUS), "failed");
    assert_int_equal(bench_number(b, "SELECT retry_count FROM script_generation_jobs"), 0);
    assert_int_equal(bench_requests(b), 0);
}

static void an_unknown_model_fails_and_is_named(void **state)
{
    struct bench *b = *state;
    bench_insert(b, "{\"topic\":\"Tides\",\"model\":\"no-such-model\"}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_non_null(
        strstr(bench_text(b, "SELECT error_message FROM script_generation_jobs"), "no-such-model"));
    assert_int_equal(bench_requests(b), 0);
}

static void a_deadline_ends_a_job_in_the_middle_of_its_stream(void **state)
{
    struct bench *b = *state;
    char request[160], iso[CLOCK_ISO_SIZE];
    (void)snprintf(request, sizeof request,
                   "{\"topic\":\"Tides\",\"targetDuration\":3600,\"deadline\":\"%s\"}",
                   clock_iso(clock_wall() + 700 * USEC_PER_MSEC, iso));
    bench_insert(b, request);
    bench_start(b, 0, &slow);
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_string_equal(b->w->message[ENGINE_JOB_FAILED], "the job's deadline has passed");
    assert_string_equal(bench_text(b, STATUS), "failed");
    bench_stop(b->w);
    bench_check_ledger(b);
}

static void a_deadline_that_has_passed_costs_nothing(void **state)
{
    struct bench *b = *state;
    bench_insert(b, "{\"topic\":\"Tides\",\"deadline\":\"2020-01-01T00:00:00Z\"}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_int_equal(bench_requests(b), 0);
}

static void max_cost_stops_the_next_call(void **state)
{
    struct bench *b = *state;
    /* At 10 dollars per million tokens the outline of an hour, four chunks, is expected to take
     * 220 x 4 words of 1.5 tokens: 1.3 cents and its prompt. A chunk of 2,145 words: 3.2 cents. */
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":3600,\"maxCostUsd\":0.03}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_non_null(strstr(b->w->message[ENGINE_JOB_FAILED], "maxCostUsd"));
    assert_int_equal(bench_requests(b), 1);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_step"), 1);
    bench_check_ledger(b);
}

static void max_cost_counts_what_cut_calls_cost(void **state)
{
    struct bench *b = *state;
    /* An outline cannot be salvaged, so it would be asked for again, for 1.3 cents at least. */
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":3600,\"maxCostUsd\":0.02}");
    bench_faults(b, "[{\"nth\":1,\"times\":50,\"fault\":\"cut\",\"after_tokens\":800}]");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_non_null(strstr(b->w->message[ENGINE_JOB_FAILED], "maxCostUsd"));
    assert_int_equal(bench_requests(b), 1);
}

static void a_call_that_would_pass_max_cost_is_not_made(void **state)
{
    struct bench *b = *state;
    /* 10 minutes: 1,430 words, 2.1 cents and the prompt. */
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":600,\"maxCostUsd\":0.02}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_FAILED, 1);
    assert_non_null(strstr(b->w->message[ENGINE_JOB_FAILED], "$0.0000 are spent and chunk_1"));
    assert_int_equal(bench_requests(b), 0);
}

/* ---- several workers ---- */

static void two_engines_share_the_work_and_do_nothing_twice(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 8; i++)
        bench_insert(b, NULL);
    struct bench_options options = {.speed = 60, .config.slots = 2, .config.poll_us = 20000};
    bench_start(b, 0, &options);
    bench_start(b, 1, &options);
    bench_until_told(&b->workers[0], ENGINE_IDLE, 1);
    bench_until_told(&b->workers[1], ENGINE_IDLE, 1);
    bench_until(b, "SELECT count(*) = 0 FROM scriptorium_queue");
    assert_int_equal(
        b->workers[0].told[ENGINE_JOB_COMPLETED] + b->workers[1].told[ENGINE_JOB_COMPLETED], 8);
    assert_true(b->workers[0].told[ENGINE_JOB_COMPLETED] > 0);
    assert_true(b->workers[1].told[ENGINE_JOB_COMPLETED] > 0);
    bench_check_ledger(b);
}

static void a_worker_declared_dead_starts_over_with_a_new_name(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_start(b, 0,
                &(struct bench_options){.speed = 15,
                                        .config.lease_us = 600 * USEC_PER_MSEC,
                                        .config.check_us = 3600 * USEC_PER_SEC});
    bench_until(b, STREAMING);
    bench_sql(b, "DELETE FROM scriptorium_worker");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    assert_int_equal(b->w->told[ENGINE_IDLE], 0); /* there is work, it is only not ours now */
    bench_until(b, "SELECT count(*) FROM scriptorium_worker");
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'pending'"); /* as a rescuer would */
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    assert_string_equal(bench_text(b, STATUS), "completed");
    bench_stop(b->w);
    bench_check_ledger(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_becomes_a_script),
        TEST(a_long_script_shows_each_step_with_its_progress),
        TEST(a_continued_chunk_shows_what_was_written_before),
        TEST(ten_jobs_share_three_slots),
        TEST(estimates_of_prompts_settle_however_many_calls_teach_them),
        TEST(a_job_that_comes_while_idle_is_taken_without_a_poll),
        TEST(idle_tells_when_the_next_job_is_due),
        TEST(a_cancelled_job_is_dropped_within_a_second),
        TEST(a_cut_call_is_billed_under_its_own_number),
        TEST(a_deleted_job_leaves_only_its_bill),
        TEST(a_job_that_is_run_again_while_it_streams_is_completed_once),
        TEST(a_job_that_is_claimed_again_has_one_attempt_here),
        TEST(a_row_that_a_client_completes_stays_as_the_client_wrote_it),
        TEST(a_stopped_job_goes_on_where_it_was),
        TEST(the_grace_period_lets_a_stream_finish_its_step),
        TEST(a_stop_from_inside_claimed),
        TEST(a_stop_from_inside_progress),
        TEST(a_stop_from_inside_step),
        TEST(a_stop_from_inside_completed),
        TEST(a_stop_from_inside_failed),
        TEST(a_stop_at_any_moment_ends_and_the_rest_is_done_later),
        TEST(an_engine_that_never_started_stops_at_once),
        TEST(a_request_that_cannot_be_run_fails_and_says_why),
        TEST(an_unknown_model_fails_and_is_named),
        TEST(a_deadline_ends_a_job_in_the_middle_of_its_stream),
        TEST(a_deadline_that_has_passed_costs_nothing),
        TEST(max_cost_stops_the_next_call),
        TEST(max_cost_counts_what_cut_calls_cost),
        TEST(a_call_that_would_pass_max_cost_is_not_made),
        TEST(two_engines_share_the_work_and_do_nothing_twice),
        TEST(a_worker_declared_dead_starts_over_with_a_new_name),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
