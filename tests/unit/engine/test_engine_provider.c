/* In: a provider that refuses, as a whole or in part. Out: who waits, who goes on, and what the
 * operator is told. The faults of single answers are tests/blackbox/faults.test.mjs. */
#include "engine_bench.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "provider/sim/sim_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

#define LATER      "SELECT count(*) FROM scriptorium_queue WHERE state = 2"
#define WAITING    "SELECT count(*) FROM scriptorium_queue WHERE state = 0"
#define BURNED     "SELECT sum(retry_count) FROM script_generation_jobs"

static void a_spend_limit_hands_everything_back_and_nothing_is_claimed(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++)
        bench_insert(b, NULL);
    bench_faults(b, "[{\"nth\":1,\"times\":100,\"fault\":\"spend\"}]");
    bench_start(b, 0, &(struct bench_options){.config.poll_us = 10 * USEC_PER_MSEC});
    bench_until_told(b->w, ENGINE_JOB_RELEASED, 3);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1);
    assert_non_null(strstr(b->w->message[ENGINE_TROUBLE], "spend_limit"));
    uint64_t requests = bench_requests(b);
    assert_in_range(requests, 1, 3);
    bench_insert(b, NULL);
    bench_pass(b, 200 * USEC_PER_MSEC);
    assert_int_equal(b->w->told[ENGINE_JOB_CLAIMED], 3);
    assert_int_equal(bench_requests(b), requests);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, LATER), 0); /* the next start may go on at once */
    assert_int_equal(bench_number(b, WAITING), 4);
    assert_int_equal(bench_number(b, BURNED), 0);
    bench_check_ledger(b);
}

static void a_stop_in_the_middle_of_parking_ends_each_run_once(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++)
        bench_insert(b, NULL);
    bench_faults(b, "[{\"nth\":1,\"times\":100,\"fault\":\"spend\"}]");
    bench_start(b, 0, &(struct bench_options){0})->stop_at = ENGINE_TROUBLE;
    bench_until_told(b->w, ENGINE_STOPPED, 1);
    engine_free(b->w->engine);
    b->w->engine = NULL;
    assert_int_equal(b->w->told[ENGINE_JOB_RELEASED], 3);
    assert_int_equal(b->w->told[ENGINE_JOB_LOST], 0);
    bench_check_ledger(b);
}

static void one_model_that_is_not_there_does_not_stop_the_others(void **state)
{
    static const char models[] = "default: claude-sonnet-5-5\nmodels:\n  - id: claude-sonnet-5-5\n"
                                 "    name: S\n    rate_class: sonnet\n"
                                 "    api_version: \"2026-10-21\"\n    sampling: false\n"
                                 "    schema: true\n    context_tokens: 1000000\n"
                                 "    max_output_tokens: 128000\n    prices:\n"
                                 "      - {input: 2, output: 10, cache_read: 0.1}\n";
    struct bench *b = *state;
    struct catalog *few;
    struct errmsg msg = {0};
    if (catalog_parse(models, sizeof models - 1, "few.yaml", &few, &msg) != OK)
        fail_msg("%s", msg.text);
    bench_faults(b, "[]");
    b->sim->catalog = few;
    bench_insert(b, "{\"topic\":\"Tides\",\"targetDuration\":120,\"model\":\"claude-haiku-4-5\"}");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_RELEASED, 1);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1);
    assert_non_null(strstr(b->w->message[ENGINE_TROUBLE], "check the model id"));
    bench_insert(b, NULL);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, LATER), 1);
    assert_int_equal(bench_number(b, BURNED), 0);
    bench_check_ledger(b);
    catalog_free(few);
    b->sim->catalog = b->catalog;
}

static void an_unreachable_provider_is_told_and_burns_nothing(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    bench_insert(b, NULL);
    bench_start(b, 0, &(struct bench_options){.unreachable = true});
    bench_until_told(b->w, ENGINE_JOB_RELEASED, 2);
    assert_int_equal(b->w->told[ENGINE_TROUBLE], 1);
    assert_non_null(strstr(b->w->message[ENGINE_TROUBLE], "cannot be reached"));
    bench_stop(b->w);
    assert_int_equal(bench_number(b, BURNED), 0);
    bench_check_ledger(b);
}

static void parked_in_the_middle_of_a_stream_keeps_the_text(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"error\",\"after_tokens\":600},"
                    "{\"nth\":2,\"fault\":\"spend\",\"times\":9}]");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_RELEASED, 1);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_step WHERE stop = 'cut'"),
                     1);
    assert_int_equal(bench_requests(b), 2);
    fates_reset(b->sim->fates);
    bench_sql(b, "UPDATE scriptorium_queue SET state = 0, run_at = 0");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_check_ledger(b);
}

static void a_lease_that_runs_out_before_the_send_keeps_the_request_here(void **state)
{
    struct bench *b = *state;
    bench_insert(b, NULL);
    b->flaky->hold = VERBS(VERB_CALL_OPEN);
    bench_start(b, 0, &(struct bench_options){.config.lease_us = 300 * USEC_PER_MSEC});
    while (b->flaky->held == 0)
        bench_pass(b, 5 * USEC_PER_MSEC);
    b->flaky->fail = VERBS(VERB_WORKER_RENEW);
    bench_pass(b, 500 * USEC_PER_MSEC);
    flaky_let_go(b->flaky);
    bench_pass(b, 200 * USEC_PER_MSEC);
    assert_int_equal(bench_requests(b), 0);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 3"), 1);
    b->flaky->fail = no_verbs;
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_stop(b->w);
    bench_check_ledger(b);
}

static void an_idle_stream_is_continued_from_what_it_wrote(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"stall\",\"after_tokens\":600}]");
    bench_start(b, 0, &(struct bench_options){.idle_timeout_us = 500 * USEC_PER_MSEC});
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
    bench_stop(b->w);
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_step WHERE stop = 'cut'"),
                     1);
    assert_int_equal(bench_number(b, BURNED), 0);
    bench_check_ledger(b);
}

/* All that came while the process stood still is read at once: that is no speed of the stream, and
 * what it makes in the moment that the cut takes must not be reckoned by it. */
static void a_cut_after_a_standstill_is_not_charged_for_a_burst(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_start(b, 0,
                &(struct bench_options){.speed = 10, .config = {.check_us = 10 * USEC_PER_MSEC}});
    while (bench_requests(b) == 0)
        bench_pass(b, USEC_PER_MSEC);
    (void)usleep(1000000); /* 800 tokens at this speed, but for the wait for the first one */
    bench_until(b, "SELECT count(*) FROM scriptorium_text");
    bench_sql(b, "UPDATE script_generation_jobs SET status = 'cancelled'");
    bench_until_told(b->w, ENGINE_JOB_LOST, 1);
    bench_stop(b->w);
    int64_t charged = bench_number(b, "SELECT output FROM scriptorium_call WHERE state = 2");
    assert_in_range(charged, 1, truth_find(b->sim->truth, 1)->generated + 200);
    bench_check_ledger(b);
}

/* A process that has just started has learned nothing yet, and nothing else to go by than the text.
 */
static void the_first_cut_call_of_a_process_is_charged_for_what_it_was(void **state)
{
    struct bench *b = *state;
    bench_insert(b, LONG_REQUEST);
    bench_faults(b, "[{\"nth\":1,\"fault\":\"cut\",\"after_tokens\":1000}]");
    bench_start(b, 0, &(struct bench_options){0});
    bench_until(b, "SELECT count(*) FROM scriptorium_call WHERE state = 2");
    assert_int_equal(truth_find(b->sim->truth, 1)->generated, 1000);
    assert_in_range(bench_number(b, "SELECT output FROM scriptorium_call WHERE state = 2"), 970,
                    1030);
    bench_until_told(b->w, ENGINE_JOB_COMPLETED, 1);
}

static void a_wait_of_days_is_looked_at_again_within_the_hour(void **state)
{
    struct bench *b = *state;
    struct worker *w = bench_start(b, 0, &(struct bench_options){0});
    const char *class = catalog_default(b->catalog)->rate_class;
    struct rate_report ten = {.requests = {-1, -1, 0}, .input = {10, 10, 0}, .output = {-1, -1, 0}};
    struct pacer_need much = {.rate_class = class, .input_tokens = 100000}; /* a week of it */
    uint64_t ticket;
    pacer_report(w->pacer, class, &ten, loop_now(b->loop), loop_wall(b->loop));
    assert_int_equal(pacer_admit(w->pacer, &much, loop_now(b->loop), &ticket), 0);
    bench_insert(b, NULL);
    bench_until_told(w, ENGINE_JOB_RELEASED, 1);
    bench_stop(w);
    int64_t wait_us = bench_number(b, "SELECT run_at FROM scriptorium_queue") - clock_wall();
    assert_in_range(wait_us, 30 * USEC_PER_SEC, 3600 * USEC_PER_SEC);
    assert_int_equal(bench_requests(b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_spend_limit_hands_everything_back_and_nothing_is_claimed),
        TEST(a_stop_in_the_middle_of_parking_ends_each_run_once),
        TEST(one_model_that_is_not_there_does_not_stop_the_others),
        TEST(an_unreachable_provider_is_told_and_burns_nothing),
        TEST(parked_in_the_middle_of_a_stream_keeps_the_text),
        TEST(a_lease_that_runs_out_before_the_send_keeps_the_request_here),
        TEST(an_idle_stream_is_continued_from_what_it_wrote),
        TEST(a_cut_after_a_standstill_is_not_charged_for_a_burst),
        TEST(the_first_cut_call_of_a_process_is_charged_for_what_it_was),
        TEST(a_wait_of_days_is_looked_at_again_within_the_hour),
    };
    return cmocka_run_group_tests_name("engine_provider", tests, NULL, NULL);
}
