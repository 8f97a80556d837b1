/* In: times as clients write them. Out: the right microseconds, or 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/sqlite/sqlite.h"

#define NOON ((int64_t)1767268800000000) /* 2026-01-01T12:00:00Z */

static void the_usual_forms_are_read(void **state)
{
    (void)state;
    assert_true(sqlite_time_parse("2026-01-01T12:00:00Z") == NOON);
    assert_true(sqlite_time_parse("2026-01-01 12:00:00") == NOON);
    assert_true(sqlite_time_parse("2026-01-01T12:00:00.5Z") == NOON + 500000);
    assert_true(sqlite_time_parse("2026-01-01T12:00:00.123456789Z") == NOON + 123456);
    assert_true(sqlite_time_parse("1970-01-01T00:00:01Z") == 1000000);
}

static void offsets_are_taken_off(void **state)
{
    (void)state;
    assert_true(sqlite_time_parse("2026-01-01T14:00:00+02:00") == NOON);
    assert_true(sqlite_time_parse("2026-01-01T14:00:00+02") == NOON);
    assert_true(sqlite_time_parse("2026-01-01T17:30:00+0530") == NOON);
    assert_true(sqlite_time_parse("2026-01-01T07:00:00.25-05:00") == NOON + 250000);
}

static void what_is_no_time_is_zero(void **state)
{
    (void)state;
    assert_true(sqlite_time_parse(NULL) == 0);
    assert_true(sqlite_time_parse("") == 0);
    assert_true(sqlite_time_parse("yesterday") == 0);
    assert_true(sqlite_time_parse("2026-01-01") == 0);
    assert_true(sqlite_time_parse("2026-1-1T12:00:00Z") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_forms_are_read),
        cmocka_unit_test(offsets_are_taken_off),
        cmocka_unit_test(what_is_no_time_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
