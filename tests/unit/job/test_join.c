/* In: pieces of text. Out: whether cutting and joining keep what they must keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "job/join.h"

static void test_cuts_to_full_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kept;
    } cases[] = {
        {"", ""},
        {"no end in sight", ""},
        {"One. Two", "One."},
        {"One. Two.", "One. Two."},
        {"One! \"Two?\" and so", "One! \"Two?\""},
        {"It weighs 3.5 kilos and", ""},
        {"It weighs 3.", ""}, /* perhaps the rest of the number is missing */
        {"See example.org for", ""},
        {"### [00:10] Start\n\nWe beg", "### [00:10] Start"},
        {"### 1. Sta", ""}, /* half a heading */
        {"A line without a stop\n\nNext", "A line without a stop"},
        {"Done.\n[VISUAL: a map]\nNo", "Done.\n[VISUAL: a map]"},
        {"Fin\xE2\x80\xA6 and", "Fin\xE2\x80\xA6"},
        {"\xE7\xB5\x82\xE3\x80\x82\xE6\xAC\xA1", "\xE7\xB5\x82\xE3\x80\x82"}, /* 終。次 */
        {"\xC2\xAB Oui.\xC2\xBB Et", "\xC2\xAB Oui.\xC2\xBB"},
        {"Ends.\r\n\r\nAnd", "Ends."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = join_full_sentences(cases[i].text, strlen(cases[i].text));
        if (n != strlen(cases[i].kept))
            print_message("case %zu: \"%s\" kept %zu bytes\n", i, cases[i].text, n);
        assert_int_equal(n, strlen(cases[i].kept));
    }
}

static void test_finds_the_longest_repetition(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t overlap;
    } cases[] = {
        {"we knead the dough for ten minutes", "for ten minutes and then rest", 0}, /* too short */
        {"we knead the dough for ten minutes", "the dough for ten minutes and rest", 25},
        {"Knead THE  dough\nfor ten minutes", "the dough for ten minutes. Rest", 25},
        {"knead the dough for ten minutes.\n", "\nthe dough for ten minutes. Rest", 28},
        {"knead the dough for ten minutes ", "the dough for ten minutesXX and rest", 0},
        {"nothing in common with what follows", "something else altogether, entirely", 0},
        {"ab ab ab ab ab ab ab ab ab", "ab ab ab ab ab ab ab ab ab ab", 26},
        {"all of this is said again here", "all of this is said again here", 30},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = join_overlap(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b));
        if (n != cases[i].overlap)
            print_message("case %zu: %zu\n", i, n);
        assert_int_equal(n, cases[i].overlap);
    }
}

static void test_tail_starts_at_a_word(void **state)
{
    (void)state;
    const char *t = "  one two\nthree  four ";
    assert_string_equal(t + join_tail(t, strlen(t), 2), "three  four ");
    assert_string_equal(t + join_tail(t, strlen(t), 4), "one two\nthree  four ");
    assert_string_equal(t + join_tail(t, strlen(t), 99), "one two\nthree  four ");
    assert_string_equal(t + join_tail(t, strlen(t), 0), "");
    assert_int_equal(join_tail("", 0, 5), 0);
    t = "潮汐来了又去，月亮在看着海。"; /* no blanks: two characters are a word, so is a mark */
    assert_string_equal(t + join_tail(t, strlen(t), 3), "在看着海。");
    assert_string_equal(t + join_tail(t, strlen(t), 99), t);
}

static void check_append(const char *a, const char *b, const char *expected)
{
    struct buf out = BUF_INIT(1000);
    buf_puts(&out, a);
    assert_int_equal(join_append(&out, b, strlen(b)), OK);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
}

static void test_append_breaks_sensibly(void **state)
{
    (void)state;
    check_append("", "  Start.", "Start.");
    check_append("One.", "Two.", "One. Two.");
    check_append("One. ", "Two.", "One. Two.");
    check_append("One.", "\n\nTwo.", "One.\n\nTwo.");
    check_append("One.", "### [01:00] Two", "One.\n\n### [01:00] Two");
    check_append("### [01:00] Two", "Text.", "### [01:00] Two\n\nText.");
    check_append("One.\n", "[VISUAL: x]", "One.\n\n[VISUAL: x]");
    check_append("One.", " \n ", "One.");
    check_append("\xE7\xB5\x82\xE3\x80\x82", "\xE6\xAC\xA1",
                 "\xE7\xB5\x82\xE3\x80\x82\xE6\xAC\xA1");
    check_append("knead the dough for ten minutes", "the dough for ten minutes and rest",
                 "knead the dough for ten minutes and rest");
    check_append("then we watch the transfor", "then we watch the transformation happen",
                 "then we watch the transformation happen");
    check_append("The dough has to rest now.\n", "The dough has to rest now.\n\n### [02:00] Next",
                 "The dough has to rest now.\n\n### [02:00] Next");
}

static void test_append_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(12);
    buf_puts(&out, "One. ");
    assert_int_equal(join_append(&out, "Two thousand.", 13), ERR_TOO_BIG);
    assert_string_equal(buf_str(&out), "One. ");
    assert_int_equal(join_append(&out, "Two.", 4), OK);
    assert_string_equal(buf_str(&out), "One. Two.");
    buf_free(&out);
}

static uint64_t seed_from_environment(void)
{
    const char *s = getenv("SEED");
    uint64_t seed = s != NULL ? strtoull(s, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Words that never repeat in a row, so that an overlap can only be the one that was made. */
static size_t make_text(struct rng *rng, char *out, size_t words)
{
    static const char *const ends[] = {" ", " ", " ", ", ", ". ", ".\n\n", " \xC3\xA9t\xC3\xA9 "};
    size_t n = 0;
    for (size_t i = 0; i < words; i++)
        n += (size_t)sprintf(out + n, "w%u%s", rng_u32(rng), ends[rng_below(rng, 7)]);
    return n;
}

static void test_any_cut_and_any_repetition_join_to_the_original(void **state)
{
    (void)state;
    struct rng rng = rng_seed(seed_from_environment(), 1);
    static char text[20000];
    for (int round = 0; round < 300; round++) {
        size_t n = make_text(&rng, text, 20 + rng_below(&rng, 150));
        while (text[n - 1] == ' ' || text[n - 1] == '\n')
            n--;
        size_t cut = n / 3 + rng_below(&rng, (uint32_t)(n / 3));
        while (((unsigned char)text[cut] & 0xC0u) == 0x80u)
            cut++;
        size_t again = 20 + rng_below(&rng, 200);
        size_t start = cut > again ? cut - again : 0;
        while (start > 0 && text[start - 1] != ' ' && text[start - 1] != '\n')
            start--; /* a repetition begins with a word */
        if (text[cut] == ' ' || text[cut] == '\n' || cut - start < 40)
            continue;
        struct buf out = BUF_INIT(sizeof(text));
        buf_put(&out, text, cut);
        assert_int_equal(join_append(&out, text + start, n - start), OK);
        assert_int_equal(out.len, n);
        assert_memory_equal(out.data, text, n);
        buf_free(&out);
    }
}

static void test_kept_prefix_ends_between_words(void **state)
{
    (void)state;
    struct rng rng = rng_seed(seed_from_environment(), 2);
    static char text[20000];
    size_t n = make_text(&rng, text, 400);
    for (int round = 0; round < 500; round++) {
        size_t cut = rng_below(&rng, (uint32_t)n);
        size_t kept = join_full_sentences(text, cut);
        assert_true(kept <= cut);
        assert_int_not_equal((unsigned char)text[kept] & 0xC0u, 0x80u);
        assert_true(kept == 0 || kept == cut || text[kept] == ' ' || text[kept] == '\n');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_to_full_sentences),
        cmocka_unit_test(test_finds_the_longest_repetition),
        cmocka_unit_test(test_tail_starts_at_a_word),
        cmocka_unit_test(test_append_breaks_sensibly),
        cmocka_unit_test(test_append_that_does_not_fit_changes_nothing),
        cmocka_unit_test(test_any_cut_and_any_repetition_join_to_the_original),
        cmocka_unit_test(test_kept_prefix_ends_between_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
