/* In: parts that were agreed on, time that passes, news of others. Out: a pacer that keeps to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pacer_bench.h"
#include "provider/share.h"

static const struct pacer_need one_request = {.rate_class = "sonnet"};

static struct pacer *shared_pacer(int64_t requests)
{
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = requests, .burst_us = S});
    pacer_share_begin(p);
    return p;
}

static struct share requests_part(int64_t part)
{
    return (struct share){.part = {part, -1, -1}, .cut_us = -1};
}

static int admitted(struct pacer *p, int64_t now)
{
    uint64_t ticket;
    int n = 0;
    while (n < 1000 && pacer_admit(p, &one_request, now, &ticket) == 0)
        n++;
    return n;
}

static void an_unconfirmed_part_holds_for_ten_seconds_and_is_then_halved_every_ten(void **state)
{
    (void)state;
    assert_int_equal(share_left(600, 0), 600);
    assert_int_equal(share_left(600, 10 * S - 1), 600);
    assert_int_equal(share_left(600, 10 * S), 300);
    assert_int_equal(share_left(600, 20 * S - 1), 300);
    assert_int_equal(share_left(600, 20 * S), 150);
    assert_int_equal(share_left(600, 40 * S), 37);
    assert_int_equal(share_left(600, 100000 * S), 0);
    assert_int_equal(share_left(-1, 100 * S), -1);
}

static void nothing_starts_before_a_part_is_agreed(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(600);
    struct share half = requests_part(300); /* 5 a second, which is also the burst */
    assert_int_equal(admitted(p, T0), 0);
    assert_true(pacer_share_lacks(p));
    pacer_share_set(p, "sonnet", &half, T0, T0);
    assert_int_equal(admitted(p, T0 + S), 5);
    assert_int_equal(admitted(p, T0 + 2 * S), 5);
    pacer_free(p);
}

static void a_limit_that_is_new_waits_for_its_part(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(0);
    struct share unknown = requests_part(-1), third = requests_part(200);
    struct rate_report told = {
        .requests = {600, 600, 0}, .input = {-1, -1, 0}, .output = {-1, -1, 0}};
    (void)admitted(p, T0);
    pacer_share_set(p, "sonnet", &unknown, T0, T0);
    assert_int_equal(admitted(p, T0), 4); /* into the dark */
    pacer_report(p, "sonnet", &told, T0 + S, T0 + S);
    assert_int_equal(admitted(p, T0 + S), 0);
    pacer_share_set(p, "sonnet", &third, T0 + S, T0 + S);
    assert_in_range(admitted(p, T0 + 2 * S), 3, 4); /* 200 a minute */
    pacer_free(p);
}

static void what_is_asked_for_is_what_was_used_and_what_waits(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(600);
    struct share all = requests_part(600);
    struct share_ask ask;
    (void)admitted(p, T0);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + S), 0); /* nothing used, nothing waits */
    for (int i = 0; i < 3; i++)
        pacer_share_waits(p, &one_request);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 2 * S), 1);
    assert_int_equal(ask.wanted[PACE_REQUESTS], 3 * 60); /* within a second */
    assert_int_equal(ask.limit[PACE_REQUESTS], 600);
    assert_int_equal(ask.told_us, -1);
    pacer_share_set(p, "sonnet", &all, T0 + 2 * S, T0 + 2 * S);
    assert_int_equal(admitted(p, T0 + 3 * S), 10);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 3 * S), 1);
    assert_int_equal(ask.wanted[PACE_REQUESTS], 10 * 60); /* ten in this second */
    pacer_free(p);
}

static void nobody_confirms_a_part_and_it_shrinks(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(1200);
    struct share all = requests_part(1200); /* 20 a second */
    struct share_ask ask;
    (void)admitted(p, T0);
    pacer_share_set(p, "sonnet", &all, T0, T0);
    assert_int_equal(admitted(p, T0 + 9 * S), 20);
    pacer_share_waits(p, &one_request);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 12 * S), 1);
    assert_int_equal(admitted(p, T0 + 13 * S), 10);
    pacer_share_waits(p, &one_request);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 22 * S), 1);
    assert_int_equal(admitted(p, T0 + 23 * S), 5);
    pacer_free(p);
}

static void refusals_and_overloads_of_others_hold_for_us(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(6000);
    struct share part = requests_part(6000);
    struct share_ask ask;
    (void)admitted(p, T0);
    part.frozen_us[PACE_REQUESTS] = 5 * S;
    pacer_share_set(p, "sonnet", &part, T0, T0);
    assert_int_equal(admitted(p, T0 + 4 * S), 0);
    assert_true(admitted(p, T0 + 6 * S) > 0); /* 50 to 100 run now */
    pacer_share_waits(p, &one_request);
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 7 * S), 1);
    assert_int_equal(ask.frozen_us[PACE_REQUESTS], 0); /* theirs is not told as ours */
    assert_int_equal(ask.cut_us, -1);
    part = requests_part(6000);
    part.cut_us = S / 10;
    pacer_share_set(p, "sonnet", &part, T0 + 7 * S, T0 + 7 * S);
    assert_int_equal(admitted(p, T0 + 7 * S), 0); /* half as many may run */
    assert_int_equal(pacer_share_asks(p, &ask, 1, T0 + 8 * S), 1);
    assert_int_equal(ask.cut_us, -1);
    pacer_free(p);
}

static void limits_that_others_were_told_are_known(void **state)
{
    (void)state;
    struct pacer *p = shared_pacer(0);
    struct share part = requests_part(300);
    part.limit[PACE_REQUESTS] = 600;
    (void)admitted(p, T0);
    pacer_share_set(p, "sonnet", &part, T0, T0);
    assert_int_equal(admitted(p, T0 + S), 5);
    pacer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unconfirmed_part_holds_for_ten_seconds_and_is_then_halved_every_ten),
        cmocka_unit_test(nothing_starts_before_a_part_is_agreed),
        cmocka_unit_test(a_limit_that_is_new_waits_for_its_part),
        cmocka_unit_test(what_is_asked_for_is_what_was_used_and_what_waits),
        cmocka_unit_test(nobody_confirms_a_part_and_it_shrinks),
        cmocka_unit_test(refusals_and_overloads_of_others_hold_for_us),
        cmocka_unit_test(limits_that_others_were_told_are_known),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
