/* In: scripted bodies of streamed answers, whole and cut. Out: text, usage and state, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/messages_stream.h"
#include "stream_bodies.h"

struct seen {
    struct messages_stream stream;
    int starts;
    struct buf text;
    bool refuse; /* the text handler says no */
};

static enum err on_start(void *ctx, const struct usage *usage)
{
    struct seen *seen = ctx;
    seen->starts++;
    assert_int_equal(usage->input, 25);
    assert_int_equal(usage->output, 0);
    return OK;
}

static enum err on_text(void *ctx, const char *text, size_t n)
{
    struct seen *seen = ctx;
    buf_put(&seen->text, text, n);
    return seen->refuse ? ERR_BUSY : OK;
}

static const struct messages_handlers handlers = {on_start, on_text};

static struct seen *begin(void)
{
    struct seen *seen = mem_alloc(sizeof(*seen));
    seen->text = BUF_INIT(32 << 20);
    messages_stream_init(&seen->stream, &handlers, seen);
    return seen;
}

static void finish(struct seen *seen)
{
    messages_stream_free(&seen->stream);
    buf_free(&seen->text);
    free(seen);
}

static struct seen *play_chunks(const char *body, size_t chunk)
{
    struct seen *seen = begin();
    for (size_t at = 0, n = strlen(body); at < n; at += chunk)
        assert_int_equal(
            messages_stream_feed(&seen->stream, body + at, n - at < chunk ? n - at : chunk), OK);
    assert_int_equal(messages_stream_end(&seen->stream), OK);
    assert_int_equal(seen->text.len, seen->stream.text.len);
    assert_string_equal(buf_str(&seen->text), buf_str(&seen->stream.text));
    return seen;
}

/* Plays it whole and byte by byte: both must end alike. */
static void expect(const char *body, enum messages_state state, const char *text, int64_t output)
{
    const size_t chunks[] = {1, 7, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        struct seen *seen = play_chunks(body, chunks[i]);
        assert_int_equal(seen->stream.state, state);
        assert_string_equal(buf_str(&seen->text), text);
        if (output >= 0)
            assert_int_equal(messages_stream_usage(&seen->stream).output, output);
        finish(seen);
    }
}

static void expect_broken(const char *body, const char *why)
{
    struct seen *seen = play_chunks(body, 1 << 20);
    assert_int_equal(seen->stream.state, MESSAGES_BROKEN);
    assert_string_equal(seen->stream.error_text, why);
    finish(seen);
}

static void a_whole_answer_is_complete(void **state)
{
    (void)state;
    const char *body = START BLOCK("0", "text") PING TEXT("0", "Hello, ")
        TEXT("0", "w\\u00f6rld \\ud83d\\ude00\\n") BLOCK_STOP("0") END_TURN STOP;
    expect(body, MESSAGES_COMPLETE, "Hello, w\xc3\xb6rld \xf0\x9f\x98\x80\n", 15);
    struct seen *seen = play_chunks(body, 3);
    struct usage u = messages_stream_usage(&seen->stream);
    assert_int_equal(u.input, 25);
    assert_int_equal(u.cache_read, 100);
    assert_int_equal(u.cache_write_5m, 7);
    assert_int_equal(u.cache_write_1h, 0);
    assert_string_equal(seen->stream.model, "claude-x");
    assert_string_equal(seen->stream.stop_reason, "end_turn");
    assert_true(seen->stream.output_told);
    assert_int_equal(seen->starts, 1);
    finish(seen);
}

static void thinking_is_never_text(void **state)
{
    (void)state;
    expect(START BLOCK("0", "thinking") THINK("0", "let me see")
               EVENT("content_block_delta",
                     "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                     "\"signature_delta\",\"signature\":\"abc\"}}") TEXT("0", "stray")
                   BLOCK_STOP("0") BLOCK("1", "text") TEXT("1", "Answer.") BLOCK_STOP("1")
                       END_TURN STOP,
           MESSAGES_COMPLETE, "Answer.", 15);
}

static void an_error_may_be_the_first_event(void **state)
{
    (void)state;
    struct seen *seen = play_chunks(
        EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                       "\"message\":\"Overloaded\",\"details\":{\"error_code\":\"x1\"}}}"),
        1);
    assert_int_equal(seen->stream.state, MESSAGES_ERROR);
    assert_false(seen->stream.started);
    assert_string_equal(seen->stream.error_type, "overloaded_error");
    assert_string_equal(seen->stream.error_text, "Overloaded");
    assert_string_equal(seen->stream.error_code, "x1");
    finish(seen);
}

static void an_error_later_keeps_the_text(void **state)
{
    (void)state;
    /* "abcdefgh": one word of eight letters; estimated, as nothing was told. */
    const char *body = START BLOCK("0", "text") TEXT("0", "abcdefgh")
        EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}")
            TEXT("0", "never");
    expect(body, MESSAGES_ERROR, "abcdefgh", tokens_estimate("abcdefgh", 8));
}

static void the_end_without_a_stop_reason_is_truncated(void **state)
{
    (void)state;
    expect("", MESSAGES_TRUNCATED, "", 0);
    expect(PING, MESSAGES_TRUNCATED, "", 0);
    expect(START BLOCK("0", "text") TEXT("0", "Half of it"), MESSAGES_TRUNCATED, "Half of it", -1);
    expect(START BLOCK("0", "text") TEXT("0", "a") BLOCK_STOP("0")
               DELTA("null", "{\"output_tokens\":90}"),
           MESSAGES_TRUNCATED, "a", 90);
    expect(START BLOCK("0", "text") TEXT("0", "a") BLOCK_STOP("0") STOP, MESSAGES_TRUNCATED, "a",
           -1);
}

static void the_end_after_a_stop_reason_is_success(void **state)
{
    (void)state;
    const char *body = START BLOCK("0", "text") TEXT("0", "All of it.") BLOCK_STOP("0") END_TURN;
    expect(body, MESSAGES_COMPLETE, "All of it.", 15);
}

static void message_stop_without_its_blank_line_is_success(void **state)
{
    (void)state;
    expect(START BLOCK("0", "text") TEXT("0", "All.") END_TURN
           "event: message_stop\ndata: {\"type\":\"message_stop\"}\n",
           MESSAGES_COMPLETE, "All.", 15);
    expect(START BLOCK("0", "text") TEXT("0", "All.") END_TURN
           "event: message_stop\ndata: {\"type\":\"mess",
           MESSAGES_COMPLETE, "All.", 15);
    /* The stop reason itself lacks only its blank line. */
    expect(START BLOCK("0", "text") TEXT(
               "0", "All.") "event: message_delta\ndata: "
                            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
                            "\"usage\":{\"output_tokens\":3}}",
           MESSAGES_COMPLETE, "All.", 3);
}

static void a_cut_inside_utf8_or_json_salvages_whole_events(void **state)
{
    (void)state;
    expect(START BLOCK("0", "text") TEXT(
               "0",
               "Whole \xe2\x82\xac.") "event: content_block_delta\ndata: "
                                      "{\"type\":\"content_block_delta\",\"index\":0,"
                                      "\"delta\":{\"type\":\"text_delta\",\"text\":\"cut \xe2\x82",
           MESSAGES_TRUNCATED, "Whole \xe2\x82\xac.", -1);
}

static void every_cut_yields_a_prefix_and_never_a_false_success(void **state)
{
    (void)state;
    const char *body = START BLOCK("0", "text") TEXT("0", "One. ") TEXT("0", "Two \\u20ac. ")
        TEXT("0", "Three.") BLOCK_STOP("0") END_TURN STOP;
    const char *text = "One. Two \xe2\x82\xac. Three.";
    const char *stop = strstr(body, "\"usage\":{\"output_tokens\":15}}");
    size_t decided = (size_t)(stop - body) + strlen("\"usage\":{\"output_tokens\":15}}");
    for (size_t n = 0; n <= strlen(body); n++) {
        char *cut = mem_strndup(body, n);
        struct seen *seen = play_chunks(cut, 11);
        assert_memory_equal(buf_str(&seen->text), text, seen->text.len);
        assert_int_equal(seen->stream.state, n >= decided ? MESSAGES_COMPLETE : MESSAGES_TRUNCATED);
        finish(seen);
        free(cut);
    }
}

static void framing_torture_changes_nothing(void **state)
{
    (void)state;
    expect("\xEF\xBB\xBF: a comment\r\n"
           "event: message_start\r\ndata: {\"type\":\"message_start\",\r\n"
           "data: \"message\":{\"usage\":{\"input_tokens\":25}}}\r\n\r\n"
           "id: 5\rretry: 10\revent: whatever_is_new\rdata: {\"type\":\"whatever_is_new\"}\r\r"
           "data: {\"index\":0,\"type\":\"content_block_start\","
           "\"content_block\":{\"text\":\"A\",\"type\":\"text\"}}\n\n"
           "event: ping\ndata:\n\n"
           "data: {\"delta\":{\"text\":\"B\",\"x\":[{\"type\":1}],\"type\":\"text_delta\"},"
           "\"index\":0,\"type\":\"content_block_delta\",\"more\":{\"type\":\"ping\"}}\n\n" TEXT(
               "0", "C") "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                         "\"index\":0,\"delta\":{\"type\":\"new_delta\"}}\n\n" BLOCK_STOP("0")
                             END_TURN STOP "garbage after the end\n\n",
           MESSAGES_COMPLETE, "ABC", 15);
}

static void interleaved_blocks_come_out_in_order(void **state)
{
    (void)state;
    expect(START BLOCK("0", "text") BLOCK("1", "text") BLOCK("2", "text") TEXT("1", "b1 ")
               TEXT("0", "a1 ") TEXT("2", "c1 ") TEXT("0", "a2 ") BLOCK_STOP("1") BLOCK_STOP("0")
                   TEXT("2", "c2") BLOCK_STOP("2") END_TURN STOP,
           MESSAGES_COMPLETE, "a1 a2 b1 c1 c2", 15);
    /* Cut while one is held back: its text is not lost. */
    expect(START BLOCK("0", "text") BLOCK("1", "text") TEXT("1", "later") TEXT("0", "first "),
           MESSAGES_TRUNCATED, "first later", -1);
}

static void breaches_of_the_grammar_are_typed_errors(void **state)
{
    (void)state;
    expect_broken(START START, "a second message_start");
    expect_broken(START EVENT("content_block_delta", "{\"type\":\"content_block_delta\""),
                  "an event that is not JSON");
    expect_broken(START TEXT("0", "x"), "a delta came for a content block that is not open");
    expect_broken(START BLOCK("0", "text") BLOCK_STOP("0") TEXT("0", "x"),
                  "a delta came for a content block that is not open");
    expect_broken(START BLOCK("0", "text") BLOCK("0", "text"),
                  "a second content_block_start for one index");
    expect_broken(START BLOCK("256", "text"),
                  "a content_block_start without a type or a sensible index");
    expect_broken(START BLOCK("-1", "text"),
                  "a content_block_start without a type or a sensible index");
    expect_broken(START BLOCK_STOP("3"),
                  "a content_block_stop for a content block that is not open");
    expect_broken(BLOCK("0", "text"), "the answer does not begin with message_start");
    expect_broken(TEXT("0", "x"), "the answer does not begin with message_start");
    expect_broken(EVENT("message_start", "{\"type\":\"message_start\"}"),
                  "a message_start without its message");
    expect_broken(START BLOCK("0", "text")
                      EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,"
                                                   "\"delta\":{\"type\":\"text_delta\"}}"),
                  "a text delta without text");
    expect_broken(
        START EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0}"),
        "a content_block_delta without its delta");
}

static void text_before_a_breach_is_kept(void **state)
{
    (void)state;
    expect(START BLOCK("0", "text") TEXT("0", "Kept.") "data: {oops\n\n" TEXT("0", "x"),
           MESSAGES_BROKEN, "Kept.", -1);
}

static void usage_is_overwritten_and_never_added_or_lowered(void **state)
{
    (void)state;
    const char *body = START BLOCK("0", "text") TEXT("0", "a")
        DELTA("null", "{\"output_tokens\":5,\"input_tokens\":null}")
            DELTA("null", "{\"output_tokens\":9,\"input_tokens\":25}")
                DELTA("null", "{\"output_tokens\":null}") DELTA("null", "{\"output_tokens\":4}")
                    DELTA("\"end_turn\"", "{\"output_tokens\":12,\"input_tokens\":30,"
                                          "\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,"
                                          "\"ephemeral_1h_input_tokens\":6}}")
                        DELTA("null", "{\"output_tokens\":3}") STOP;
    struct seen *seen = play_chunks(body, 5);
    struct usage u = messages_stream_usage(&seen->stream);
    assert_int_equal(seen->stream.state, MESSAGES_COMPLETE);
    assert_int_equal(u.output, 12);
    assert_int_equal(u.input, 30);
    assert_int_equal(u.cache_read, 100);
    assert_int_equal(u.cache_write_5m, 4);
    assert_int_equal(u.cache_write_1h, 6);
    finish(seen);
}

static void missing_and_absurd_usage_is_estimated(void **state)
{
    (void)state;
    const char *body = START BLOCK("0", "text") TEXT("0", "one two three") BLOCK_STOP("0")
        DELTA("\"end_turn\"", "null") STOP;
    struct seen *seen = play_chunks(body, 100);
    assert_int_equal(seen->stream.state, MESSAGES_COMPLETE);
    assert_false(seen->stream.output_told);
    assert_int_equal(messages_stream_usage(&seen->stream).output,
                     tokens_estimate("one two three", 13));
    finish(seen);
    seen = play_chunks(
        START DELTA("\"end_turn\"", "{\"output_tokens\":-3,\"input_tokens\":1e99}") STOP, 100);
    assert_false(seen->stream.output_told);
    finish(seen);
}

static void stop_reasons_are_handed_on(void **state)
{
    (void)state;
    const char *const reasons[] = {"max_tokens", "refusal", "pause_turn", "something_new"};
    for (size_t i = 0; i < 4; i++) {
        char *body =
            mem_printf("%s" DELTA("\"%s\"", "{\"output_tokens\":0}") STOP, START, reasons[i]);
        struct seen *seen = play_chunks(body, 9);
        assert_int_equal(seen->stream.state, MESSAGES_COMPLETE);
        assert_string_equal(seen->stream.stop_reason, reasons[i]);
        assert_int_equal(messages_stream_usage(&seen->stream).output, 0);
        finish(seen);
        free(body);
    }
}

static void an_event_over_the_bound_is_refused_and_one_below_is_not(void **state)
{
    (void)state;
    size_t n = MESSAGES_EVENT_MAX - 200;
    char *big = mem_alloc(n + 1);
    memset(big, 'x', n);
    char *body = mem_printf("%s" BLOCK("0", "text") TEXT("0", "%s"), START, big);
    struct seen *seen = play_chunks(body, 65536);
    assert_int_equal(seen->stream.state, MESSAGES_TRUNCATED);
    assert_int_equal(seen->text.len, n);
    finish(seen);
    free(body);
    seen = begin();
    assert_int_equal(messages_stream_feed(&seen->stream, START, strlen(START)), OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(messages_stream_feed(&seen->stream, big, n), OK);
    assert_int_equal(seen->stream.state, MESSAGES_BROKEN);
    assert_string_equal(seen->stream.error_text, "an event larger than 8 MiB");
    finish(seen);
    free(big);
}

static void a_handler_can_stop_the_feed(void **state)
{
    (void)state;
    struct seen *seen = begin();
    seen->refuse = true;
    const char *body = START BLOCK("0", "text") TEXT("0", "a") TEXT("0", "b");
    assert_int_equal(messages_stream_feed(&seen->stream, body, strlen(body)), ERR_BUSY);
    assert_string_equal(buf_str(&seen->text), "a");
    finish(seen);
}

static void pings_and_a_trickle_are_no_progress(void **state)
{
    (void)state;
    struct seen *seen = begin();
    struct messages_stream *s = &seen->stream;
    const char *body = START BLOCK("0", "text");
    assert_int_equal(messages_stream_feed(s, body, strlen(body)), OK);
    uint64_t before = s->progress;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(messages_stream_feed(s, PING, strlen(PING)), OK);
    for (int i = 0; i < 6; i++) /* 60 bytes */
        assert_int_equal(
            messages_stream_feed(s, TEXT("0", "ten bytes."), strlen(TEXT("0", "ten bytes."))), OK);
    assert_int_equal(s->progress, before);
    assert_int_equal(messages_stream_feed(s, TEXT("0", "more"), strlen(TEXT("0", "more"))), OK);
    assert_int_equal(s->progress, before + 1);
    finish(seen);
}

/* Not a bench, a guard: a tree for every delta would be many times this. */
static void a_delta_event_costs_microseconds(void **state)
{
    (void)state;
    struct seen *seen = begin();
    const char *body = START BLOCK("0", "text");
    assert_int_equal(messages_stream_feed(&seen->stream, body, strlen(body)), OK);
    const char *delta = TEXT("0", "some words of \\\"text\\\" ");
    int n = 20000;
    int64_t t = clock_mono();
    for (int i = 0; i < n; i++)
        assert_int_equal(messages_stream_feed(&seen->stream, delta, strlen(delta)), OK);
    double us = (double)(clock_mono() - t) / n;
    print_message("%.2f us per delta event\n", us);
    assert_true(us < 100);
    finish(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_is_complete),
        cmocka_unit_test(thinking_is_never_text),
        cmocka_unit_test(an_error_may_be_the_first_event),
        cmocka_unit_test(an_error_later_keeps_the_text),
        cmocka_unit_test(the_end_without_a_stop_reason_is_truncated),
        cmocka_unit_test(the_end_after_a_stop_reason_is_success),
        cmocka_unit_test(message_stop_without_its_blank_line_is_success),
        cmocka_unit_test(a_cut_inside_utf8_or_json_salvages_whole_events),
        cmocka_unit_test(every_cut_yields_a_prefix_and_never_a_false_success),
        cmocka_unit_test(framing_torture_changes_nothing),
        cmocka_unit_test(interleaved_blocks_come_out_in_order),
        cmocka_unit_test(breaches_of_the_grammar_are_typed_errors),
        cmocka_unit_test(text_before_a_breach_is_kept),
        cmocka_unit_test(usage_is_overwritten_and_never_added_or_lowered),
        cmocka_unit_test(missing_and_absurd_usage_is_estimated),
        cmocka_unit_test(stop_reasons_are_handed_on),
        cmocka_unit_test(an_event_over_the_bound_is_refused_and_one_below_is_not),
        cmocka_unit_test(a_handler_can_stop_the_feed),
        cmocka_unit_test(pings_and_a_trickle_are_no_progress),
        cmocka_unit_test(a_delta_event_costs_microseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
