/* In: sse.c. Out: the standard's own examples, framing torture, limits, and the property that no
 * cut of the bytes changes the events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/sse.h"

enum { MAX_EVENT = 1 << 16 };

/* Each event becomes "type|id|data;". */
static enum err record(void *ctx, const struct sse_event *event)
{
    struct buf *out = ctx;
    assert_int_equal(event->data[event->data_len], '\0');
    buf_putf(out, "%s|%s|", event->type, event->id);
    buf_put(out, event->data, event->data_len);
    buf_puts(out, ";");
    return OK;
}

static enum err feed_in_pieces(const char *bytes, size_t n, size_t piece, struct buf *out)
{
    struct sse_reader r;
    sse_reader_init(&r, MAX_EVENT);
    enum err e = OK;
    for (size_t at = 0; e == OK && at < n; at += piece)
        e = sse_reader_feed(&r, bytes + at, n - at < piece ? n - at : piece, record, out);
    sse_reader_free(&r);
    return e;
}

static void check(const char *stream, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(stream); piece++) {
        struct buf out = BUF_INIT(MAX_EVENT);
        assert_int_equal(feed_in_pieces(stream, strlen(stream), piece, &out), OK);
        assert_string_equal(buf_str(&out), expected);
        buf_free(&out);
    }
}

static void examples_of_the_standard_read_as_it_says(void **state)
{
    (void)state;
    check("data: YHOO\ndata: +2\ndata: 10\n\n", "message||YHOO\n+2\n10;");
    check(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
          "event\n\n",
          "message|1|first event;message||second event;message|| third event;");
    check("data\n\ndata\ndata\n\ndata:", "message||;message||\n;");
    check("data:test\n\ndata: test\n\n", "message||test;message||test;");
}

static void line_ends_of_all_kinds_are_equal(void **state)
{
    (void)state;
    check("event: a\rdata: 1\r\rdata: 2\r\n\r\ndata: 3\n\n", "a||1;message||2;message||3;");
    check("data: 1\r\ndata: 2\n\r\n", "message||1\n2;");
    check("data: 1\n\r", "message||1;");
}

static void a_bom_is_skipped_only_at_the_start(void **state)
{
    (void)state;
    check("\xEF\xBB\xBF"
          "data: 1\n\n",
          "message||1;");
    check("\n\xEF\xBB\xBF"
          "data: 1\n\n",
          "");
    check("\xEF\xBB\xBF\xEF\xBB\xBF"
          "data: 1\n\n",
          "");
}

static void unknown_fields_and_comments_are_skipped(void **state)
{
    (void)state;
    check(":\n: ping\nretry: 10\nDATA: no\ndatax: no\n data: no\ndata: yes\nevent\n\n",
          "message||yes;");
}

static void a_type_ends_with_its_block_and_an_id_stays(void **state)
{
    (void)state;
    check("event: a\n\ndata: 1\n\nevent: b\nevent: c\nid: 7\ndata: 2\n\ndata: 3\n\n",
          "message||1;c|7|2;message|7|3;");
}

static void an_id_or_type_with_a_nul_is_ignored(void **state)
{
    (void)state;
    static const char stream[] = "id: 5\ndata: a\n\nid: 6\0x\nevent: \0\ndata: b\0c\n\n";
    static const char expected[] = "message|5|a;message|5|b\0c;";
    struct buf out = BUF_INIT(MAX_EVENT);
    assert_int_equal(feed_in_pieces(stream, sizeof(stream) - 1, 3, &out), OK);
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.len);
    buf_free(&out);
}

static void the_end_gives_out_an_event_without_its_blank_line(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *expected;
    } cases[] = {
        {"event: message_stop\ndata: {}\n", "message_stop||{};"},
        {"event: message_stop\ndata: {}", "message_stop||{};"},
        {"event: message_stop\ndata", "message_stop||;"},
        {"event: message_stop\n", ""},
        {"data: 1\n\n", "message||1;"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT(MAX_EVENT);
        struct sse_reader r;
        sse_reader_init(&r, MAX_EVENT);
        assert_int_equal(
            sse_reader_feed(&r, cases[i].stream, strlen(cases[i].stream), record, &out), OK);
        assert_int_equal(sse_reader_end(&r, record, &out), OK);
        assert_string_equal(buf_str(&out), cases[i].expected);
        sse_reader_free(&r);
        buf_free(&out);
    }
}

/* `n` bytes of one data line, then its end; ERR_TOO_BIG has to come without the end too. */
static enum err feed_line(size_t n, size_t piece, struct buf *out)
{
    char *line = mem_alloc(n + 3);
    memset(line, 'x', n);
    memcpy(line, "data: ", 6);
    memcpy(line + n, "\n\n", 2);
    enum err e = feed_in_pieces(line, n + 2, piece, out);
    free(line);
    return e;
}

static void an_event_past_the_maximum_is_refused_and_one_at_it_is_not(void **state)
{
    (void)state;
    static const size_t pieces[] = {7, 4096, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        struct buf out = BUF_INIT(MAX_EVENT + 64);
        assert_int_equal(feed_line(MAX_EVENT, pieces[i], &out), OK);
        assert_int_equal(out.len, strlen("message||") + MAX_EVENT - strlen("data: ") + 1);
        assert_int_equal(feed_line(MAX_EVENT + 1, pieces[i], &out), ERR_TOO_BIG);
        buf_free(&out);
    }
}

static void many_lines_of_one_event_are_bounded_together(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(MAX_EVENT);
    struct sse_reader r;
    sse_reader_init(&r, 100);
    enum err e = OK;
    int lines = 0;
    while (e == OK && lines < 1000) {
        e = sse_reader_feed(&r, "data: 123456789\n", 16, record, &out);
        lines++;
    }
    assert_int_equal(e, ERR_TOO_BIG);
    assert_int_equal(lines, 11); /* ten lines and nine breaks are 99 bytes */
    sse_reader_free(&r);
    buf_free(&out);
}

static enum err refuse_second(void *ctx, const struct sse_event *event)
{
    (void)event;
    int *seen = ctx;
    return ++*seen == 2 ? ERR_PROTOCOL : OK;
}

static void a_refusal_of_the_receiver_stops_the_feed(void **state)
{
    (void)state;
    int seen = 0;
    struct sse_reader r;
    sse_reader_init(&r, 100);
    static const char stream[] = "data: 1\n\ndata: 2\n\ndata: 3\n\n";
    assert_int_equal(sse_reader_feed(&r, stream, strlen(stream), refuse_second, &seen),
                     ERR_PROTOCOL);
    assert_int_equal(seen, 2);
    sse_reader_free(&r);
}

static void written_events_have_the_form_of_the_standard(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(256);
    assert_int_equal(sse_write(&out, "step", "9", "a\nb\r\nc\rd", 8), OK);
    assert_int_equal(sse_write(&out, NULL, NULL, "", 0), OK);
    assert_string_equal(buf_str(&out), "event: step\nid: 9\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
                                       "data: \n\n");
    buf_free(&out);
}

static void a_write_that_fails_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(40);
    assert_int_equal(sse_write(&out, NULL, NULL, "short", 5), OK);
    assert_int_equal(sse_write(&out, "name", NULL, "much too long for forty", 23), ERR_TOO_BIG);
    assert_int_equal(sse_write(&out, "two\nlines", NULL, "x", 1), ERR_INVALID);
    assert_int_equal(sse_write(&out, NULL, "two\rlines", "x", 1), ERR_INVALID);
    assert_string_equal(buf_str(&out), "data: short\n\n");
    buf_free(&out);
}

static uint64_t seed(void)
{
    const char *text = getenv("SEED");
    uint64_t value = text == NULL ? rng_seed_from_os() : strtoull(text, NULL, 10);
    print_message("SEED=%llu\n", (unsigned long long)value);
    return value;
}

/* Streams of the bytes and words that the grammar is about, cut at random places. */
static void no_cut_changes_the_events(void **state)
{
    (void)state;
    static const char *const words[] = {"\r",  "\n", "\r\n", "data:",        "data", "event: ",
                                        "id:", " ",  ":",    "\xEF\xBB\xBF", "x",    "\n\n"};
    struct rng rng = rng_seed(seed(), 1);
    for (int round = 0; round < 2000; round++) {
        struct buf in = BUF_INIT(4096), whole = BUF_INIT(MAX_EVENT), cut = BUF_INIT(MAX_EVENT);
        for (uint32_t i = rng_below(&rng, 60); i > 0; i--)
            buf_puts(&in, words[rng_below(&rng, sizeof(words) / sizeof(words[0]))]);
        assert_int_equal(feed_in_pieces(buf_str(&in), in.len, 4096, &whole), OK);
        struct sse_reader r;
        sse_reader_init(&r, MAX_EVENT);
        for (size_t at = 0; at < in.len;) {
            size_t n = 1 + rng_below(&rng, 7);
            n = n > in.len - at ? in.len - at : n;
            assert_int_equal(sse_reader_feed(&r, in.data + at, n, record, &cut), OK);
            at += n;
        }
        sse_reader_free(&r);
        assert_string_equal(buf_str(&cut), buf_str(&whole));
        buf_free(&in);
        buf_free(&whole);
        buf_free(&cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard_read_as_it_says),
        cmocka_unit_test(line_ends_of_all_kinds_are_equal),
        cmocka_unit_test(a_bom_is_skipped_only_at_the_start),
        cmocka_unit_test(unknown_fields_and_comments_are_skipped),
        cmocka_unit_test(a_type_ends_with_its_block_and_an_id_stays),
        cmocka_unit_test(an_id_or_type_with_a_nul_is_ignored),
        cmocka_unit_test(the_end_gives_out_an_event_without_its_blank_line),
        cmocka_unit_test(an_event_past_the_maximum_is_refused_and_one_at_it_is_not),
        cmocka_unit_test(many_lines_of_one_event_are_bounded_together),
        cmocka_unit_test(a_refusal_of_the_receiver_stops_the_feed),
        cmocka_unit_test(written_events_have_the_form_of_the_standard),
        cmocka_unit_test(a_write_that_fails_leaves_the_buffer_as_it_was),
        cmocka_unit_test(no_cut_changes_the_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
