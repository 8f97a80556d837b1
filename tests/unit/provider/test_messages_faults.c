/* In: the real HTTP client against streams that break, lie, drip or fall silent. Out: what each
 * call came to, byte by byte. Faults are numbered as the list of provider faults does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "messages_bench.h"
#include "stream_bodies.h"

/* ---- broken streams ---- */

static void fault_9_an_error_as_first_event_is_classified_like_a_status(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM, EVENT("error", ERROR("overloaded_error", "Overloaded")));
    bench_check(b, CALL_OVERLOADED, "");
    assert_false(b->end.billed);
    assert_int_equal(b->end.http_status, 200);
    assert_string_equal(b->error,
                        "the provider broke its answer off: overloaded_error: Overloaded");
}

static void fault_10_an_error_after_a_thousand_tokens_keeps_the_text(void **state)
{
    struct bench *b = *state;
    struct buf expected = BUF_INIT(1 << 20);
    scripted_send(b->server, STREAM START BLOCK("0", "text"));
    for (int i = 0; i < 50; i++) {
        scripted_send(b->server, TEXT("0", "one two three four five six seven eight nine ten "
                                           "one two three four five six seven eight nine ten "));
        buf_puts(&expected, "one two three four five six seven eight nine ten "
                            "one two three four five six seven eight nine ten ");
    }
    scripted_send(b->server, EVENT("error", ERROR("api_error", "broke")));
    bench_run(b);
    bench_check(b, CALL_OVERLOADED, expected.data);
    assert_true(b->end.billed);
    assert_false(b->end.usage_final);
    assert_int_equal(b->end.usage.input, 25);
    assert_int_equal(b->end.usage.output, tokens_estimate(expected.data, expected.len));
    assert_int_equal(b->end.stop, STOP_CUT);
    buf_free(&expected);
}

static void fault_11_an_end_without_stop_reason_is_never_success(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM, START BLOCK("0", "text") TEXT("0", "Half."));
    bench_check(b, CALL_RETRY, "Half.");
    assert_true(b->end.billed);
    assert_string_equal(b->error, "the model's answer was cut off: the connection ended before "
                                  "the answer did");
}

static void fault_12_an_end_after_stop_reason_is_success(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM, START BLOCK("0", "text") TEXT("0", "All.") BLOCK_STOP("0") END_TURN);
    bench_check(b, CALL_DONE, "All.");
    assert_int_equal(b->end.usage.output, 15);
    assert_true(b->end.usage_final);
}

static void fault_12_even_when_the_connection_is_reset(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START BLOCK("0", "text") TEXT("0", "All.") END_TURN);
    scripted_pause(b->server, 50 * MS); /* a reset discards what was not read yet */
    scripted_rst(b->server);
    bench_run(b);
    bench_check(b, CALL_DONE, "All.");
}

static void fault_13_message_stop_without_its_blank_line_is_success(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM,
               START BLOCK("0", "text") TEXT("0", "All.") END_TURN
               "event: message_stop\ndata: {\"type\":\"message_stop\"}");
    bench_check(b, CALL_DONE, "All.");
}

static void an_answer_is_done_though_the_connection_stays_open(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START BLOCK("0", "text") TEXT("0", "All.") END_TURN STOP);
    bench_run(b);
    bench_check(b, CALL_DONE, "All.");
}

static void fault_14_a_reset_inside_a_character_salvages_whole_events(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server,
                  STREAM START BLOCK("0", "text") TEXT(
                      "0", "Caf\xc3\xa9.") "event: content_block_delta\ndata: "
                                           "{\"type\":\"content_block_delta\",\"index\":0,"
                                           "\"delta\":{\"type\":\"text_delta\",\"text\":\"caf\xc3");
    scripted_pause(b->server, 50 * MS);
    scripted_rst(b->server);
    bench_run(b);
    bench_check(b, CALL_RETRY, "Caf\xc3\xa9.");
    assert_true(b->end.billed);
}

/* ---- silence ---- */

static void fault_15_no_headers_ever_is_the_header_timeout(void **state)
{
    struct bench *b = *state;
    int64_t began = clock_mono();
    bench_run(b); /* an empty script: accepted, then nothing */
    bench_check(b, CALL_RETRY, "");
    assert_true(b->end.sent);
    assert_int_equal(b->end.http_status, 0);
    assert_true(clock_mono() - began >= LATE);
}

static void fault_16_silence_after_message_start_is_the_idle_timeout(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START BLOCK("0", "text") TEXT("0", "Some."));
    int64_t began = clock_mono();
    bench_run(b);
    bench_check(b, CALL_RETRY, "Some.");
    assert_true(clock_mono() - began >= LATE);
    assert_non_null(strstr(b->error, "silent"));
}

static void fault_17_pings_for_ever_are_the_progress_timeout(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START);
    for (int i = 0; i < 25; i++) { /* 2.5 s of them */
        scripted_pause(b->server, 100 * MS);
        scripted_send(b->server, PING);
    }
    int64_t began = clock_mono();
    bench_run(b);
    bench_check(b, CALL_RETRY, "");
    assert_true(clock_mono() - began >= 2 * LATE);
    assert_true(clock_mono() - began < 2500 * MS);
    assert_string_equal(b->error,
                        "the model's answer was cut off: nothing but signs of life came for too "
                        "long");
}

static void fault_18_silent_thinking_with_pings_is_not_killed(void **state)
{
    struct bench *b = *state;
    /* Longer than the idle limit before thinking begins and again while it lasts; each shorter than
     * the progress limit, both together longer: 500 + 500 > 800. */
    scripted_send(b->server, STREAM START);
    for (int i = 0; i < 5; i++) {
        scripted_pause(b->server, 100 * MS);
        scripted_send(b->server, PING);
    }
    scripted_send(b->server, BLOCK("0", "thinking"));
    for (int i = 0; i < 5; i++) {
        scripted_pause(b->server, 100 * MS);
        scripted_send(b->server, PING);
    }
    scripted_send(b->server, BLOCK_STOP("0") BLOCK("1", "text") TEXT("1", "Thought.")
                                 BLOCK_STOP("1") END_TURN STOP);
    scripted_fin(b->server);
    bench_run(b);
    bench_check(b, CALL_DONE, "Thought.");
}

static void fault_19_a_byte_at_a_time_is_the_progress_timeout(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START BLOCK("0", "text"));
    /* An event every 240 ms or so: never idle, and six bytes of text in the whole time. */
    for (int i = 0; i < 20; i++)
        scripted_drip(b->server, TEXT("0", "ab"), 2 * MS);
    bench_run(b);
    assert_int_equal(b->end.class, CALL_RETRY);
    assert_true(b->text.len > 0 && b->text.len < 20);
    assert_int_equal(strspn(buf_str(&b->text), "ab"), b->text.len);
}

static void fault_20_framing_torture_on_the_wire(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server,
                  HEAD "transfer-encoding: chunked\r\n\r\n1\r\n\xEF\r\n2\r\n\xBB\xBF\r\n");
    char *chunk = mem_printf("%zx\r\n%s\r\n", strlen(START), START);
    scripted_send(b->server, chunk);
    free(chunk);
    const char *rest =
        ": comment\r\n\r\nevent: new_thing\r\ndata: {\"type\":\"new_thing\"}\r\n\r\n" BLOCK(
            "0", "text") BLOCK("1", "text") TEXT("1", "second.") TEXT("0", "First, ")
            BLOCK_STOP("0") BLOCK_STOP("1") END_TURN STOP;
    chunk = mem_printf("%zx\r\n%s\r\n0\r\n\r\n", strlen(rest), rest);
    scripted_drip(b->server, chunk, 0);
    free(chunk);
    bench_run(b);
    bench_check(b, CALL_DONE, "First, second.");
}

static void fault_21_a_broken_grammar_is_a_typed_error(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM, START BLOCK("0", "text") TEXT("0", "Good.") TEXT("3", "bad"));
    bench_check(b, CALL_RETRY, "Good.");
    assert_string_equal(b->error,
                        "the model's answer was cut off: a delta came for a content block "
                        "that is not open");
}

static void fault_22_usage_is_never_added_up(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM,
               START BLOCK("0", "text") TEXT("0", "x") DELTA("null", "{\"output_tokens\":10}")
                   DELTA("null", "{\"output_tokens\":null}") DELTA("null", "{\"output_tokens\":20}")
                       DELTA("\"end_turn\"", "{\"output_tokens\":12}") STOP);
    bench_check(b, CALL_DONE, "x");
    assert_int_equal(b->end.usage.output, 20);
    assert_true(b->end.usage_final);
}

static void fault_22_missing_usage_is_an_estimate_and_says_so(void **state)
{
    struct bench *b = *state;
    bench_play(b, STREAM,
               START BLOCK("0", "text") TEXT("0", "one two three") DELTA("\"end_turn\"", "{}")
                   STOP);
    bench_check(b, CALL_DONE, "one two three");
    assert_false(b->end.usage_final);
    assert_int_equal(b->end.usage.output, tokens_estimate("one two three", 13));
}

static void fault_23_every_stop_reason_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *delta;
        enum stop_reason stop;
    } table[] = {
        {DELTA("\"max_tokens\"", "{\"output_tokens\":1}"), STOP_MAX_TOKENS},
        {DELTA("\"refusal\"", "{\"output_tokens\":1}"), STOP_REFUSAL},
        {DELTA("\"pause_turn\"", "{\"output_tokens\":1}"), STOP_PAUSE_TURN},
        {DELTA("\"model_context_window_exceeded\"", "{\"output_tokens\":1}"),
         STOP_CONTEXT_EXCEEDED},
        {END_TURN, STOP_END_TURN}, /* empty */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        void *fresh;
        bench_setup(&fresh);
        struct bench *b = fresh;
        char *body = mem_printf("%s%s%s", START, table[i].delta, STOP);
        bench_play(b, STREAM, body);
        bench_check(b, CALL_DONE, "");
        assert_int_equal(b->end.stop, table[i].stop);
        free(body);
        bench_teardown(&fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fault_9_an_error_as_first_event_is_classified_like_a_status),
        TEST(fault_10_an_error_after_a_thousand_tokens_keeps_the_text),
        TEST(fault_11_an_end_without_stop_reason_is_never_success),
        TEST(fault_12_an_end_after_stop_reason_is_success),
        TEST(fault_12_even_when_the_connection_is_reset),
        TEST(fault_13_message_stop_without_its_blank_line_is_success),
        TEST(an_answer_is_done_though_the_connection_stays_open),
        TEST(fault_14_a_reset_inside_a_character_salvages_whole_events),
        TEST(fault_15_no_headers_ever_is_the_header_timeout),
        TEST(fault_16_silence_after_message_start_is_the_idle_timeout),
        TEST(fault_17_pings_for_ever_are_the_progress_timeout),
        TEST(fault_18_silent_thinking_with_pings_is_not_killed),
        TEST(fault_19_a_byte_at_a_time_is_the_progress_timeout),
        TEST(fault_20_framing_torture_on_the_wire),
        TEST(fault_21_a_broken_grammar_is_a_typed_error),
        TEST(fault_22_usage_is_never_added_up),
        TEST(fault_22_missing_usage_is_an_estimate_and_says_so),
        TEST(fault_23_every_stop_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
