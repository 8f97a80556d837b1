/* In: buf.c. Out: growth, the maximum, and that a refused addition changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    assert_string_equal(buf_str(&b), "");
    buf_clear(&b);
    char *s = buf_take(&b);
    assert_string_equal(s, "");
    free(s);
    buf_free(&b);
}

static void additions_follow_each_other_and_end_in_a_nul(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    buf_put(&b, "a\0b", 3);
    buf_puts(&b, "cd");
    buf_putf(&b, "%d-%s", 42, "x");
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "a\0bcd42-x", 10);
    buf_consume(&b, 3);
    assert_string_equal(buf_str(&b), "cd42-x");
    buf_consume(&b, 99);
    assert_string_equal(buf_str(&b), "");
    buf_free(&b);
}

static void the_maximum_is_reached_and_never_passed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(5);
    assert_int_equal(buf_add(&b, "abc", 3), OK);
    assert_int_equal(buf_add(&b, "def", 3), ERR_TOO_BIG);
    assert_int_equal(buf_adds(&b, "def"), ERR_TOO_BIG);
    assert_int_equal(buf_addf(&b, "%s", "def"), ERR_TOO_BIG);
    assert_string_equal(buf_str(&b), "abc");
    assert_int_equal(buf_addf(&b, "%d", 12), OK);
    assert_string_equal(buf_str(&b), "abc12");
    assert_int_equal(buf_add(&b, "", 0), OK);
    assert_int_equal(buf_add(&b, "x", 1), ERR_TOO_BIG);
    buf_free(&b);
    assert_int_equal(b.max, 5);
}

static void taken_text_is_the_callers_and_the_buffer_starts_anew(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_put(&b, "0123456789" + i % 10, 1);
    char *s = buf_take(&b);
    assert_int_equal(strlen(s), 100000);
    assert_int_equal(s[99999], '9');
    assert_int_equal(b.len, 0);
    buf_puts(&b, "new");
    assert_string_equal(buf_str(&b), "new");
    free(s);
    buf_free(&b);
}

static void plain_text_keeps_its_letters_and_loses_what_moves_the_cursor(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(64);
    /* ESC ] and BEL, line ends, tab, DEL, U+0085 and U+009F; U+00A0, e acute and a snowman stay */
    buf_put_plain(&b, "\x1b]0;x\x07 a\r\nb\tc\x7f\xc2\x85\xc2\x9f\xc2\xa0\xc3\xa9\xe2\x98\x83");
    assert_string_equal(buf_str(&b), " ]0;x  a  b c   \xc2\xa0\xc3\xa9\xe2\x98\x83");
    buf_clear(&b);
    buf_put_plain(&b, "cut \xc2");
    assert_string_equal(buf_str(&b), "cut \xc2");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(additions_follow_each_other_and_end_in_a_nul),
        cmocka_unit_test(the_maximum_is_reached_and_never_passed),
        cmocka_unit_test(plain_text_keeps_its_letters_and_loses_what_moves_the_cursor),
        cmocka_unit_test(taken_text_is_the_callers_and_the_buffer_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
