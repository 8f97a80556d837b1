/* In: failures and headers. Out: whether the waits are as documented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>

#include "base/clock.h"
#include "job/retry.h"

#define DRAWS 2000

/* 6 November 1994, 08:49:37 UTC: the moment of RFC 9110's examples. */
#define RFC_MOMENT_US ((int64_t)784111777 * USEC_PER_SEC)

static void check_range(int64_t (*draw)(int n, struct rng *rng), int n, int64_t low_us,
                        int64_t high_us)
{
    struct rng rng = rng_seed(7, (uint64_t)n);
    int64_t min = INT64_MAX, max = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t us = draw(n, &rng);
        assert_in_range(us, low_us, high_us);
        min = us < min ? us : min;
        max = us > max ? us : max;
    }
    int64_t twentieth = (high_us - low_us) / 20; /* the whole range is used */
    assert_true(min < low_us + twentieth);
    assert_true(max > high_us - twentieth);
}

static void test_job_delay_doubles_from_5_s_to_10_min(void **state)
{
    (void)state;
    static const int64_t base_s[] = {5, 10, 20, 40, 80, 160, 320, 600, 600, 600};
    for (int i = 0; i < 10; i++) {
        int64_t base = base_s[i] * USEC_PER_SEC;
        check_range(retry_job_delay_us, i + 1, base * 8 / 10, base * 12 / 10);
    }
    check_range(retry_job_delay_us, 1000000, 480 * USEC_PER_SEC, 720 * USEC_PER_SEC);
}

static int64_t call_delay(int tries, struct rng *rng)
{
    return retry_call_delay_us(tries, -1, rng);
}

static void test_call_delay_doubles_from_half_a_second_to_8_s_less_a_quarter(void **state)
{
    (void)state;
    static const int64_t base_ms[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
    for (int i = 0; i < 7; i++) {
        int64_t base = base_ms[i] * USEC_PER_MSEC;
        check_range(call_delay, i + 1, base * 3 / 4, base);
    }
    check_range(call_delay, 1000000, 6 * USEC_PER_SEC, 8 * USEC_PER_SEC);
}

static void test_the_servers_wish_is_followed_exactly_and_clamped(void **state)
{
    (void)state;
    struct rng rng = rng_seed(1, 1);
    assert_int_equal(retry_call_delay_us(5, 0, &rng), 0);
    assert_int_equal(retry_call_delay_us(1, 1234567, &rng), 1234567);
    assert_int_equal(retry_call_delay_us(1, RETRY_AFTER_MAX_US + 1, &rng), RETRY_AFTER_MAX_US);
    assert_int_equal(retry_call_delay_us(1, INT64_MAX, &rng), RETRY_AFTER_MAX_US);
}

static void test_delays_replay_from_their_seed(void **state)
{
    (void)state;
    struct rng a = rng_seed(42, 3), b = rng_seed(42, 3);
    for (int i = 1; i < 20; i++)
        assert_int_equal(retry_job_delay_us(i, &a), retry_job_delay_us(i, &b));
}

static void check_seconds(const char *text, int64_t us)
{
    if (retry_after_parse(NULL, text, RFC_MOMENT_US) != us)
        fail_msg("retry-after: %s", text);
}

static void test_seconds(void **state)
{
    (void)state;
    check_seconds("0", 0);
    check_seconds("7", 7000000);
    check_seconds("1.5", 1500000);
    check_seconds(".25", 250000);
    check_seconds("2.", 2000000);
    check_seconds("  30 ", 30000000);
    check_seconds("+3", 3000000);
    check_seconds("1e1", 10000000);
    check_seconds("25E-1", 2500000);
    check_seconds("0.0000004", 0);
    check_seconds("0.3", 300000);
    check_seconds("3600", RETRY_AFTER_MAX_US);
}

static void test_huge_seconds_are_clamped(void **state)
{
    (void)state;
    check_seconds("3601", RETRY_AFTER_MAX_US);
    check_seconds("1e9", RETRY_AFTER_MAX_US);
    check_seconds("1000000000", RETRY_AFTER_MAX_US);
    check_seconds("1e999999999999", RETRY_AFTER_MAX_US);
    check_seconds("99999999999999999999999999999999999999999999", RETRY_AFTER_MAX_US);
    check_seconds("0e999999999999", 0);
    check_seconds("1e-999999999999", 0);
}

static void test_senseless_values_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     " ",    "-1", "-0.5", "NaN", "nan", "inf", "Infinity", "0x10",  "1,5",
        "1.5s", "soon", "e5", ".",    "1e",  "1e+", "1 2", "--1",      "1.2.3", "+",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_seconds(texts[i], -1);
    assert_int_equal(retry_after_parse(NULL, NULL, 0), -1);
}

static void test_milliseconds_come_first(void **state)
{
    (void)state;
    assert_int_equal(retry_after_parse("250", "7", 0), 250000);
    assert_int_equal(retry_after_parse("0.5", NULL, 0), 500);
    assert_int_equal(retry_after_parse("1e9", NULL, 0), RETRY_AFTER_MAX_US);
    assert_int_equal(retry_after_parse("NaN", "7", 0), 7000000); /* the other one makes sense */
    assert_int_equal(retry_after_parse("-5", NULL, 0), -1);
}

static void test_http_dates_in_all_three_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " sun, 6 nov 1994 08:49:37 gmt ",
    };
    for (size_t i = 0; i < 4; i++) {
        int64_t now = RFC_MOMENT_US - 90 * USEC_PER_SEC;
        assert_int_equal(retry_after_parse(NULL, forms[i], now), 90 * USEC_PER_SEC);
        assert_int_equal(retry_after_parse(NULL, forms[i], RFC_MOMENT_US + 1), 0);
        assert_int_equal(retry_after_parse(NULL, forms[i], RFC_MOMENT_US - 2 * RETRY_AFTER_MAX_US),
                         RETRY_AFTER_MAX_US);
    }
}

static void test_http_dates_of_leap_days_and_two_digit_years(void **state)
{
    (void)state;
    /* 2028-02-29 00:00:00 UTC = 1835395200, by the calendar: 21243 days */
    int64_t leap_us = (int64_t)1835395200 * USEC_PER_SEC;
    assert_int_equal(retry_after_parse(NULL, "Tue, 29 Feb 2028 00:00:00 GMT", leap_us - 5), 5);
    assert_int_equal(retry_after_parse(NULL, "Tuesday, 29-Feb-28 00:00:00 GMT", leap_us - 5), 5);
    /* 94 read in 2026 would be 68 years ahead: it is 1994, and past */
    int64_t in_2026_us = (int64_t)1795000000 * USEC_PER_SEC;
    assert_int_equal(retry_after_parse(NULL, "Sunday, 06-Nov-94 08:49:37 GMT", in_2026_us), 0);
}

static void test_broken_dates_are_none(void **state)
{
    (void)state;
    static const char *const dates[] = {
        "Sun, 31 Feb 2027 08:49:37 GMT",  "Sun, 29 Feb 2027 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",  "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",  "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Non 1994 08:49:37 GMT",  "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun, 06 Nov 19940 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",       "Sun, 00 Nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++)
        check_seconds(dates[i], -1);
}

static void test_the_locale_changes_nothing(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "cs_CZ.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < 4; i++) {
        (void)setlocale(LC_ALL, locales[i]); /* those that this machine has */
        check_seconds("1.5", 1500000);
        check_seconds("1,5", -1);
        assert_int_equal(
            retry_after_parse(NULL, "Sun, 06 Nov 1994 08:49:37 GMT", RFC_MOMENT_US - 1), 1);
    }
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_delay_doubles_from_5_s_to_10_min),
        cmocka_unit_test(test_call_delay_doubles_from_half_a_second_to_8_s_less_a_quarter),
        cmocka_unit_test(test_the_servers_wish_is_followed_exactly_and_clamped),
        cmocka_unit_test(test_delays_replay_from_their_seed),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_huge_seconds_are_clamped),
        cmocka_unit_test(test_senseless_values_are_none),
        cmocka_unit_test(test_milliseconds_come_first),
        cmocka_unit_test(test_http_dates_in_all_three_forms),
        cmocka_unit_test(test_http_dates_of_leap_days_and_two_digit_years),
        cmocka_unit_test(test_broken_dates_are_none),
        cmocka_unit_test(test_the_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
