/* In: base64.c. Out: RFC 4648's own examples in both directions, and that nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

static void the_examples_of_the_rfc_go_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"},
                 {"\xfb\xef\xff", "++//"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].bytes), got = 99;
        uint8_t out[16];
        char *text = base64_encode(cases[i].bytes, n);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(base64_decode(text, strlen(text), out, n, &got), OK);
        assert_int_equal(got, n);
        assert_memory_equal(out, cases[i].bytes, n);
        free(text);
    }
}

static void what_nobody_writes_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg==Zg==", "Z===", "====", "Zm9v\n",
                                      "Zm9 ", "Zm-_", "=m9v", "Zh==",     "Zm9=", "Zg=v"};
    uint8_t out[16];
    size_t n = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (base64_decode(bad[i], strlen(bad[i]), out, sizeof out, &n) != ERR_INVALID)
            fail_msg("'%s' was taken", bad[i]);
    }
    assert_int_equal(base64_decode("Zg\0=", 4, out, sizeof out, &n), ERR_INVALID);
    assert_int_equal(base64_decode("Zm9v", 4, out, 2, &n), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_go_both_ways),
        cmocka_unit_test(what_nobody_writes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
