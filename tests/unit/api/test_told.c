/* In: ends of jobs that a client was told of. Out: whether a connection that goes on knows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "api/told.h"

#define NOW 1700000000000000
#define S   1000000

static const struct told_point now = {.us = NOW};

static struct uuid job(unsigned char n)
{
    return (struct uuid){.bytes = {1, [15] = n}};
}

static void an_id_takes_what_was_told_lately_along(void **state)
{
    struct told here = {0}, there = {0};
    char id[TOLD_ID_SIZE];
    struct told_point from = {0};
    (void)state;
    struct uuid old = job(1), a = job(2), b = job(3), never = job(4);
    told_add(&here, &old, NOW - 11 * S);
    told_add(&here, &a, NOW - 9 * S);
    told_add(&here, &b, NOW);
    assert_int_equal(told_parse(&there, told_id(&here, &now, id), NOW + S, &from), OK);
    assert_true(from.us == NOW && uuid_is_nil(&from.job));
    assert_int_equal(there.n, 2);
    assert_true(told_has(&there, &a, 0) && told_has(&there, &b, 0));
    assert_false(told_has(&there, &old, 0) || told_has(&there, &never, 0));
    told_free(&here);
    told_free(&there);
}

static void an_id_that_takes_nothing_along_is_a_time(void **state)
{
    struct told none = {0};
    char id[TOLD_ID_SIZE];
    struct told_point from = {0};
    (void)state;
    assert_string_equal(told_id(&none, &now, id), "1700000000000000");
    assert_int_equal(told_parse(&none, id, NOW, &from), OK);
    assert_true(from.us == NOW && uuid_is_nil(&from.job));
    assert_int_equal(none.n, 0);
}

static void an_id_can_stand_behind_one_end_of_several_at_a_time(void **state)
{
    struct told none = {0};
    char id[TOLD_ID_SIZE];
    struct told_point at = {NOW, job(7)}, from = {0};
    (void)state;
    assert_string_equal(told_id(&none, &at, id),
                        "1700000000000000-01000000-0000-0000-0000-000000000007");
    told_add(&none, &at.job, NOW);
    assert_int_equal(told_parse(&none, told_id(&none, &at, id), NOW, &from), OK);
    assert_true(from.us == NOW && uuid_equal(&from.job, &at.job));
    told_free(&none);
}

static void an_id_holds_the_newest_and_fits(void **state)
{
    struct told many = {0}, there = {0};
    char id[TOLD_ID_SIZE];
    struct told_point from;
    (void)state;
    for (unsigned char i = 0; i < 100; i++)
        told_add(&many, &(struct uuid){.bytes = {i}}, NOW - 100 + i);
    assert_true(strlen(told_id(&many, &now, id)) < TOLD_ID_SIZE - 1);
    assert_int_equal(told_parse(&there, id, NOW, &from), OK);
    assert_int_equal(there.n, TOLD_IN_ID);
    assert_true(told_has(&there, &(struct uuid){.bytes = {99}}, 0));
    assert_false(told_has(&there, &(struct uuid){.bytes = {99 - TOLD_IN_ID}}, 0));
    told_free(&many);
    told_free(&there);
}

static void it_knows_since_when_and_forgets(void **state)
{
    struct told t = {0};
    struct uuid a = job(1), b = job(2);
    (void)state;
    told_add(&t, &a, NOW);
    told_add(&t, &b, NOW + S);
    assert_true(told_has(&t, &a, NOW));
    assert_false(told_has(&t, &a, NOW + 1));
    told_forget(&t, NOW + 1);
    assert_false(told_has(&t, &a, 0));
    assert_true(told_has(&t, &b, 0));
    told_free(&t);
}

static void a_time_that_is_still_to_come_is_now(void **state)
{
    struct told t = {0};
    struct told_point from = {0};
    (void)state;
    assert_int_equal(told_parse(&t, "1700000099000000:0123456789ab", NOW, &from), OK);
    assert_true(from.us == NOW && uuid_is_nil(&from.job));
    assert_true(t.n == 1 && t.ends[0].at_us == NOW && t.ends[0].mark == 0x0123456789ab);
    told_free(&t);
}

static void what_is_no_id_is_refused_and_changes_nothing(void **state)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "0",
                                        "-1",
                                        " 1",
                                        "1x",
                                        "1:",
                                        "1,0123456789ab",
                                        "1:0123456789a",
                                        "1:0123456789AB",
                                        "1:0123456789ab,",
                                        "1:0123456789ab:0123456789ab",
                                        "1:0123456789abc",
                                        "1: 123456789ab",
                                        "99999999999999999999",
                                        "1:2:3:4",
                                        "1-",
                                        "1-0123456789ab",
                                        "1-01000000-0000-0000-0000-00000000000",
                                        "1-01000000-0000-0000-0000-000000000007x"};
    char many[TOLD_ID_SIZE * 2] = "1";
    struct told t = {0};
    struct told_point from = {.us = 42};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(told_parse(&t, wrong[i], NOW, &from), ERR_INVALID);
    for (size_t i = 0, n = 1; i <= TOLD_IN_ID; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "%c0123456789ab", i == 0 ? ':' : ',');
    assert_int_equal(told_parse(&t, many, NOW, &from), ERR_INVALID);
    assert_true(from.us == 42 && t.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_takes_what_was_told_lately_along),
        cmocka_unit_test(an_id_that_takes_nothing_along_is_a_time),
        cmocka_unit_test(an_id_can_stand_behind_one_end_of_several_at_a_time),
        cmocka_unit_test(an_id_holds_the_newest_and_fits),
        cmocka_unit_test(it_knows_since_when_and_forgets),
        cmocka_unit_test(a_time_that_is_still_to_come_is_now),
        cmocka_unit_test(what_is_no_id_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
