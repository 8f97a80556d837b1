/* In: events and rows about jobs. Out: one entry per job that says where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "app/board.h"

static struct uuid id(uint8_t n)
{
    return (struct uuid){.bytes = {[15] = n}};
}

static void a_job_goes_from_waiting_over_running_to_its_end(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct engine_event ev = {.kind = ENGINE_JOB_CLAIMED, .job = id(1), .step = "initializing"};
    assert_int_equal(board_job(b, &ev.job)->state, BOARD_WAITING);
    assert_true(board_event(b, &ev, 10));
    assert_int_equal(board_job(b, &ev.job)->state, BOARD_RUNNING);
    ev.kind = ENGINE_JOB_PROGRESS;
    ev.words = 40;
    ev.progress = 22;
    assert_false(board_event(b, &ev, 20)); /* same step: nothing to announce */
    ev.step = "generating_chunk_1_of_1";
    assert_true(board_event(b, &ev, 30));
    ev.kind = ENGINE_JOB_COMPLETED;
    ev.step = "completed";
    assert_true(board_event(b, &ev, 40));
    const struct board_job *job = board_at(b, 0);
    assert_int_equal(board_count(b), 1);
    assert_int_equal(job->state, BOARD_DONE);
    assert_int_equal(job->progress, 100);
    assert_int_equal(job->words, 40);
    assert_int_equal(job->since_us, 40);
    board_free(b);
}

static void a_retry_waits_and_says_why(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct engine_event ev = {.kind = ENGINE_JOB_RETRY, .job = id(1), .message = "refused"};
    (void)board_event(b, &ev, 0);
    assert_int_equal(board_at(b, 0)->state, BOARD_WAITING);
    assert_string_equal(board_at(b, 0)->message, "refused");
    board_free(b);
}

static void events_about_no_job_add_none(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct engine_event ev = {.kind = ENGINE_IDLE};
    assert_false(board_event(b, &ev, 0));
    assert_int_equal(board_count(b), 0);
    board_free(b);
}

static void entries_stay_where_they_are_however_many_come(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct uuid first = id(0);
    struct board_job *job = board_job(b, &first);
    for (int i = 1; i < 200; i++) {
        struct uuid other = id((uint8_t)i);
        (void)board_job(b, &other);
    }
    assert_ptr_equal(board_job(b, &first), job);
    assert_int_equal(board_count(b), 200);
    board_free(b);
}

static void a_topic_is_cut_between_characters(void **state)
{
    (void)state;
    struct board_job job = {.words = 0};
    char params[2 * BOARD_TOPIC_SIZE + 32] = "{\"topic\":\"x";
    for (int i = 0; i < BOARD_TOPIC_SIZE; i++)
        (void)strcat(params, "ä"); /* two bytes: the limit falls inside one */
    (void)strcat(params, "\"}");
    board_topic(&job, params);
    /* 95 bytes of room: x and 47 whole characters. */
    assert_int_equal(strlen(job.topic), 95);
    assert_memory_equal(job.topic + 93, "ä", 2);
}

static void a_stored_row_tells_the_same(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct store_job row = {.id = id(1),
                            .status = JOB_COMPLETED,
                            .progress = 100,
                            .current_step = "completed",
                            .params = "{\"topic\":\"Salt\"}",
                            .metadata = "{\"words\":1300}",
                            .created_us = 1000000,
                            .started_us = 3000000,
                            .completed_us = 10000000};
    assert_true(board_row(b, &row, 0, 20000000));
    const struct board_job *job = board_at(b, 0);
    assert_int_equal(job->state, BOARD_DONE);
    assert_string_equal(job->topic, "Salt");
    assert_int_equal(job->words, 1300);
    assert_int_equal(job->waited_us, 2000000);
    assert_int_equal(job->worked_us, 7000000);
    board_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_goes_from_waiting_over_running_to_its_end),
        cmocka_unit_test(a_retry_waits_and_says_why),
        cmocka_unit_test(events_about_no_job_add_none),
        cmocka_unit_test(entries_stay_where_they_are_however_many_come),
        cmocka_unit_test(a_topic_is_cut_between_characters),
        cmocka_unit_test(a_stored_row_tells_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
