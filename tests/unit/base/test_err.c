/* In: err.c. Out: every code has a name of its own; messages are cut, not overrun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"

static void every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = 0; a < ERR_MAX; a++) {
        assert_string_not_equal(err_name((enum err)a), "unknown error");
        for (int b = 0; b < a; b++)
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
    }
    assert_string_equal(err_name(ERR_MAX), "unknown error");
    assert_string_equal(err_name((enum err) - 1), "unknown error");
}

static void a_message_is_set_in_one_statement_and_cut_at_its_limit(void **state)
{
    (void)state;
    struct errmsg msg;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(err_set(&msg, ERR_FULL, "%s: no space %d", "f", 3), ERR_FULL);
    assert_string_equal(msg.text, "f: no space 3");
    assert_int_equal(err_set(&msg, ERR_IO, "%s", text), ERR_IO);
    assert_int_equal(strlen(msg.text), sizeof(msg.text) - 1);
    assert_int_equal(err_set(NULL, ERR_BUSY, "nobody listens"), ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(a_message_is_set_in_one_statement_and_cut_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
