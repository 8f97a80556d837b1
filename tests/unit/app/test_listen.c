/* In: texts for --listen. Out: address and port, or a refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app/listen.h"

static void reads(const char *text, const char *host, unsigned port)
{
    struct invocation inv = {0};
    struct listen_address a = {0};
    assert_int_equal(listen_parse(&inv, text, &a), EXIT_DONE);
    assert_string_equal(a.host, host);
    assert_int_equal(a.port, port);
}

static void reads_addresses_of_both_kinds(void **state)
{
    (void)state;
    reads("127.0.0.1:8400", "127.0.0.1", 8400);
    reads("0.0.0.0:0", "0.0.0.0", 0);
    reads("[::1]:65535", "::1", 65535);
    reads("localhost:8400", "127.0.0.1", 8400);
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "8400",
                                        ":8400",
                                        "127.0.0.1",
                                        "a:-1",
                                        "a:65536",
                                        "a:1x",
                                        "a: 1",
                                        "a:",
                                        "a:99999999999999999999999",
                                        "example.com:80",
                                        "1.2.3:80",
                                        "[]:80"};
    struct invocation inv = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct listen_address a = {0};
        assert_int_equal(listen_parse(&inv, texts[i], &a), EXIT_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses_of_both_kinds),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
