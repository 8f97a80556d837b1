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
    static const struct capacity_call one = {1, 1500, 3000};
    return (struct capacity_script){
        .service_us = &five, .n_service = 1, .calls = &one, .n_calls = 1, .cost_udollar = 50000};
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
    static const struct capacity_call two[] = {{0.2, 1000, 500}, {0.8, 500, 2500}};
    s.calls = two;
    s.n_calls = 2;
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

/* Set-ups that a limit holds down, by a part of a stream and by many: what they come to is never
 * more than any limit, and all but nothing of the one that is said to bind. The waits are played,
 * the rate is a sum: over a long backlog both say the same. */
static void no_limit_is_exceeded_and_the_one_that_binds_is_used(void **state)
{
    (void)state;
    static const int64_t uneven[] = {MIN, 4 * MIN, 7 * MIN};
    static const struct capacity_call steps[] = {
        {0.1, 900, 300}, {0.5, 2000, 2400}, {0.4, 700, 900}};
    static const int64_t otpm[] = {700, 1000, 1900, 6000, 50000, 400000};
    static const int64_t itpm[] = {900, 30000, 2000000};
    struct capacity_script scripts[2] = {five_minutes(), five_minutes()};
    scripts[1].service_us = uneven;
    scripts[1].n_service = 3;
    scripts[1].calls = steps;
    scripts[1].n_calls = 3;
    for (size_t i = 0; i < 2 * 6 * 3 * 2; i++) {
        const struct capacity_script *s = &scripts[i % 2];
        struct capacity_limits l = {.requests = i / 2 % 2 ? 1 : 1000,
                                    .input_tokens = itpm[i / 4 % 3],
                                    .output_tokens = otpm[i / 12]};
        struct capacity_call sum = capacity_sum(s);
        struct capacity_rate r = rate(s, &l, 1, 256, 0);
        const double used[CAPACITY_BOUND_MAX] = {
            [CAPACITY_SLOTS] = r.scripts_per_hour * capacity_mean_us(s) / (double)HOUR / 256,
            [CAPACITY_RPM] = r.scripts_per_hour / 60 * s->n_calls / (double)l.requests,
            [CAPACITY_ITPM] = r.scripts_per_hour / 60 * sum.input_tokens / (double)l.input_tokens,
            [CAPACITY_OTPM] = r.scripts_per_hour / 60 * sum.output_tokens / (double)l.output_tokens,
        };
        for (int k = 0; k < CAPACITY_BOUND_MAX; k++)
            assert_true(used[k] <= 1.0001);
        assert_true(used[r.bound] > 0.95);
        const int64_t n = 10000;
        double played = (double)n * (double)HOUR / (double)waits(s, &l, 1, 256, 0, n, 0).done_us;
        assert_true(played <= r.scripts_per_hour * 1.01);
        /* Where each call of a script finds another limit the tightest, and a limit is of so few
         * calls that nothing is saved up, some of it passes unused. */
        assert_true(played >= r.scripts_per_hour * (s->n_calls == 1 ? 0.95 : 0.8));
    }
}

/* 6000 a minute, streams of 4000: the second begins at once, when the first has left room, and what
 * it is over is waited for before the third. 2 x 4000 x 1.5 min = 12,000 tokens take two minutes.
 */
static void a_part_of_a_stream_is_not_lost(void **state)
{
    (void)state;
    static const struct capacity_call fast = {1, 1500, 20000};
    struct capacity_script s = five_minutes();
    s.calls = &fast;
    struct capacity_limits l = {.output_tokens = 6000};
    assert_float_equal(rate(&s, &l, 1, 256, 0).scripts_per_hour, 18, 0.01);
    l.output_tokens = 1000; /* a quarter of one stream: 20,000 tokens are those of 20 minutes */
    struct capacity_waits w = waits(&s, &l, 1, 256, 0, 10, 0);
    assert_int_equal(w.tenth_us, 9 * 20 * MIN);
    assert_int_equal(rate(&s, &l, 1, 256, 0).bound, CAPACITY_OTPM);
}

/* ---- the table ---- */

static void the_guides_case_stands_beside_what_it_quotes(void **state)
{
    (void)state;
    struct forecast_input in = {.users = 10};
    struct forecast f;
    assert_true(forecast_tier("start", &in.limits));
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.n, 4);
    for (int measured = 0; measured < 2; measured++) {
        const struct forecast_row *rows = f.guide;
        assert_int_equal(rows[0].waits.tenth_us, 45 * MIN);
        assert_string_equal(rows[0].quoted_per_hour, "6-10");
        assert_int_equal(rows[1].waits.tenth_us, 15 * MIN);
        assert_string_equal(rows[1].quoted_wait, "14 min");
        assert_int_equal(rows[2].waits.tenth_us, 5 * MIN);
        assert_int_equal(rows[3].waits.tenth_us, 0);
        /* 256 slots of five minutes: 3072 an hour */
        assert_float_equal(rows[3].rate.scripts_per_hour, 3072, 1);
        /* It stays what it is once scripts were made here, and took another time. */
        in.measured_us[0] = MIN;
        in.n_measured = 1;
        in.users = 7;
        assert_int_equal(forecast_make(&in, &f, NULL), OK);
    }
    assert_int_equal(f.rows[1].waits.last_us, 2 * MIN);
    assert_non_null(strstr(forecast_difference, "14 min"));
    assert_non_null(strstr(forecast_difference, "15"));
}

static void the_steps_of_a_script_are_given_or_seen(void **state)
{
    (void)state;
    struct forecast_input in = {.users = 1, .input_tokens = 4000, .output_tokens = 1000};
    struct forecast f;
    assert_int_equal(forecast_read_steps(&in, "outline=20,chunk=4x90.5", NULL), OK);
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.script.n_calls, 5);
    assert_int_equal(f.mean_us, 382 * USEC_PER_SEC);
    assert_float_equal(f.calls[0].part * 382, 20, 1e-3);
    assert_float_equal(f.calls[4].part * 382, 90.5, 1e-3);
    assert_float_equal(capacity_sum(&f.script).input_tokens, 4000, 1e-3);

    /* Two scripts were seen: an outline and two chunks each, one of them with an expansion. */
    in.seen_scripts = 2;
    in.n_seen = 2;
    in.seen[0] = (struct forecast_seen){"outline", 2, 20 * USEC_PER_SEC, 2000, 200};
    in.seen[1] = (struct forecast_seen){"chunk", 4, 360 * USEC_PER_SEC, 6000, 1800};
    in.n_given = 0;
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.script.n_calls, 3);
    assert_float_equal(f.calls[1].part * 190, 90, 1e-3);
    assert_float_equal(f.calls[0].output_tokens, 100, 1e-3);
    assert_float_equal(f.calls[2].output_tokens, 450, 1e-3);
    assert_int_equal(forecast_read_steps(&in, "chunk=10", NULL), OK); /* two of them, as seen */
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.script.n_calls, 2);
    assert_int_equal(f.mean_us, 20 * USEC_PER_SEC);

    static const char *const wrong[] = {"",      "x",     "=3",        "a=",      "a=0",
                                        "a=-1",  "a=1,",  "a=0x5",     "a=101x1", "A=1",
                                        "a=nan", "a=1 b", "a=90000x1", "a=86401", "a=100x1,b=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(forecast_read_steps(&in, wrong[i], NULL), ERR_INVALID);
    in.minutes_us = MIN;
    assert_int_equal(forecast_make(&in, &f, NULL), ERR_INVALID);
}

static void another_case_quotes_nothing(void **state)
{
    (void)state;
    struct forecast_input in = {.users = 11, .workers = 5, .concurrency = 5};
    struct forecast f;
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
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
    in.every_us = MIN; /* who says how often is told, however many there are */
    assert_int_equal(forecast_make(&in, &f, NULL), OK);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.rows[0].setup.every_us, MIN);
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
        cmocka_unit_test(no_limit_is_exceeded_and_the_one_that_binds_is_used),
        cmocka_unit_test(a_part_of_a_stream_is_not_lost),
        cmocka_unit_test(the_steps_of_a_script_are_given_or_seen),
        cmocka_unit_test(the_guides_case_stands_beside_what_it_quotes),
        cmocka_unit_test(another_case_quotes_nothing),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(a_million_a_day_fit_14_nodes_and_4_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
