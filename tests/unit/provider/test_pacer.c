/* In: the pacer on a fake clock. Out: its promises one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pacer_bench.h"

static const struct pacer_need one_request = {.rate_class = "sonnet"};

static uint64_t must_admit(struct pacer *p, const struct pacer_need *need, int64_t now)
{
    uint64_t ticket = 0;
    assert_int_equal(pacer_admit(p, need, now, &ticket), 0);
    assert_true(ticket > 0);
    return ticket;
}

static int64_t must_wait(struct pacer *p, const struct pacer_need *need, int64_t now)
{
    uint64_t ticket = 77;
    int64_t at = pacer_admit(p, need, now, &ticket);
    assert_true(at > now);
    assert_int_equal(ticket, 77);
    return at;
}

static void requests_go_in_a_burst_and_then_at_the_limits_rate(void **state)
{
    (void)state;
    /* 600 a minute = 10 a second; a burst of 2 s = 20. */
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = 600, .burst_us = 2 * S});
    for (int i = 0; i < 20; i++)
        must_admit(p, &one_request, T0);
    assert_int_equal(must_wait(p, &one_request, T0), T0 + S / 10);
    must_admit(p, &one_request, T0 + S / 10);
    assert_int_equal(must_wait(p, &one_request, T0 + S / 10), T0 + S / 5);
    pacer_free(p);
}

static void a_need_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    /* 10 requests and 1,000 input tokens at once; per second 10 and 1,000. */
    struct pacer *p =
        pacer_new(&(struct pacer_config){.requests = 600, .input_tokens = 60000, .burst_us = S});
    struct pacer_need big = {.rate_class = "sonnet", .input_tokens = 900};
    must_admit(p, &big, T0);
    for (int i = 0; i < 50; i++) /* refused for its tokens: costs no request */
        assert_int_equal(must_wait(p, &big, T0), T0 + 800000);
    for (int i = 0; i < 9; i++)
        must_admit(p, &one_request, T0);
    must_wait(p, &one_request, T0);
    pacer_free(p);
}

static void a_need_above_the_burst_waits_for_a_full_bucket_and_leaves_a_debt(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.input_tokens = 60000, .burst_us = S});
    struct pacer_need huge = {.rate_class = "sonnet", .input_tokens = 3000};
    struct pacer_need tiny = {.rate_class = "sonnet", .input_tokens = 1};
    must_admit(p, &tiny, T0);
    assert_int_equal(must_wait(p, &huge, T0), T0 + 1000);
    must_admit(p, &huge, T0 + 1000);
    /* 1,000 - 3,000 = 2,000 in debt at 1,000 a second. */
    assert_int_equal(must_wait(p, &tiny, T0 + 1000), T0 + 1000 + 2001000);
    pacer_free(p);
}

static void the_estimate_is_corrected_by_message_start_without_cache_reads(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.input_tokens = 60000, .burst_us = S});
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 1000};
    uint64_t t = must_admit(p, &need, T0);
    must_wait(p, &need, T0);
    struct usage usage = {.input = 100, .cache_write_5m = 150, .cache_read = 5000};
    pacer_started(p, t, &usage, T0); /* 250 count: 750 come back */
    need.input_tokens = 751;
    must_wait(p, &need, T0);
    need.input_tokens = 750;
    must_admit(p, &need, T0);
    pacer_free(p);
}

static void what_was_never_sent_is_refunded(void **state)
{
    (void)state;
    struct pacer *p =
        pacer_new(&(struct pacer_config){.requests = 60, .input_tokens = 60000, .burst_us = S});
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 1000};
    uint64_t t = must_admit(p, &need, T0);
    must_wait(p, &need, T0);
    struct provider_end end = end_of(CALL_UNREACHABLE, 0);
    end.sent = false;
    pacer_ended(p, t, &end, T0, WALL0);
    t = must_admit(p, &need, T0);
    pacer_ended(p, t, NULL, T0, WALL0);
    must_admit(p, &need, T0);
    pacer_free(p);
}

static void a_refused_call_gives_its_tokens_back_but_not_its_request(void **state)
{
    (void)state;
    struct pacer *p =
        pacer_new(&(struct pacer_config){.requests = 120, .input_tokens = 60000, .burst_us = S});
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 1000};
    uint64_t t = must_admit(p, &need, T0);
    struct provider_end end = end_of(CALL_PERMANENT, 400);
    pacer_ended(p, t, &end, T0, WALL0);
    must_admit(p, &need, T0); /* the second request of two */
    must_wait(p, &one_request, T0);
    pacer_free(p);
}

static void a_429_freezes_its_bucket_exactly_as_long_and_no_other_class(void **state)
{
    (void)state;
    struct pacer *p =
        pacer_new(&(struct pacer_config){.requests = 6000, .input_tokens = 600000, .burst_us = S});
    struct pacer_need sonnet = {.rate_class = "sonnet", .input_tokens = 10};
    struct pacer_need haiku = {.rate_class = "haiku", .input_tokens = 10};
    uint64_t t = must_admit(p, &sonnet, T0);
    struct provider_end end = end_of(CALL_THROTTLED, 429);
    end.retry_after_us = 7 * S;
    end.rates.input.remaining = 0;
    pacer_ended(p, t, &end, T0, WALL0);
    assert_int_equal(must_wait(p, &sonnet, T0), T0 + 7 * S);
    must_wait(p, &sonnet, T0 + 7 * S - 1);
    must_admit(p, &one_request, T0); /* takes no input tokens: the frozen bucket is not asked */
    must_admit(p, &haiku, T0);
    must_admit(p, &sonnet, T0 + 7 * S);
    pacer_free(p);
}

static void a_429_that_names_nothing_stops_the_whole_class(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t t = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_THROTTLED, 429);
    end.retry_after_us = 3 * S;
    pacer_ended(p, t, &end, T0, WALL0);
    assert_int_equal(must_wait(p, &one_request, T0), T0 + 3 * S);
    pacer_free(p);
}

static void overload_halves_what_runs_at_most_once_a_second_and_it_grows_back(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = 600000, .burst_us = S});
    uint64_t t[100];
    for (int i = 0; i < 100; i++)
        t[i] = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_OVERLOADED, 529);
    for (int i = 0; i < 40; i++) /* a burst of refusals counts once: 50 are allowed, 60 run */
        pacer_ended(p, t[i], &end, T0, WALL0);
    pacer_started(p, t[99], &(struct usage){.input = 1}, T0); /* not all are refused */
    must_wait(p, &one_request, T0);
    for (int i = 40; i < 50; i++)
        pacer_ended(p, t[i], NULL, T0, WALL0);
    /* Fifty run; growth is 100 / 60 a second: the 51st after 0.6 s. */
    assert_int_equal(must_wait(p, &one_request, T0), T0 + 600000);
    must_admit(p, &one_request, T0 + 600000);
    for (int i = 0; i < 48; i++) /* 99 run after thirty seconds */
        must_admit(p, &one_request, T0 + 30 * S);
    must_admit(p, &one_request, T0 + 30 * S);
    must_wait(p, &one_request, T0 + 30 * S);
    pacer_free(p);
}

static void what_never_gets_an_answer_is_asked_less_and_less(void **state)
{
    (void)state;
    static const enum call_class classes[] = {CALL_OVERLOADED, CALL_RETRY, CALL_THROTTLED};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
        struct provider_end end = end_of(classes[i], 0);
        int calls = 0;
        for (int64_t now = T0; now < T0 + 300 * S;) {
            uint64_t ticket;
            int64_t at = pacer_admit(p, &one_request, now, &ticket);
            if (at > 0) {
                now = at;
                continue;
            }
            calls++;
            pacer_ended(p, ticket, &end, now, WALL0);
        }
        /* Five, then after 1, 2, 4, 8, 16, 32 and each further 64 seconds; a 429 that tells no time
         * makes each of the first five wait a second. */
        assert_int_equal(calls, 5 + 6 + 3);
        assert_true(pacer_is_failing(p, "sonnet"));
        pacer_free(p);
    }
}

static void what_fails_together_counts_once_and_one_call_tries_for_all(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t t[20];
    for (int i = 0; i < 20; i++)
        t[i] = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_RETRY, 0);
    for (int i = 0; i < 20; i++)
        pacer_ended(p, t[i], &end, T0, WALL0);
    assert_int_equal(must_wait(p, &one_request, T0), T0 + S);
    struct provider_end later = end_of(CALL_OVERLOADED, 529);
    later.retry_after_us = 9 * S; /* longer than the two seconds that would be next */
    uint64_t probe = must_admit(p, &one_request, T0 + S);
    pacer_ended(p, probe, &later, T0 + S, WALL0);
    assert_int_equal(must_wait(p, &one_request, T0 + S), T0 + 10 * S);
    assert_non_null(strstr(pacer_why(p, &one_request, T0), "one call at a time"));
    uint64_t first = must_admit(p, &one_request, T0 + 10 * S);
    assert_int_equal(must_wait(p, &one_request, T0 + 10 * S), T0 + 10 * S + 100000);
    pacer_started(p, first, &(struct usage){.input = 1}, T0 + 11 * S);
    assert_false(pacer_is_failing(p, "sonnet"));
    must_admit(p, &one_request, T0 + 12 * S); /* and one more a second, from the overload on */
    pacer_free(p);
}

static void calls_that_broke_after_they_had_begun_stop_nothing(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    struct provider_end end = end_of(CALL_RETRY, 200);
    for (int i = 0; i < 20; i++) {
        uint64_t t = must_admit(p, &one_request, T0);
        pacer_started(p, t, &(struct usage){.input = 1}, T0);
        pacer_ended(p, t, &end, T0, WALL0);
    }
    must_admit(p, &one_request, T0);
    pacer_free(p);
}

static void after_a_parking_one_call_shows_whether_it_is_over(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    must_admit(p, &one_request, T0);
    uint64_t t = must_admit(p, &one_request, T0);
    pacer_started(p, t, &(struct usage){.input = 1}, T0);
    pacer_park(p, NULL, "the key is refused");
    pacer_unpark(p, NULL);
    must_wait(p, &one_request, T0 + S); /* one is under way */
    pacer_started(p, t - 1, &(struct usage){.input = 1}, T0 + S);
    pacer_free(p);
}

static void without_known_limits_a_429_halves_what_goes_together(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t first = must_admit(p, &one_request, T0), t[100];
    pacer_started(p, first, &(struct usage){.input = 1}, T0);
    for (int i = 0; i < 99; i++)
        t[i] = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_THROTTLED, 429);
    end.retry_after_us = S / 10;
    for (int i = 0; i < 99; i++)
        pacer_ended(p, t[i], &end, T0, WALL0);
    int admitted = 0;
    while (pacer_admit(p, &one_request, T0 + S / 10, &t[0]) == 0)
        admitted++;
    assert_int_equal(admitted, 49); /* and the first: half of the hundred */
    pacer_free(p);
}

static void a_ramp_limit_waits_and_then_starts_slowly(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = 60000, .burst_us = S});
    uint64_t t[10];
    for (int i = 0; i < 10; i++)
        t[i] = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_RAMP, 429);
    end.retry_after_us = 2 * S;
    pacer_ended(p, t[0], &end, T0, WALL0);
    assert_int_equal(must_wait(p, &one_request, T0),
                     T0 + 5 * S); /* five of nine are allowed: 10th */
    pacer_free(p);
}

static void a_spend_limit_parks_every_class_until_lifted(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t t = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_PARKED, 429);
    end.error = "monthly spend limit reached";
    pacer_ended(p, t, &end, T0, WALL0);
    uint64_t ticket;
    struct pacer_need haiku = {.rate_class = "haiku"};
    assert_true(pacer_admit(p, &haiku, T0 + 3600 * S, &ticket) == INT64_MAX);
    assert_string_equal(pacer_parked(p, "sonnet"), "monthly spend limit reached");
    assert_string_equal(pacer_why(p, &haiku, T0),
                        "stopped by the provider: monthly spend limit reached");
    pacer_unpark(p, NULL);
    assert_null(pacer_parked(p, "sonnet"));
    must_admit(p, &haiku, T0);
    pacer_free(p);
}

static void a_model_that_does_not_exist_parks_its_class_only(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t t = must_admit(p, &one_request, T0);
    struct provider_end end = end_of(CALL_OPERATOR, 404);
    pacer_ended(p, t, &end, T0, WALL0);
    uint64_t ticket;
    assert_true(pacer_admit(p, &one_request, T0, &ticket) == INT64_MAX);
    must_admit(p, &(struct pacer_need){.rate_class = "haiku"}, T0);
    pacer_unpark(p, "sonnet");
    must_admit(p, &one_request, T0);
    pacer_free(p);
}

static void remaining_lowers_the_level_but_never_raises_it(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.input_tokens = 600000, .burst_us = S});
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 8000};
    struct rate_report told = nothing_told();
    told.at_us = T0;
    told.input.remaining = 3000; /* another program shares the account; rounded: 3,999 at most */
    must_admit(p, &(struct pacer_need){.rate_class = "sonnet"}, T0);
    pacer_report(p, "sonnet", &told, T0, WALL0);
    assert_int_equal(must_wait(p, &need, T0), T0 + 400000); /* 4,000 short at 10,000 a second */
    told.input.remaining = 9000;
    pacer_report(p, "sonnet", &told, T0, WALL0);
    assert_int_equal(must_wait(p, &need, T0), T0 + 400000);
    /* Full: everything is there again, less what they may not have counted. */
    told.input.limit = 600000;
    told.input.remaining = 600000;
    pacer_report(p, "sonnet", &told, T0, WALL0);
    must_admit(p, &need, T0);
    pacer_free(p);
}

static void resets_from_a_clock_five_minutes_off_change_nothing(void **state)
{
    (void)state;
    struct pacer_config config = {.requests = 600, .burst_us = S};
    for (int sign = -1; sign <= 1; sign += 2) {
        struct pacer *p = pacer_new(&config);
        for (int i = 0; i < 10; i++)
            must_admit(p, &one_request, T0);
        struct rate_report told = nothing_told();
        told.requests.reset_us = WALL0 + sign * 300 * S;
        told.requests.remaining = 50;
        told.requests.limit = 600;
        pacer_report(p, "sonnet", &told, T0, WALL0);
        assert_int_equal(must_wait(p, &one_request, T0), T0 + S / 10);
        pacer_free(p);
    }
}

static void absent_headers_leave_the_model_alone(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = 600, .burst_us = S});
    struct rate_report told = nothing_told();
    pacer_report(p, "sonnet", &told, T0, WALL0);
    for (int i = 0; i < 10; i++)
        must_admit(p, &one_request, T0);
    must_wait(p, &one_request, T0);
    pacer_free(p);
}

static void old_headers_do_not_undo_newer_ones(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.requests = 6000, .burst_us = S});
    struct rate_report told = nothing_told();
    told.at_us = T0 + 60 * S;
    told.requests.limit = 600;
    pacer_report(p, "sonnet", &told, T0 + 60 * S, WALL0);
    told.at_us = T0;
    told.requests.limit = 6000;
    pacer_report(p, "sonnet", &told, T0 + 60 * S, WALL0);
    for (int i = 0; i < 10; i++)
        must_admit(p, &one_request, T0 + 60 * S);
    must_wait(p, &one_request, T0 + 60 * S);
    pacer_free(p);
}

static void too_many_running_wait_for_an_end_and_say_so(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S, .max_running = 1});
    uint64_t t = must_admit(p, &one_request, T0), other;
    assert_true(pacer_admit(p, &one_request, T0, &other) == INT64_MAX);
    assert_string_equal(pacer_why(p, &one_request, T0),
                        "1 calls of sonnet run already, as many as are allowed");
    pacer_ended(p, t, NULL, T0, WALL0);
    assert_string_equal(pacer_why(p, &one_request, T0), "");
    pacer_ended(p, t, NULL, T0, WALL0); /* an old ticket is nobody's */
    must_admit(p, &one_request, T0);
    assert_true(pacer_admit(p, &one_request, T0, &other) == INT64_MAX);
    pacer_free(p);
}

static void only_a_few_go_into_the_dark_before_the_first_answer(void **state)
{
    (void)state;
    struct pacer *p = pacer_new(&(struct pacer_config){.burst_us = S});
    uint64_t t = must_admit(p, &one_request, T0);
    for (int i = 1; i < 32; i++)
        must_admit(p, &one_request, T0);
    assert_int_equal(must_wait(p, &one_request, T0), T0 + 100000);
    pacer_started(p, t, &(struct usage){.input = 1}, T0 + 1);
    for (int i = 0; i < 100; i++)
        must_admit(p, &one_request, T0 + 1);
    pacer_free(p);
}

static void a_limit_below_one_stream_still_lets_one_run(void **state)
{
    (void)state;
    /* 600 a minute = 10 a second, streams of 80. */
    struct pacer *p = pacer_new(&(struct pacer_config){.output_tokens = 600, .burst_us = S});
    struct pacer_need need = {.rate_class = "sonnet", .output_tokens = 100};
    uint64_t t = must_admit(p, &need, T0);
    must_wait(p, &need, T0);
    struct provider_end end = end_of(CALL_DONE, 200);
    end.billed = end.usage_final = true;
    end.usage.output = 110;
    pacer_ended(p, t, &end, T0 + S, WALL0); /* 10 - 110: full again after 11 s */
    must_wait(p, &need, T0 + S + 10 * S);
    must_admit(p, &need, T0 + S + 11 * S);
    pacer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_in_a_burst_and_then_at_the_limits_rate),
        cmocka_unit_test(a_need_is_taken_whole_or_not_at_all),
        cmocka_unit_test(a_need_above_the_burst_waits_for_a_full_bucket_and_leaves_a_debt),
        cmocka_unit_test(the_estimate_is_corrected_by_message_start_without_cache_reads),
        cmocka_unit_test(what_was_never_sent_is_refunded),
        cmocka_unit_test(a_refused_call_gives_its_tokens_back_but_not_its_request),
        cmocka_unit_test(a_429_freezes_its_bucket_exactly_as_long_and_no_other_class),
        cmocka_unit_test(a_429_that_names_nothing_stops_the_whole_class),
        cmocka_unit_test(overload_halves_what_runs_at_most_once_a_second_and_it_grows_back),
        cmocka_unit_test(what_never_gets_an_answer_is_asked_less_and_less),
        cmocka_unit_test(what_fails_together_counts_once_and_one_call_tries_for_all),
        cmocka_unit_test(calls_that_broke_after_they_had_begun_stop_nothing),
        cmocka_unit_test(after_a_parking_one_call_shows_whether_it_is_over),
        cmocka_unit_test(without_known_limits_a_429_halves_what_goes_together),
        cmocka_unit_test(a_ramp_limit_waits_and_then_starts_slowly),
        cmocka_unit_test(a_spend_limit_parks_every_class_until_lifted),
        cmocka_unit_test(a_model_that_does_not_exist_parks_its_class_only),
        cmocka_unit_test(remaining_lowers_the_level_but_never_raises_it),
        cmocka_unit_test(resets_from_a_clock_five_minutes_off_change_nothing),
        cmocka_unit_test(absent_headers_leave_the_model_alone),
        cmocka_unit_test(old_headers_do_not_undo_newer_ones),
        cmocka_unit_test(too_many_running_wait_for_an_end_and_say_so),
        cmocka_unit_test(only_a_few_go_into_the_dark_before_the_first_answer),
        cmocka_unit_test(a_limit_below_one_stream_still_lets_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
