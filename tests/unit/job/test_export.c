/* In: a script. Out: its other forms, written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "job/export.h"

static void put(const char *format, const char *script, int wpm, struct buf *out)
{
    const struct export_format *f = export_find(format, strlen(format));
    assert_non_null(f);
    f->put(script, strlen(script), wpm, out);
}

static const char script[] = "# Salt\n"
                             "\n"
                             "### Hook (00:00)\n"
                             "**Salt** is *old*. [close-up of a crystal]\n"
                             "\n"
                             "---\n"
                             "### The road (01:30)\n"
                             "It costs 2 * 3 coins.\n"
                             "## Description\n"
                             "A \"short\" film.\n"
                             "## Tags\n"
                             "salt, sea, trade\n";

static void text_has_no_marks_but_all_the_words(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    put("txt", script, 130, &out);
    assert_string_equal(buf_str(&out), "Salt\n"
                                       "\n"
                                       "Hook (00:00)\n"
                                       "Salt is old. [close-up of a crystal]\n"
                                       "\n"
                                       "The road (01:30)\n"
                                       "It costs 2 * 3 coins.\n"
                                       "Description\n"
                                       "A \"short\" film.\n"
                                       "Tags\n"
                                       "salt, sea, trade\n");
    buf_free(&out);
}

/* Spoken words: "Salt is old." and "It costs 2 * 3 coins." without the bare mark. */
static void json_has_sections_with_times_and_the_rest_by_name(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    put("json", script, 130, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"sections\":[{\"level\":1,\"title\":\"Salt\",\"at_seconds\":null,\"text\":\"\"},"
        "{\"level\":3,\"title\":\"Hook\",\"at_seconds\":0,\"text\":\"**Salt** is *old*. "
        "[close-up of a crystal]\\n\\n---\"},"
        "{\"level\":3,\"title\":\"The road\",\"at_seconds\":90,\"text\":\"It costs 2 * 3 "
        "coins.\"}],"
        "\"description\":\"A \\\"short\\\" film.\",\"tags\":[\"salt\",\"sea\",\"trade\"],"
        "\"words\":8}");
    buf_free(&out);
}

static void a_script_without_headings_is_one_section(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    put("json", "Just words.", 130, &out);
    assert_string_equal(buf_str(&out),
                        "{\"sections\":[{\"level\":0,\"title\":null,\"at_seconds\":null,"
                        "\"text\":\"Just words.\"}],\"description\":null,\"tags\":[],\"words\":2}");
    buf_clear(&out);
    put("json", "", 130, &out);
    assert_string_equal(buf_str(&out),
                        "{\"sections\":[],\"description\":null,\"tags\":[],\"words\":0}");
    buf_free(&out);
}

/* At 120 words a minute a word takes half a second. */
static void assert_at_120(const char *format, const char *text, const char *want)
{
    struct buf out = BUF_INIT(1 << 16);
    put(format, text, 120, &out);
    assert_string_equal(buf_str(&out), want);
    buf_free(&out);
}

static const char spoken[] =
    "# Salt\n\n### Hook (00:00)\n**Salt** is *old*. [close-up]\n\n---\n"
    "### The road (01:30)\nIt costs 2 * 3 coins & \"more\" \xE2\x80\x94 on "
    "<Mondays>.\n## Tags\nsalt\n";

/* Three words, then eight; a line holds 42 characters: up to "on" they are 32, the last word has
 * 10 and a blank. */
static void subtitles_are_timed_by_words_per_minute(void **state)
{
    (void)state;
    assert_at_120("vtt", spoken,
                  "WEBVTT\n\n"
                  "00:00:00.000 --> 00:00:01.500\nSalt is old.\n\n"
                  "00:00:01.500 --> 00:00:05.500\nIt costs 2 3 coins &amp; \"more\" \xE2\x80\x94 "
                  "on\n&lt;Mondays&gt;.\n\n");
    assert_at_120("srt", spoken,
                  "1\n00:00:00,000 --> 00:00:01,500\nSalt is old.\n\n"
                  "2\n00:00:01,500 --> 00:00:05,500\nIt costs 2 3 coins & \"more\" \xE2\x80\x94 "
                  "on\n<Mondays>.\n\n");
}

/* Six words of 31 characters, then two; 12 characters in two sentences stay together. */
static void a_cue_ends_with_a_sentence_that_is_not_short(void **state)
{
    (void)state;
    assert_at_120("srt", "Salt was money for the legions. It was.\n",
                  "1\n00:00:00,000 --> 00:00:03,000\nSalt was money for the legions.\n\n"
                  "2\n00:00:03,000 --> 00:00:04,000\nIt was.\n\n");
    assert_at_120("srt", "No. Not yet.\n", "1\n00:00:00,000 --> 00:00:01,500\nNo. Not yet.\n\n");
    assert_at_120("srt", "No.\n \nNot yet.\n",
                  "1\n00:00:00,000 --> 00:00:00,500\nNo.\n\n"
                  "2\n00:00:00,500 --> 00:00:01,500\nNot yet.\n\n");
}

/* Five words of seven letters and four blanks are 39: ten words fill a cue, five seconds. */
static void a_cue_holds_two_lines(void **state)
{
    (void)state;
#define FIVE "sailors sailors sailors sailors sailors"
    assert_at_120("srt", FIVE " " FIVE " " FIVE "\n",
                  "1\n00:00:00,000 --> 00:00:05,000\n" FIVE "\n" FIVE "\n\n"
                  "2\n00:00:05,000 --> 00:00:07,500\n" FIVE "\n\n");
#undef FIVE
}

/* 100 characters count as 50 words, 25 seconds; 84 of them are the first cue: 21 seconds. */
static void a_text_without_blanks_is_cut_into_cues(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1024), want = BUF_INIT(1024);
    for (int i = 0; i < 100; i++)
        buf_puts(&text, "\xE5\xA1\xA9");
    buf_puts(&want, "1\n00:00:00,000 --> 00:00:21,000\n");
    for (int i = 0; i < 100; i++)
        buf_putf(&want, "%s\xE5\xA1\xA9",
                 i == 42   ? "\n"
                 : i == 84 ? "\n\n2\n00:00:21,000 --> 00:00:25,000\n"
                           : "");
    buf_puts(&want, "\n\n");
    assert_at_120("srt", buf_str(&text), buf_str(&want));
    buf_free(&text);
    buf_free(&want);
}

static void an_arrow_in_the_text_is_no_mark_of_times(void **state)
{
    (void)state;
    assert_at_120("srt", "From a --> b now\n",
                  "1\n00:00:00,000 --> 00:00:02,000\nFrom a b now\n\n");
    assert_at_120("srt", "a-->b\n", "1\n00:00:00,000 --> 00:00:00,500\na-- >b\n\n");
    assert_at_120("vtt", "a-->b\n", "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\na--&gt;b\n\n");
}

static void nothing_spoken_is_no_cue(void **state)
{
    (void)state;
    assert_at_120("srt", "## Description\nwords\n", "");
    assert_at_120("vtt", "[a map]\n\n\xE2\x80\x94\n", "WEBVTT\n\n");
    assert_at_120("teleprompter", "[a map]\n", "");
    assert_at_120("fountain", "", "");
}

static void a_teleprompter_shows_a_sentence_a_line(void **state)
{
    (void)state;
    assert_at_120("teleprompter", spoken,
                  "Salt is old.\n\nIt costs 2 3 coins & \"more\" \xE2\x80\x94 on <Mondays>.\n");
    assert_at_120("teleprompter", "One. \"Two!\" Three\nfour\n\n- five\n- six\n",
                  "One.\n\"Two!\"\nThree four\n\nfive six\n");
}

static void a_screenplay_has_scenes_action_and_a_narrator(void **state)
{
    (void)state;
    assert_at_120("fountain", spoken,
                  "Title: Salt\n\n.Hook\n\nNARRATOR\nSalt is old.\n\n!close-up\n\n.The road\n\n"
                  "NARRATOR\nIt costs 2 3 coins & \"more\" \xE2\x80\x94 on <Mondays>.\n");
    assert_at_120("fountain", "One.\n\nTwo [[x] y.\n",
                  "NARRATOR\nOne.\n\nNARRATOR\nTwo [\n\n!x\n\nNARRATOR\ny.\n");
}

static void formats_are_found_by_their_whole_name(void **state)
{
    (void)state;
    struct buf names = BUF_INIT(256);
    assert_null(export_find("sr", 2));
    assert_null(export_find("srtx", 4));
    assert_string_equal(export_find("srtx", 3)->name, "srt");
    export_put_names(&names);
    assert_string_equal(buf_str(&names), "md, txt, teleprompter, json, srt, vtt, fountain");
    buf_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_no_marks_but_all_the_words),
        cmocka_unit_test(json_has_sections_with_times_and_the_rest_by_name),
        cmocka_unit_test(a_script_without_headings_is_one_section),
        cmocka_unit_test(subtitles_are_timed_by_words_per_minute),
        cmocka_unit_test(a_cue_ends_with_a_sentence_that_is_not_short),
        cmocka_unit_test(a_cue_holds_two_lines),
        cmocka_unit_test(a_text_without_blanks_is_cut_into_cues),
        cmocka_unit_test(an_arrow_in_the_text_is_no_mark_of_times),
        cmocka_unit_test(nothing_spoken_is_no_cue),
        cmocka_unit_test(a_teleprompter_shows_a_sentence_a_line),
        cmocka_unit_test(a_screenplay_has_scenes_action_and_a_narrator),
        cmocka_unit_test(formats_are_found_by_their_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
