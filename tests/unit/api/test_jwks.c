/* In: a scripted source on a clock that stands still. Out: when the keys are fetched, and which
 * ones count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/jwks.h"
#include "base/clock.h"

#define SEC USEC_PER_SEC

static const char one_key[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
                              "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                              "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

struct world {
    struct loop *loop;
    struct jwks *jwks;
    int starts, stops;
};

static void start(void *ctx, struct jwks *jwks)
{
    struct world *w = ctx;
    (void)jwks;
    w->starts++;
}

static void stop(void *ctx)
{
    struct world *w = ctx;
    w->stops++;
}

static uint64_t seed(void)
{
    const char *given = getenv("SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 10) : 20261123;
    (void)printf("SEED=%llu\n", (unsigned long long)value);
    return value;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->loop = loop_new_manual(1000 * SEC, 1800000000 * SEC);
    struct jwks_source source = {start, stop, w};
    w->jwks = jwks_new(w->loop, &source, seed());
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    jwks_free(w->jwks);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void arrive(struct world *w, const char *text)
{
    jwks_arrived(w->jwks, OK, text, strlen(text), NULL);
}

static void fail_once(struct world *w)
{
    jwks_arrived(w->jwks, ERR_CONNECT, NULL, 0, "nobody is there");
}

static void keys_are_fetched_at_once_and_every_ten_minutes(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->starts, 1);
    assert_null(jwks_keys(w->jwks));
    arrive(w, one_key);
    assert_int_equal(jwt_keys_count(jwks_keys(w->jwks)), 1);
    for (int round = 1; round <= 3; round++) {
        loop_advance(w->loop, 600 * SEC - 1);
        assert_int_equal(w->starts, round);
        loop_advance(w->loop, 1);
        assert_int_equal(w->starts, round + 1);
        arrive(w, one_key);
    }
}

/* An issuer may rotate its keys right after they were fetched. */
static void an_unknown_key_brings_a_fetch_at_once_and_then_once_a_minute(void **state)
{
    struct world *w = *state;
    jwks_want(w->jwks); /* one is on its way */
    arrive(w, one_key);
    jwks_want(w->jwks); /* not from inside the call */
    assert_int_equal(w->starts, 1);
    loop_advance(w->loop, 0);
    assert_int_equal(w->starts, 2);
    jwks_want(w->jwks);
    arrive(w, one_key);
    for (int i = 0; i < 1000; i++)
        jwks_want(w->jwks);
    loop_advance(w->loop, 60 * SEC - 1);
    assert_int_equal(w->starts, 2);
    loop_advance(w->loop, 1);
    assert_int_equal(w->starts, 3);
    arrive(w, one_key);
    loop_advance(w->loop, 90 * SEC);
    assert_int_equal(w->starts, 3);
    jwks_want(w->jwks); /* more than a minute ago */
    loop_advance(w->loop, 0);
    assert_int_equal(w->starts, 4);
}

static void a_fetch_by_the_clock_leaves_one_by_need(void **state)
{
    struct world *w = *state;
    arrive(w, one_key);
    loop_advance(w->loop, 600 * SEC);
    assert_int_equal(w->starts, 2);
    arrive(w, one_key);
    jwks_want(w->jwks);
    loop_advance(w->loop, 0);
    assert_int_equal(w->starts, 3);
}

/* The worst a stranger can do with tokens of unknown keys, for an hour. */
static void strangers_cause_at_most_a_fetch_a_minute(void **state)
{
    struct world *w = *state;
    int seen = 0;
    for (int s = 0; s < 3600; s++) {
        if (w->starts > seen) {
            seen = w->starts;
            arrive(w, one_key);
        }
        jwks_want(w->jwks);
        loop_advance(w->loop, SEC);
    }
    assert_int_equal(w->starts, 62); /* the first, one at once, and one at each full minute */
}

static void failure_keeps_the_last_good_keys(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"",
                                      "<html>",
                                      "{}",
                                      "{\"keys\":7}",
                                      "{\"keys\":[",
                                      "{\"keys\":[]}",
                                      "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}"};
    arrive(w, one_key);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        loop_advance(w->loop, 600 * SEC);
        arrive(w, bad[i]);
        assert_int_equal(jwt_keys_count(jwks_keys(w->jwks)), 1);
    }
    loop_advance(w->loop, 600 * SEC);
    fail_once(w);
    assert_int_equal(jwt_keys_count(jwks_keys(w->jwks)), 1);
}

/* Time until the source is asked again, to the tenth of a second. */
static int64_t silence(struct world *w)
{
    int before = w->starts;
    int64_t us = 0;
    while (w->starts == before) {
        loop_advance(w->loop, SEC / 10);
        us += SEC / 10;
        assert_true(us <= 600 * SEC);
    }
    return us;
}

static void a_set_without_a_usable_key_is_asked_for_again_soon(void **state)
{
    struct world *w = *state;
    arrive(w, "{\"keys\":[]}");
    assert_null(jwks_keys(w->jwks));
    assert_true(silence(w) <= 2 * SEC);
    arrive(w, one_key);
    assert_int_equal(jwt_keys_count(jwks_keys(w->jwks)), 1);
}

static void failures_are_retried_ever_more_slowly_but_within_90_seconds(void **state)
{
    struct world *w = *state;
    static const int64_t delays_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (size_t i = 0; i < sizeof delays_s / sizeof *delays_s; i++) {
        fail_once(w);
        int64_t us = silence(w);
        assert_true(us >= delays_s[i] * SEC / 2);
        assert_true(us <= delays_s[i] * SEC * 3 / 2 + SEC / 10);
    }
    arrive(w, one_key);
    assert_int_equal(silence(w), 600 * SEC);
    fail_once(w); /* a new series begins with short delays */
    assert_true(silence(w) <= 2 * SEC);
}

static void an_unknown_key_puts_no_retry_off(void **state)
{
    struct world *w = *state;
    fail_once(w);
    jwks_want(w->jwks);
    assert_true(silence(w) <= 2 * SEC);
}

static void a_source_that_never_answers_is_given_up(void **state)
{
    struct world *w = *state;
    loop_advance(w->loop, 30 * SEC - 1);
    assert_int_equal(w->stops, 0);
    loop_advance(w->loop, 1);
    assert_int_equal(w->stops, 1);
    assert_int_equal(w->starts, 1);
    loop_advance(w->loop, 2 * SEC);
    assert_int_equal(w->starts, 2);
    arrive(w, one_key);
    assert_int_equal(jwt_keys_count(jwks_keys(w->jwks)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_fetched_at_once_and_every_ten_minutes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            an_unknown_key_brings_a_fetch_at_once_and_then_once_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fetch_by_the_clock_leaves_one_by_need, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_cause_at_most_a_fetch_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(failure_keeps_the_last_good_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(a_set_without_a_usable_key_is_asked_for_again_soon, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failures_are_retried_ever_more_slowly_but_within_90_seconds,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_puts_no_retry_off, setup, teardown),
        cmocka_unit_test_setup_teardown(a_source_that_never_answers_is_given_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
