/* In: set-ups whose waiting times can be worked out by hand. Out: whether the simulation finds
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "job/forecast.h"

#define MIN  ((int64_t)60 * USEC_PER_SEC)
#define HOUR (60 * MIN)

static const int64_t five = 5 * MIN;
static const struct capacity_limits no_limits;

static struct capacity_script five_minutes(void)
{
    return (struct capacity_script){.service_us = &five,
                                    .n_service = 1,
                                    .calls = 1,
                                    .input_tokens = 1500,
                                    .output_tokens = 3000,
                                    .cost_udollar = 50000};
}

static struct capacity_waits waits(const struct capacity_script *s, const struct capacity_limits *l,
                                   int workers, int each, int64_t every, int64_t n, int64_t over)
{
    struct capacity_setup setup = {workers, each, every};
    struct capacity_load load = {n, over};
    struct capacity_waits w;
    capacity_wait(s, l, &setup, &load, &w);
    return w;
}

static struct capacity_rate rate(const struct capacity_script *s, const struct capacity_limits *l,
                                 int workers, int each, int64_t every)
{
    struct capacity_setup setup = {workers, each, every};
    struct capacity_rate r;
    capacity_rate(s, l, &setup, &r);
    return r;
}

/* Nine come before the tenth: 9 x 5 = 45 minutes. In order: 0, 5, ... 45; the middle two 20 and 25.
 */
static void one_slot_lets_the_tenth_wait_45_minutes(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_waits w = waits(&s, &no_limits, 1, 1, MIN, 10, 0);
    assert_int_equal(w.first_us, 0);
    assert_int_equal(w.median_us, 22 * MIN + 30 * USEC_PER_SEC);
    assert_int_equal(w.tenth_us, 45 * MIN);
    assert_int_equal(w.last_us, 45 * MIN);
    assert_int_equal(w.done_us, 50 * MIN);
    struct capacity_rate r = rate(&s, &no_limits, 1, 1, MIN);
    assert_float_equal(r.scripts_per_hour, 12, 0.01);
    assert_int_equal(r.bound, CAPACITY_SLOTS);
    assert_int_equal(r.cost_udollar_per_hour, 600000);
}

/* 0 0 0 5 5 5 10 10 10 15. */
static void three_slots_let_the_tenth_wait_15_minutes(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    for (int continuous = 0; continuous < 2; continuous++) {
        struct capacity_waits w = waits(&s, &no_limits, 3, 1, continuous ? 0 : MIN, 10, 0);
        assert_int_equal(w.first_us, 0);
        assert_int_equal(w.median_us, 5 * MIN);
        assert_int_equal(w.tenth_us, 15 * MIN);
        assert_int_equal(w.done_us, 20 * MIN);
    }
    assert_float_equal(rate(&s, &no_limits, 3, 1, MIN).scripts_per_hour, 36, 0.01);
}

static void nine_slots_let_the_tenth_wait_5_minutes(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_waits w = waits(&s, &no_limits, 3, 3, MIN, 10, 0);
    assert_int_equal(w.median_us, 0);
    assert_int_equal(w.tenth_us, 5 * MIN);
    assert_float_equal(rate(&s, &no_limits, 3, 3, MIN).scripts_per_hour, 108, 0.01);
    w = waits(&s, &no_limits, 1, 256, 0, 10, 0);
    assert_int_equal(w.last_us, 0);
    assert_int_equal(w.done_us, 5 * MIN);
}

/* 90 s of work, called each minute: a slot takes one every two minutes, and is empty 30 s of them.
 */
static void a_slot_waits_for_the_next_call(void **state)
{
    (void)state;
    const int64_t ninety = 90 * USEC_PER_SEC;
    struct capacity_script s = five_minutes();
    s.service_us = &ninety;
    struct capacity_waits w = waits(&s, &no_limits, 1, 1, MIN, 3, 0);
    assert_int_equal(w.last_us, 4 * MIN);
    assert_int_equal(w.tenth_us, -1);
    struct capacity_rate r = rate(&s, &no_limits, 1, 1, MIN);
    assert_float_equal(r.scripts_per_hour, 30, 0.01);
    assert_int_equal(r.bound, CAPACITY_WORKERS);
}

/* 3000 tokens in 5 minutes are 600 a minute; 6000 a minute are ten streams: 120 scripts an hour. */
static void output_tokens_bound_the_streams(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_limits l = {.requests = 1000, .input_tokens = 1000000, .output_tokens = 6000};
    struct capacity_rate r = rate(&s, &l, 1, 256, 0);
    assert_float_equal(r.scripts_per_hour, 120, 0.5);
    assert_int_equal(r.bound, CAPACITY_OTPM);
    struct capacity_waits w = waits(&s, &l, 1, 256, 0, 20, 0);
    assert_int_equal(w.tenth_us, 0);
    assert_int_equal(w.last_us, 5 * MIN);
}

/* Two calls each: 60 requests a minute are 30 scripts a minute, 1800 an hour. */
static void requests_bound_the_rate(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    s.calls = 2;
    struct capacity_limits l = {.requests = 60, .input_tokens = 1000000};
    struct capacity_rate r = rate(&s, &l, 1, 1000, 0);
    assert_float_equal(r.scripts_per_hour, 1800, 18);
    assert_int_equal(r.bound, CAPACITY_RPM);
}

/* 1500 in each: 15,000 a minute are ten scripts a minute, 600 an hour. */
static void input_tokens_bound_the_rate(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_limits l = {.requests = 1000, .input_tokens = 15000};
    struct capacity_rate r = rate(&s, &l, 1, 1000, 0);
    assert_float_equal(r.scripts_per_hour, 600, 6);
    assert_int_equal(r.bound, CAPACITY_ITPM);
}

/* 5 cents each, $3 an hour: 60 an hour. */
static void money_bounds_the_rate(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_limits l = {.budget_udollar = 3000000};
    struct capacity_rate r = rate(&s, &l, 1, 100, 0);
    assert_float_equal(r.scripts_per_hour, 60, 0.6);
    assert_int_equal(r.bound, CAPACITY_MONEY);
    assert_int_equal(r.cost_udollar_per_hour / 100000, 30);
}

/* One every 10 minutes for one slot: nobody waits. One a minute for three slots: it grows. */
static void scripts_that_come_one_by_one_wait_only_past_capacity(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    assert_int_equal(waits(&s, &no_limits, 1, 1, 0, 6, HOUR).last_us, 0);
    /* 60 in an hour, 36 an hour can be done. The 60th comes at 59 min. Before it 57 ran in 19
     * rounds of three, each begins as the one before ends: the rounds of minute 0, 1, 2 go on at 5,
     * 6, 7 ... so the 60th (third of its round) starts at 2 + 19 x 5 = 97 min: 38 min. */
    assert_int_equal(waits(&s, &no_limits, 3, 1, 0, 60, HOUR).last_us, 38 * MIN);
}

/* 1 and 9 minutes in turn, one slot: starts at 0, 1, 10, 11. */
static void measured_times_are_taken_in_turn(void **state)
{
    (void)state;
    const int64_t times[] = {MIN, 9 * MIN};
    struct capacity_script s = five_minutes();
    s.service_us = times;
    s.n_service = 2;
    struct capacity_waits w = waits(&s, &no_limits, 1, 1, 0, 4, 0);
    assert_int_equal(w.last_us, 11 * MIN);
    assert_int_equal(w.done_us, 20 * MIN);
}

/* ---- the table ---- */

static void the_guides_case_stands_beside_what_it_quotes(void **state)
{
    (void)state;
    struct forecast_input in = {.users = 10};
    struct forecast f;
    assert_true(forecast_tier("start", &in.limits));
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_true(f.guide);
    assert_int_equal(f.n, 4);
    assert_int_equal(f.rows[0].waits.tenth_us, 45 * MIN);
    assert_string_equal(f.rows[0].quoted_per_hour, "6-10");
    assert_int_equal(f.rows[1].waits.tenth_us, 15 * MIN);
    assert_string_equal(f.rows[1].quoted_wait, "14 min");
    assert_int_equal(f.rows[2].waits.tenth_us, 5 * MIN);
    assert_int_equal(f.rows[3].waits.tenth_us, 0);
    /* 256 slots of five minutes: 3072 an hour; 256 x 430 tokens a minute are far below 400,000. */
    assert_float_equal(f.rows[3].rate.scripts_per_hour, 3072, 1);
    struct buf text = BUF_INIT(4096);
    forecast_put_difference(&text, &f);
    assert_non_null(strstr(buf_str(&text), "14 min"));
    assert_non_null(strstr(buf_str(&text), "15"));
    buf_free(&text);
}

static void another_case_quotes_nothing(void **state)
{
    (void)state;
    struct forecast_input in = {.users = 11, .workers = 5, .concurrency = 5};
    struct forecast f;
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_false(f.guide);
    assert_null(f.rows[0].quoted_wait);
    assert_int_equal(f.n, 5);
    assert_int_equal(f.rows[3].setup.workers * f.rows[3].setup.concurrency, 25);
    assert_int_equal(f.rows[3].waits.last_us, 0);
}

static void what_is_out_of_range_is_refused(void **state)
{
    (void)state;
    struct forecast f;
    struct errmsg msg = {""};
    struct forecast_input in = {0};
    assert_int_equal(forecast_make(&in, &f, &msg), ERR_INVALID);
    in = (struct forecast_input){.users = 1, .per_day = 1};
    assert_int_equal(forecast_make(&in, &f, &msg), ERR_INVALID);
    in = (struct forecast_input){.users = CAPACITY_SCRIPTS_MAX + 1};
    assert_int_equal(forecast_make(&in, &f, &msg), ERR_INVALID);
    in = (struct forecast_input){.users = 1, .workers = 10000, .concurrency = 101};
    assert_int_equal(forecast_make(&in, &f, &msg), ERR_INVALID);
    assert_false(forecast_tier("gold", &in.limits));
}

/* A million a day are 41,667 an hour; five minutes each: 3,472 at work, 14 nodes of 256. 430 tokens
 * a minute each: 1.5 million a minute, four keys of the Start tier. */
static void a_million_a_day_fit_14_nodes_and_4_keys(void **state)
{
    (void)state;
    struct forecast_input in = {.per_day = 1000000, .workers = 14, .concurrency = 256, .keys = 4};
    struct forecast f;
    assert_true(forecast_tier("start", &in.limits));
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.rows[0].waits.last_us, 0);
    assert_true(f.rows[0].rate.scripts_per_hour > 41667);
    in.workers = 13;
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_true(f.rows[0].waits.last_us > HOUR);
    assert_int_equal(f.rows[0].rate.bound, CAPACITY_SLOTS);
    in.workers = 14;
    in.keys = 3;
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_true(f.rows[0].waits.last_us > HOUR);
    assert_int_equal(f.rows[0].rate.bound, CAPACITY_OTPM);
}

/* A script of 5 cents on a budget of a micro-dollar an hour takes 5.7 years' money. A million of
 * them would be past what a clock can say: they stop at the end of time. */
static void a_budget_of_next_to_nothing_is_waited_for_without_end(void **state)
{
    (void)state;
    struct capacity_script s = five_minutes();
    struct capacity_limits l = {.budget_udollar = 1};
    struct capacity_waits w = waits(&s, &l, 1, 256, 0, 1000000, 24 * HOUR);
    assert_int_equal(w.first_us, 0);
    assert_true(w.median_us >= w.first_us && w.p95_us >= w.median_us);
    assert_true(w.last_us >= w.p95_us && w.done_us > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slot_lets_the_tenth_wait_45_minutes),
        cmocka_unit_test(three_slots_let_the_tenth_wait_15_minutes),
        cmocka_unit_test(nine_slots_let_the_tenth_wait_5_minutes),
        cmocka_unit_test(a_slot_waits_for_the_next_call),
        cmocka_unit_test(output_tokens_bound_the_streams),
        cmocka_unit_test(requests_bound_the_rate),
        cmocka_unit_test(input_tokens_bound_the_rate),
        cmocka_unit_test(money_bounds_the_rate),
        cmocka_unit_test(a_budget_of_next_to_nothing_is_waited_for_without_end),
        cmocka_unit_test(scripts_that_come_one_by_one_wait_only_past_capacity),
        cmocka_unit_test(measured_times_are_taken_in_turn),
        cmocka_unit_test(the_guides_case_stands_beside_what_it_quotes),
        cmocka_unit_test(another_case_quotes_nothing),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(a_million_a_day_fit_14_nodes_and_4_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
