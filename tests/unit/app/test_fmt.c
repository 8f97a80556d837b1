/* In: figures and text. Out: what people read, checked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>

#include "app/fmt.h"

static void counts_have_a_comma_every_three_digits(void **state)
{
    (void)state;
    char s[FMT_SIZE];
    assert_string_equal(fmt_count(0, s), "0");
    assert_string_equal(fmt_count(999, s), "999");
    assert_string_equal(fmt_count(1000, s), "1,000");
    assert_string_equal(fmt_count(1234567, s), "1,234,567");
    assert_string_equal(fmt_count(-12345, s), "-12,345");
}

static void money_is_exact_to_the_micro_dollar_in_json(void **state)
{
    (void)state;
    char s[FMT_SIZE];
    assert_string_equal(fmt_dollars_json(0, s), "0.000000");
    assert_string_equal(fmt_dollars_json(1, s), "0.000001");
    assert_string_equal(fmt_dollars_json(12345678, s), "12.345678");
    assert_string_equal(fmt_money(12300, s), "$0.0123");
    assert_string_equal(fmt_money(12340000, s), "$12.34");
}

static void times_are_as_fine_as_they_are_short(void **state)
{
    (void)state;
    char s[FMT_SIZE];
    assert_string_equal(fmt_seconds(420000, s), "0.42 s");
    assert_string_equal(fmt_seconds(61500000, s), "61.5 s");
    assert_string_equal(fmt_seconds(245000000, s), "4 min 05 s");
    assert_string_equal(fmt_seconds((int64_t)7199 * 1000000, s), "119 min 59 s");
    assert_string_equal(fmt_seconds((int64_t)12000 * 1000000, s), "3 h 20 min");
    assert_string_equal(fmt_seconds((int64_t)127 * 3600 * 1000000, s), "5 d 07 h");
    assert_string_equal(fmt_seconds(INT64_MAX, s), "106751991 d 04 h");
    assert_string_equal(fmt_clock(7900000, s), "0:07");
    assert_string_equal(fmt_clock(3723000000, s), "1:02:03");
}

static void fits(const char *text, int width, const char *expected)
{
    struct buf out = BUF_INIT(1024);
    fmt_fit(&out, text, width);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
}

static void text_fits_its_columns_by_padding_or_with_an_ellipsis(void **state)
{
    (void)state;
    fits("abc", 5, "abc  ");
    fits("abcde", 5, "abcde");
    fits("abcdef", 5, "abcd…");
    fits("", 3, "   ");
    fits("größer", 5, "größ…");  /* two bytes, one column each */
    fits("日本語", 6, "日本語"); /* three bytes, two columns each */
    fits("日本語", 5, "日本…");
    fits("日本語", 4, "日… ");
}

static void no_form_of_control_character_gets_through(void **state)
{
    (void)state;
    /* ESC, a line of its own, delete, and U+009B, which is ESC [ in two bytes; not U+00A0 or e
     * acute */
    fits("a\x1b]52;c\nb\x7f\xc2\x9b"
         "2J",
         14, "a ]52;c b  2J ");
}

static void control_characters_cannot_move_the_cursor(void **state)
{
    (void)state;
    fits("a\033[2Jb\n", 7, "a [2Jb ");
    fits("\xff\xfe", 3, "\xff\xfe "); /* no characters at all: a column a byte */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_a_comma_every_three_digits),
        cmocka_unit_test(money_is_exact_to_the_micro_dollar_in_json),
        cmocka_unit_test(times_are_as_fine_as_they_are_short),
        cmocka_unit_test(text_fits_its_columns_by_padding_or_with_an_ellipsis),
        cmocka_unit_test(no_form_of_control_character_gets_through),
        cmocka_unit_test(control_characters_cannot_move_the_cursor),
    };
    (void)setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
