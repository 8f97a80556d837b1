/* In: scripts with one fault each. Out: whether exactly that fault is found, and the score. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/check.h"

/* One minute at 30 words a minute: 30 words, 24 of which are enough. */
#define THIRTY                                                                                     \
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november "      \
    "oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu one two three "  \
    "four.\n\n"
#define DESCRIPTION "## Description\n\nA minute of the spelling alphabet.\n\n"
#define TAGS        "## Tags\n\na, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t\n"
#define ENDING      DESCRIPTION TAGS

static struct report check(const char *text, const char *params_json, struct plan plan)
{
    char *forbidden[] = {mem_strdup("delve")};
    struct pipeline pipeline = {.forbidden = {.items = forbidden, .n = 1}};
    struct params params = {.all = json_loads(params_json, 0, NULL)};
    struct report r;
    check_script(text, strlen(text), &plan, &params, &pipeline, &r);
    json_decref(params.all);
    free(forbidden[0]);
    return r;
}

static void test_words_are_the_spoken_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int words;
    } cases[] = {
        {"", 0},
        {"Hello there, friend.", 3},
        {"### [00:00] A title of five\n\nOne two.", 2},
        {"[VISUAL: a map\nof the coast] One two.", 2},
        {"One [unclosed bracket", 3},
        {"[00:30] One (01:30) two 02:30 three", 3},
        {"One \xE2\x80\x94 two - three * **four**", 4},
        {"It's ready-made \xE2\x80\x9Cnow\xE2\x80\x9D", 3},
        {"One two.\n\n## Description\n\nThree four.\n\n## Tags\n\nfive, six", 2},
        {"One.\n\n### Tags\n\nTwo.", 2}, /* a spoken section about tags */
        {"caf\xC3\xA9 \xC3\xA9t\xC3\xA9 \xD0\xBC\xD0\xB8\xD1\x80", 3},
        {"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x81\xA7", 2}, /* four characters, no blanks */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int words = words_count(cases[i].text, strlen(cases[i].text));
        if (words != cases[i].words)
            print_message("case %zu: %d\n", i, words);
        assert_int_equal(words, cases[i].words);
    }
}

struct case_one { /* `code` NULL = nothing found */
    const char *text, *params, *code;
    size_t count;
    bool gap;
    int score;
};

static const struct case_one one_fault[] = {
    {"### [00:00] Go\n\n" THIRTY ENDING, "{}", NULL, 0, false, 100},
    /* 10 of 30 words: two thirds are missing, half of 66 % */
    {"alpha bravo charlie delta echo foxtrot golf hotel india juliet.\n\n" ENDING, "{}",
     "too_short", 1, true, 67},
    {ENDING, "{}", "too_short", 1, true, 0},
    {THIRTY "[Insert your name here]\n\n" ENDING, "{}", "placeholder", 1, false, 90},
    {THIRTY "[insert a] [your b] TODO lorem ipsum\n\n" ENDING, "{}", "placeholder", 4, false, 70},
    {THIRTY "A todo list, a mastodon, an explore.\n\n" ENDING, "{}", NULL, 0, false, 100},
    {"### [00:40] A\n\n" THIRTY "### [00:20] B\n\n" ENDING, "{}", "timestamp_order", 1, false, 97},
    {"### A (00:10 - 00:30)\n\n[00:15] Hm.\n\n" THIRTY "### **[01:01] B**\n\n" ENDING, "{}",
     "timestamp_range", 1, false, 97},
    {"At 10:30 we left. " THIRTY ENDING, "{}", NULL, 0, false, 100}, /* a time of day */
    {THIRTY TAGS, "{}", "description_missing", 1, true, 90},
    {THIRTY "## Description\n\n" TAGS, "{}", "description_missing", 1, true, 90},
    {THIRTY DESCRIPTION, "{}", "tags_missing", 1, true, 90},
    {THIRTY DESCRIPTION "## Tags\n\n#a #b, c, c, C\n", "{}", "tags_few", 1, true, 97},
    {THIRTY ENDING, "{\"contentPoints\":[{\"title\":\"Shaping\"},{\"title\":\"Echo, Foxtrot!\"}]}",
     "point_missing", 1, true, 92},
    {THIRTY "## Description\n\nShaping.\n\n" TAGS, "{\"contentPoints\":[{\"title\":\"Shaping\"}]}",
     "point_missing", 1, true, 92}, /* said only in the description */
    {THIRTY ENDING, "{\"contentPoints\":[{\"title\":\"How Tango and the Uniform met Victor\"}]}",
     NULL, 0, false, 100}, /* tango, uniform, victor of four words with met */
    {"### [00:00] Go\n\n" THIRTY "### [00:30] Go!\n\n" ENDING, "{}", "duplicate_section", 1, false,
     95},
    {THIRTY THIRTY ENDING, "{}", "repeated_paragraph", 1, false, 95},
    {THIRTY "Short refrain.\n\nShort refrain.\n\n" ENDING, "{}", NULL, 0, false, 100},
    {THIRTY "Let us Delve in.\n\n" ENDING, "{}", "forbidden_phrase", 1, false, 95},
    {THIRTY "Delved.\n\n" ENDING, "{\"mustAvoid\":[\"Game changer\"]}", NULL, 0, false, 100},
    {THIRTY "A game-changer.\n\n" ENDING, "{\"mustAvoid\":[\"Game changer\"]}", "forbidden_phrase",
     1, false, 95},
    {THIRTY ENDING, "{\"mustInclude\":[\"don\xE2\x80\x99t panic\", \"yankee zulu\"]}",
     "phrase_missing", 1, true, 95},
};

static void test_each_fault_is_found_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof one_fault / sizeof one_fault[0]; i++) {
        const struct case_one *c = &one_fault[i];
        struct report r = check(c->text, c->params, plan_make(60, 30));
        if (r.n != c->count || r.score != c->score)
            print_message("case %zu: %zu findings, score %d, first %s %s\n", i, r.n, r.score,
                          r.n > 0 ? r.items[0].code : "", r.n > 0 ? r.items[0].detail : "");
        assert_int_equal(r.n, c->count);
        for (size_t k = 0; k < r.n; k++) {
            assert_string_equal(r.items[k].code, c->code);
            assert_int_equal(r.items[k].gap, c->gap);
        }
        assert_int_equal(r.score, c->score);
        assert_int_equal(report_has_gap(&r), c->gap);
        report_free(&r);
    }
}

static void test_a_chunk_far_from_the_average_is_named(void **state)
{
    (void)state;
    /* 24 minutes, two chunks, the second begins at 12:00: 30 against 120 words */
    const char *text = "### [00:00] A\n\n" THIRTY "### [12:00] B\n\nw " THIRTY "x " THIRTY
                       "y " THIRTY "z " THIRTY ENDING;
    struct report r = check(text, "{}", plan_make(24 * 60, 6));
    assert_int_equal(r.n, 2);
    assert_string_equal(r.items[0].code, "chunk_uneven");
    assert_int_equal(r.items[0].chunk, 1);
    assert_string_equal(r.items[0].detail, "chunk 1 has 30 words, the average is 77");
    assert_int_equal(r.items[1].chunk, 2);
    assert_int_equal(r.score, 92);
    report_free(&r);
}

static void test_details_tell_where(void **state)
{
    (void)state;
    struct report r =
        check("### [00:00] A\n\n" THIRTY "TODO: more\n\n" ENDING, "{}", plan_make(60, 30));
    assert_int_equal(r.n, 1);
    assert_string_equal(r.items[0].detail, "line 5: \"TODO: more\"");
    assert_int_equal(r.items[0].chunk, 1);
    report_free(&r);
}

static void test_many_findings_of_a_kind_are_counted(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1u << 20);
    buf_puts(&b, THIRTY);
    for (int i = 0; i < CHECK_LISTED_MAX + 7; i++)
        buf_puts(&b, "TODO\n");
    buf_puts(&b, ENDING);
    struct report r = check(buf_str(&b), "{}", plan_make(60, 30));
    assert_int_equal(r.n, CHECK_LISTED_MAX);
    assert_non_null(strstr(r.items[r.n - 1].detail, "(and 7 more)"));
    assert_int_equal(r.score, 70);
    report_free(&r);
    buf_free(&b);
}

/* CPU time of a check of about `size` bytes of a text that is hard on every rule. */
static double cpu_seconds(size_t size)
{
    struct buf b = BUF_INIT(2u << 20);
    for (int i = 0; b.len < size; i++)
        buf_putf(&b,
                 "### [00:%02d] Same title\n\n[[[[ TODO alpha bravo charlie delta echo foxtrot "
                 "golf hotel india juliet kilo lima %d\n\n",
                 i % 60, i % 50);
    clock_t start = clock();
    struct report r =
        check(buf_str(&b), "{\"contentPoints\":[{\"title\":\"a b golf hotel india\"}]}",
              plan_make(60, 30));
    double s = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_true(r.n > 0);
    report_free(&r);
    buf_free(&b);
    return s;
}

static void test_a_megabyte_takes_linear_time(void **state)
{
    (void)state;
    double small = cpu_seconds(128u << 10), large = cpu_seconds(1u << 20);
    print_message("128 KiB: %.4f s, 1 MiB: %.4f s\n", small, large);
    assert_true(large < 0.05 + small * 8 * 4); /* quadratic would be 64 times */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_the_spoken_ones),
        cmocka_unit_test(test_each_fault_is_found_alone),
        cmocka_unit_test(test_a_chunk_far_from_the_average_is_named),
        cmocka_unit_test(test_details_tell_where),
        cmocka_unit_test(test_many_findings_of_a_kind_are_counted),
        cmocka_unit_test(test_a_megabyte_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
