/* In: schedules, times, policies. Out: what fires, what is only recorded, and the next time, by
 * hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/firings.h"
#include "store/store_schedules.h"

#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define START  ((int64_t)1795458600 * SECOND) /* 2026-11-23 18:30:00 */

/* ---- firings ---- */

static struct firings plan(const char *expr, enum store_missed missed, int max, int64_t due,
                           int64_t now)
{
    struct store_schedule s = {
        .missed = missed, .missed_max = max, .planned = true, .due_us = due, .planned_us = due - 1};
    struct cron *c = NULL;
    struct firings f;
    assert_int_equal(cron_parse(expr, &c, NULL), OK);
    firings_plan(c, &s, now, &f);
    cron_free(c);
    return f;
}

static void what_is_due_now_fires_and_is_planned_on(void **state)
{
    (void)state;
    for (int missed = 0; missed < STORE_MISSED_MAX; missed++) {
        struct firings f =
            plan("* * * * *", (enum store_missed)missed, 5, START, START + 59 * SECOND);
        assert_int_equal(f.n, 1);
        assert_true(f.items[0].at_us == START && !f.items[0].skip && f.items[0].note == NULL);
        assert_true(f.next_us == START + MINUTE);
        f = plan("* * * * *", (enum store_missed)missed, 5, START, START - 1);
        assert_int_equal(f.n, 0);
        assert_true(f.next_us == START);
    }
}

static void what_was_missed_is_treated_by_the_policy(void **state)
{
    (void)state;
    int64_t now = START + 30 * DAY + 10 * SECOND;
    struct firings f = plan("*/10 * * * *", STORE_MISSED_ONCE, 1, START, now);
    assert_int_equal(f.n, 1);
    assert_true(f.items[0].at_us == START + 30 * DAY && !f.items[0].skip);
    assert_string_equal(f.items[0].note, "stands for all since 2026-11-23T18:30:00Z");
    assert_true(f.next_us == START + 30 * DAY + 10 * MINUTE);
    f = plan("*/10 * * * *", STORE_MISSED_ALL, 3, START, now);
    assert_int_equal(f.n, 4);
    assert_true(f.items[0].at_us == START && f.items[0].skip);
    for (int i = 1; i < 4; i++)
        assert_true(f.items[i].at_us == START + 30 * DAY - (3 - i) * 10 * MINUTE &&
                    !f.items[i].skip);
    f = plan("*/10 * * * *", STORE_MISSED_ALL, 3, START + 30 * DAY - 10 * MINUTE, now);
    assert_int_equal(f.n, 2); /* no more than there were */
    f = plan("*/10 * * * *", STORE_MISSED_SKIP, 1, START, now);
    assert_int_equal(f.n, 2); /* the latest is in time */
    assert_true(f.items[0].skip && f.items[0].at_us == START && !f.items[1].skip);
    f = plan("*/10 * * * *", STORE_MISSED_SKIP, 1, START, now + MINUTE);
    assert_int_equal(f.n, 1);
    assert_true(f.items[0].skip && f.items[0].at_us == START + 30 * DAY);
}

static void seconds_keep_their_step(void **state)
{
    (void)state;
    struct firings f = plan("7 seconds", STORE_MISSED_ALL, 100, START, START + 7000 * SECOND + 1);
    assert_int_equal(f.n, 101);
    assert_true(f.items[100].at_us == START + 7000 * SECOND);
    assert_true(f.items[1].at_us == START + (7000 - 99 * 7) * SECOND);
    assert_true(f.next_us == START + 7007 * SECOND);
    f = plan("7 seconds", STORE_MISSED_SKIP, 1, START, START + 6 * SECOND);
    assert_int_equal(f.n, 1);
    assert_false(f.items[0].skip);
}

static void a_clock_set_far_back_is_believed(void **state)
{
    (void)state;
    struct cron *c = NULL;
    struct firings f;
    struct store_schedule s = {
        .planned = true, .due_us = START + DAY, .planned_us = START + DAY - 1, .missed_max = 1};
    assert_int_equal(cron_parse("* * * * *", &c, NULL), OK);
    firings_plan(c, &s, START, &f);
    assert_true(f.n == 0 && f.next_us == START + MINUTE);
    s.planned = false; /* new: its times count from the change */
    s.missed = STORE_MISSED_ONCE;
    s.changed_us = START - 5 * MINUTE - 1;
    firings_plan(c, &s, START, &f);
    assert_true(f.n == 1 && f.items[0].at_us == START);
    cron_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_now_fires_and_is_planned_on),
        cmocka_unit_test(what_was_missed_is_treated_by_the_policy),
        cmocka_unit_test(seconds_keep_their_step),
        cmocka_unit_test(a_clock_set_far_back_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
