/* Times as text: what RFC 3339 allows, what it does not, and what they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "job/date.h"

static int64_t parsed(const char *text)
{
    int64_t us = -1;
    if (!date_parse(text, &us))
        fail_msg("%s is a time", text);
    return us;
}

static void a_time_is_read_with_its_zone_and_fraction(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parsed("2030-01-31T12:00:00+01:00"), INT64_C(1896087600000000));
    assert_int_equal(parsed("2030-01-31t06:30:00-0430"), INT64_C(1896087600000000));
    assert_int_equal(parsed("2000-02-29 23:59:59.25z"), INT64_C(951868799250000));
    assert_int_equal(parsed("2000-02-29T23:59:59.250000999Z"), INT64_C(951868799250000));
    /* a leap second is the next minute's first: 2017-01-01T00:00:00Z */
    assert_int_equal(parsed("2016-12-31T23:59:60Z"), INT64_C(1483228800000000));
}

static void what_is_no_time_is_refused_and_nothing_is_written(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2030-01-31",
        "2030-01-31T12:00:00",
        "2030-01-31T12:00Z",
        "2030-02-29T12:00:00Z",
        "2030-13-01T12:00:00Z",
        "2030-01-31T24:00:00Z",
        "2030-01-31T12:60:00Z",
        "2030-01-31T12:00:61Z",
        "2030-01-31T12:00:00.Z",
        "2030-01-31T12:00:00+24:00",
        "2030-01-31T12:00:00Z ",
        "30-01-31T12:00:00Z",
        "1896087600",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t us = 7;
        if (date_parse(wrong[i], &us))
            fail_msg("'%s' is no time", wrong[i]);
        assert_int_equal(us, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_read_with_its_zone_and_fraction),
        cmocka_unit_test(what_is_no_time_is_refused_and_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
