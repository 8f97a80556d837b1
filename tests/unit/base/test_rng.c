/* In: rng.c. Out: the published sequence, bounds, and rough shapes at a fixed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"

/* The first round of the author's own demonstration program: seed 42, stream 54. */
static void the_sequence_is_the_published_one(void **state)
{
    (void)state;
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330,
                                        0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct rng r = rng_seed(42, 54);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(rng_u32(&r), expected[i]);
}

static void streams_of_one_seed_differ(void **state)
{
    (void)state;
    struct rng a = rng_seed(1, 1), b = rng_seed(1, 2);
    int equal = 0;
    for (int i = 0; i < 100; i++)
        equal += rng_u32(&a) == rng_u32(&b) ? 1 : 0;
    assert_in_range(equal, 0, 1);
}

static void numbers_below_n_reach_all_and_only_those(void **state)
{
    (void)state;
    struct rng r = rng_seed(7, 1);
    int seen[6] = {0};
    for (int i = 0; i < 6000; i++) {
        uint32_t x = rng_below(&r, 6);
        assert_true(x < 6);
        seen[x]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 850, 1150); /* five deviations of 29 */
    assert_int_equal(rng_below(&r, 0), 0);
    assert_int_equal(rng_below(&r, 1), 0);
}

static void unit_and_normal_numbers_have_their_means_and_deviations(void **state)
{
    (void)state;
    struct rng r = rng_seed(9, 1);
    double unit = 0, normal = 0, square = 0;
    enum { N = 40000 };
    for (int i = 0; i < N; i++) {
        double u = rng_unit(&r), x = rng_normal(&r);
        assert_true(u >= 0 && u < 1);
        assert_true(isfinite(x));
        unit += u;
        normal += x;
        square += x * x;
    }
    assert_true(fabs(unit / N - 0.5) < 0.01);
    assert_true(fabs(normal / N) < 0.03);
    assert_true(fabs(square / N - 1) < 0.05);
}

static void secrets_fill_what_they_are_given_and_nothing_more(void **state)
{
    (void)state;
    unsigned char bytes[66] = {0}, zero[32] = {0};
    rng_secret(bytes + 1, 64);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[65], 0);
    assert_memory_not_equal(bytes + 1, zero, 32);
    assert_memory_not_equal(bytes + 33, zero, 32);
    assert_memory_not_equal(bytes + 1, bytes + 33, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_the_published_one),
        cmocka_unit_test(streams_of_one_seed_differ),
        cmocka_unit_test(numbers_below_n_reach_all_and_only_those),
        cmocka_unit_test(unit_and_normal_numbers_have_their_means_and_deviations),
        cmocka_unit_test(secrets_fill_what_they_are_given_and_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
