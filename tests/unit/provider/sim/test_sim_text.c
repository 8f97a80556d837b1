/* In: request blocks. Out: does the simulated provider answer in the shape and length asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/sim/sim_grammar.h"
#include "provider/sim/sim_text.h"
#include "provider/sim/sim_words.h"

#define TEXT_MAX ((size_t)4 << 20)

static char *chapters(const char *block, uint64_t seed)
{
    struct ask a;
    assert_true(ask_read(block, strlen(block), &a));
    struct buf out = BUF_INIT(TEXT_MAX);
    text_put_chapters(&a, seed, &out);
    ask_free(&a);
    return buf_take(&out);
}

/* Words of the spoken lines: no headings, no cues, nothing from ## Description on. */
static int spoken(const char *text)
{
    int words = 0;
    for (const char *line = text; line != NULL && *line;) {
        const char *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) : strlen(line);
        if (n > 2 && memcmp(line, "## ", 3) == 0)
            break;
        if (n > 0 && line[0] != '#' && line[0] != '[')
            words += words_in(line, n);
        line = end ? end + 1 : NULL;
    }
    return words;
}

static void assert_words(const char *text, int want)
{
    int got = spoken(text);
    if (abs(got - want) * 100 > want * 8)
        fail_msg("%d words for %d:\n%s", got, want, text);
}

/* Checks that headings' times rise within from..to; returns how many headings there are. */
static int assert_times(const char *text, int from, int to)
{
    int n = 0, last = from - 1;
    for (const char *p = text; (p = strstr(p, "### [")) != NULL; p++, n++) {
        int m, s;
        assert_int_equal(sscanf(p, "### [%d:%d] ", &m, &s), 2);
        assert_true(s < 60);
        int at = m * 60 + s;
        assert_true(at > last);
        assert_true(at < to);
        last = at;
    }
    return n;
}

static const char middle[] =
    "<request kind=\"chunk\" chunk=\"2\" chunks=\"3\" from=\"20:00\" to=\"40:00\" words=\"1430\" "
    "first=\"no\" last=\"no\" tags=\"0\">\n<topic>Sourdough at home</topic>\n"
    "<point>Why a starter sours</point>\n<point>Shaping without tears</point>\n"
    "<avoid>the DULL part</avoid>\n<include>slow is smooth</include>\n"
    "<sponsor seconds=\"30\">Acme Flour</sponsor>\n</request>\n";

static void a_middle_chunk_has_what_was_asked_for_and_nothing_else(void **state)
{
    (void)state;
    char *text = chapters(middle, 7);
    assert_words(text, 1430);
    assert_true(assert_times(text, 1200, 2400) >= 3);
    assert_non_null(strstr(text, "] Why a starter sours\n"));
    assert_non_null(strstr(text, "] Shaping without tears\n"));
    assert_non_null(strstr(text, "[VISUAL: "));
    assert_non_null(strstr(text, "slow is smooth"));
    assert_non_null(strstr(text, "Acme Flour"));
    assert_null(strcasestr(text, "the dull part"));
    assert_null(strstr(text, "## Description"));
    assert_null(strstr(text, "## Tags"));
    free(text);
}

static void the_same_seed_says_the_same_and_another_does_not(void **state)
{
    (void)state;
    char *a = chapters(middle, 7), *b = chapters(middle, 7), *c = chapters(middle, 8);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    free(a);
    free(b);
    free(c);
}

static int tags_in(const char *text)
{
    const char *p = strstr(text, "## Tags\n\n");
    assert_non_null(p);
    int n = 1;
    for (p += strlen("## Tags\n\n"); *p && *p != '\n'; p++)
        n += *p == ',';
    return n;
}

static void a_whole_script_opens_with_its_hook_and_closes_with_tags(void **state)
{
    (void)state;
    char *text =
        chapters("<request kind=\"chunk\" chunk=\"1\" chunks=\"1\" from=\"00:00\" to=\"10:00\" "
                 "words=\"1300\" first=\"yes\" last=\"yes\" tags=\"25\">\n<topic>Beans</topic>\n"
                 "<hook>Nobody tells you this about beans</hook>\n<cta>Send me your recipe.</cta>\n"
                 "</request>\n",
                 3);
    assert_words(text, 1300);
    assert_int_equal(assert_times(text, 0, 600), 7); /* welcome, 1300 / 240 = 5, ending */
    assert_true(strncmp(text, "### [00:00] ", 12) == 0);
    const char *hook = strstr(text, "Nobody tells you this about beans.");
    assert_non_null(hook);
    assert_true(hook - text < 200);
    const char *cta = strstr(text, "Send me your recipe."), *end = strstr(text, "## Description");
    assert_non_null(cta);
    assert_non_null(end);
    assert_true(cta < end);
    assert_true(tags_in(text) >= 25);
    free(text);
}

static void short_and_long_spans_keep_their_length(void **state)
{
    (void)state;
    static const int words[] = {33, 65, 130, 260, 1430, 2145, 5000};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            char *block =
                mem_printf("<request kind=\"chunk\" chunk=\"1\" chunks=\"1\" from=\"00:00\" "
                           "to=\"%02d:%02d\" words=\"%d\" first=\"yes\" last=\"yes\" "
                           "tags=\"20\">\n<topic>Paper planes</topic>\n</request>\n",
                           words[i] * 6 / 13 / 60, words[i] * 6 / 13 % 60, words[i]);
            char *text = chapters(block, seed);
            assert_words(text, words[i]);
            assert_true(assert_times(text, 0, words[i] * 6 / 13) >= 1);
            free(text);
            free(block);
        }
    }
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sixteen chunks of one script, as one list of paragraphs and headings: none occurs twice. */
static void four_hours_of_chunks_repeat_no_paragraph_and_no_heading(void **state)
{
    (void)state;
    struct buf all = BUF_INIT(TEXT_MAX);
    for (int i = 1; i <= 16; i++) {
        char *block =
            mem_printf("<request kind=\"%s\" chunk=\"%d\" chunks=\"16\" from=\"%d:00\" "
                       "to=\"%d:00\" words=\"2145\" first=\"%s\" last=\"%s\" tags=\"%d\">\n"
                       "<topic>The sea</topic>\n</request>\n",
                       "chunk", i, (i - 1) * 15, i * 15, i == 1 ? "yes" : "no",
                       i == 16 ? "yes" : "no", i == 16 ? 20 : 0);
        char *text = chapters(block, 100 + (uint64_t)i);
        buf_puts(&all, text);
        buf_puts(&all, "\n\n");
        free(text);
        free(block);
    }
    static char *items[8192];
    size_t n = 0;
    for (char *p = strtok(all.data, "\n"); p != NULL; p = strtok(NULL, "\n")) {
        assert_true(n < 8192);
        char *title = strncmp(p, "### ", 4) == 0 ? strchr(p, ']') : NULL;
        items[n++] = title ? title : p;
    }
    qsort(items, n, sizeof(items[0]), compare_strings);
    for (size_t i = 1; i < n; i++)
        if (strcmp(items[i - 1], items[i]) == 0 && items[i][0] != '[')
            fail_msg("twice: %s", items[i]);
    buf_free(&all);
}

static void a_continuation_goes_on_in_the_cut_sentence(void **state)
{
    (void)state;
    char *cut = chapters("<request kind=\"continue\" chunk=\"1\" chunks=\"1\" from=\"04:00\" "
                         "to=\"10:00\" words=\"600\" first=\"no\" last=\"no\" tags=\"0\">\n"
                         "<topic>Beans</topic>\n<after>we soak them because the</after>\n"
                         "</request>\n",
                         3);
    assert_true(cut[0] >= 'a' && cut[0] <= 'z');
    assert_words(cut, 600);
    assert_times(cut, 241, 600); /* at 04:00 a section has begun already */
    char *whole = chapters("<request kind=\"continue\" chunk=\"1\" chunks=\"1\" from=\"04:00\" "
                           "to=\"10:00\" words=\"600\" first=\"no\" last=\"yes\" tags=\"20\">\n"
                           "<topic>Beans</topic>\n<after>we soak them.</after>\n</request>\n",
                           3);
    assert_true(strncmp(whole, "### ", 4) == 0);
    assert_true(tags_in(whole) >= 20);
    free(cut);
    free(whole);
}

static void a_continuation_behind_the_spoken_words_speaks_no_more(void **state)
{
    (void)state;
    char *rest =
        chapters("<request kind=\"continue\" chunk=\"1\" chunks=\"1\" from=\"09:00\" "
                 "to=\"10:00\" words=\"0\" first=\"no\" last=\"no\" tags=\"20\">\n"
                 "<topic>Beans</topic>\n<after>A look at beans, with</after>\n</request>\n",
                 3);
    assert_true(tags_in(rest) >= 20);
    assert_null(strstr(rest, "###"));
    assert_null(strstr(rest, "## Description"));
    free(rest);
    char *tags = chapters("<request kind=\"continue\" chunk=\"1\" chunks=\"1\" from=\"09:00\" "
                          "to=\"10:00\" words=\"0\" first=\"no\" last=\"no\" tags=\"0\">\n"
                          "<topic>Beans</topic>\n<after>beans, beans for</after>\n</request>\n",
                          3);
    assert_null(strstr(tags, "#"));
    assert_non_null(strstr(tags, ", beans for beginners, "));
    free(tags);
}

static void other_titles_come_with_their_opening_lines(void **state)
{
    (void)state;
    char *text = chapters("<request kind=\"chunk\" chunk=\"1\" chunks=\"1\" from=\"00:00\" "
                          "to=\"02:00\" words=\"260\" first=\"yes\" last=\"yes\" tags=\"20\">\n"
                          "<topic>Beans</topic>\n<titles>3</titles>\n</request>\n",
                          3);
    const char *p = strstr(text, "\n## Titles\n");
    int n = 0;
    assert_non_null(p);
    for (; (p = strstr(p, "\n- ")) != NULL; p++, n++)
        assert_non_null(strstr(p, " | "));
    assert_int_equal(n, 3);
    free(text);
}

static void an_expansion_mends_what_is_missing(void **state)
{
    (void)state;
    char *text = chapters("<request kind=\"expand\" chunk=\"0\" chunks=\"1\" from=\"00:00\" "
                          "to=\"10:00\" words=\"400\" first=\"no\" last=\"no\" tags=\"0\">\n"
                          "<topic>Beans</topic>\n<point>Salt</point>\n"
                          "<missing>the description is missing</missing>\n"
                          "<missing>only 3 tags</missing>\n</request>\n",
                          3);
    assert_words(text, 400);
    assert_non_null(strstr(text, "] Salt\n"));
    assert_non_null(strstr(text, "## Description\n"));
    assert_true(tags_in(text) >= 20);
    free(text);
}

static const char outline_block[] =
    "<request kind=\"outline\" chunk=\"0\" chunks=\"2\" from=\"00:00\" to=\"30:00\" words=\"3900\" "
    "first=\"no\" last=\"no\" tags=\"0\">\n<topic>Sourdough</topic>\n"
    "<chunk n=\"1\" from=\"00:00\" to=\"15:00\" words=\"2145\">chunk 1 of 2</chunk>\n"
    "<chunk n=\"2\" from=\"15:00\" to=\"30:00\" words=\"2145\">chunk 2 of 2</chunk>\n"
    "<point>Alpha \"quoted\"</point>\n<point>Beta</point>\n<point>Gamma</point>\n</request>\n";

static void an_outline_without_points_has_sections_of_its_own(void **state)
{
    (void)state;
    static const char block[] =
        "<request kind=\"outline\" chunk=\"0\" chunks=\"2\" from=\"00:00\" to=\"30:00\" "
        "words=\"3900\" first=\"no\" last=\"no\" tags=\"0\">\n<topic>Bridges</topic>\n"
        "<chunk n=\"1\" from=\"00:00\" to=\"15:00\" words=\"2145\">chunk 1 of 2</chunk>\n"
        "<chunk n=\"2\" from=\"15:00\" to=\"30:00\" words=\"2145\">chunk 2 of 2</chunk>\n"
        "</request>\n";
    struct ask a = {0};
    struct buf out = BUF_INIT(TEXT_MAX);
    json_t *outline = NULL;
    assert_true(ask_read(block, sizeof block - 1, &a));
    text_put_outline(&a, 5, TEXT_MAX, &out);
    assert_int_equal(json_parse(out.data, out.len, TEXT_MAX, &outline, NULL), OK);
    size_t i;
    json_t *chunk;
    assert_int_equal(json_array_size(json_arr(outline, "chunks")), 2);
    json_array_foreach (json_arr(outline, "chunks"), i, chunk)
        assert_int_equal(json_array_size(json_arr(chunk, "sections")), 2);
    json_decref(outline);
    buf_free(&out);
    ask_free(&a);
}

static void an_outline_holds_every_point_in_exactly_one_chunk(void **state)
{
    (void)state;
    static const size_t room[] = {100000, 1800, 10};
    for (size_t r = 0; r < 3; r++) {
        struct ask a;
        assert_true(ask_read(outline_block, sizeof(outline_block) - 1, &a));
        struct buf out = BUF_INIT(TEXT_MAX);
        text_put_outline(&a, 5, room[r], &out);
        json_t *outline = NULL;
        assert_int_equal(json_parse(out.data, out.len, TEXT_MAX, &outline, NULL), OK);
        assert_int_equal(json_int(outline, "totalMinutes", 0), 30);
        assert_int_equal(json_array_size(json_arr(outline, "chunks")), 2);
        int seen[3] = {0, 0, 0}, last_s = -1;
        size_t i, k;
        json_t *chunk, *section;
        json_array_foreach (json_arr(outline, "chunks"), i, chunk) {
            json_array_foreach (json_arr(chunk, "sections"), k, section) {
                for (size_t p = 0; p < a.points.n; p++)
                    seen[p] += strcmp(json_str(section, "title"), a.points.items[p]) == 0;
                int m, s;
                assert_int_equal(sscanf(json_str(section, "timestamp"), "%d:%d", &m, &s), 2);
                assert_true(m * 60 + s > last_s);
                last_s = m * 60 + s;
            }
        }
        assert_true(last_s < 1800);
        for (size_t p = 0; p < 3; p++)
            assert_int_equal(seen[p], 1);
        json_decref(outline);
        buf_free(&out);
        ask_free(&a);
    }
}

static void a_schema_is_filled(void **state)
{
    (void)state;
    static const char schema_text[] =
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
        "\"kind\":{\"enum\":[\"a\",\"b\"]},\"n\":{\"type\":\"integer\"},"
        "\"list\":{\"type\":\"array\",\"minItems\":3,\"items\":{\"$ref\":\"#/$defs/e\"}},"
        "\"maybe\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"null\"}]},"
        "\"self\":{\"$ref\":\"#/$defs/loop\"}},"
        "\"$defs\":{\"e\":{\"type\":\"number\"},\"loop\":{\"$ref\":\"#/$defs/loop\"}}}";
    json_t *schema = NULL, *value = NULL;
    assert_int_equal(json_parse(schema_text, sizeof(schema_text) - 1, 4096, &schema, NULL), OK);
    struct buf out = BUF_INIT(TEXT_MAX);
    text_put_schema(schema, "hello", 5, 1, &out);
    assert_int_equal(json_parse(out.data, out.len, TEXT_MAX, &value, NULL), OK);
    assert_non_null(json_str(value, "name"));
    assert_string_equal(json_str(value, "kind"), "a");
    assert_true(json_is_integer(json_object_get(value, "n")));
    assert_int_equal(json_array_size(json_arr(value, "list")), 3);
    assert_true(json_is_number(json_array_get(json_arr(value, "list"), 0)));
    assert_true(json_is_boolean(json_object_get(value, "maybe")));
    json_decref(value);
    json_decref(schema);
    buf_free(&out);
}

static void a_plain_prompt_gets_a_short_answer_about_it(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(TEXT_MAX);
    text_put_reply("How do tides work?", 18, 1, &out);
    assert_non_null(strstr(out.data, "How do tides work"));
    assert_in_range(words_in(out.data, out.len), 40, 200);
    buf_free(&out);
    text_put_reply("", 0, 1, &out);
    assert_true(out.len > 0);
    buf_free(&out);
}

/* Every pattern names lists that exist: a slip would abort here. */
static void every_heading_differs(void **state)
{
    (void)state;
    static char *seen[4096];
    uint32_t n = words_headings();
    struct words *w = words_new(1, "The sea");
    assert_in_range(n, 500, 4096);
    for (uint32_t i = 0; i < n; i++) {
        struct buf title = BUF_INIT(256);
        words_heading(w, i, &title);
        seen[i] = buf_take(&title);
    }
    qsort(seen, n, sizeof(seen[0]), compare_strings);
    for (uint32_t i = 1; i < n; i++)
        assert_string_not_equal(seen[i - 1], seen[i]);
    for (uint32_t i = 0; i < n; i++)
        free(seen[i]);
    words_free(w);
}

static void the_grammar_knows_all_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < grammar_n_lists; i++) {
        for (uint32_t k = 0; k < grammar_lists[i].n; k++) {
            const char *p = grammar_lists[i].items[k];
            while ((p = strchr(p, '{')) != NULL) {
                size_t n = strcspn(++p, "}");
                assert_int_equal(p[n], '}');
                bool given = (n == 5 && (!memcmp(p, "topic", n) || !memcmp(p, "title", n)));
                assert_true(given || grammar_find(p, n) != NULL);
            }
        }
    }
    for (int role = 0; role < WORDS_ROLE_MAX; role++)
        assert_non_null(grammar_role((enum words_role)role));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_middle_chunk_has_what_was_asked_for_and_nothing_else),
        cmocka_unit_test(the_same_seed_says_the_same_and_another_does_not),
        cmocka_unit_test(a_whole_script_opens_with_its_hook_and_closes_with_tags),
        cmocka_unit_test(short_and_long_spans_keep_their_length),
        cmocka_unit_test(four_hours_of_chunks_repeat_no_paragraph_and_no_heading),
        cmocka_unit_test(a_continuation_goes_on_in_the_cut_sentence),
        cmocka_unit_test(a_continuation_behind_the_spoken_words_speaks_no_more),
        cmocka_unit_test(other_titles_come_with_their_opening_lines),
        cmocka_unit_test(an_expansion_mends_what_is_missing),
        cmocka_unit_test(an_outline_holds_every_point_in_exactly_one_chunk),
        cmocka_unit_test(an_outline_without_points_has_sections_of_its_own),
        cmocka_unit_test(a_schema_is_filled),
        cmocka_unit_test(a_plain_prompt_gets_a_short_answer_about_it),
        cmocka_unit_test(every_heading_differs),
        cmocka_unit_test(the_grammar_knows_all_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
