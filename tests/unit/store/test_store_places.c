/* In: queues. Out: places in them, counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "store/store_places.h"

/* n jobs of priority 5, with tags 0, 10, 20 ... */
static struct places queue_of(int64_t n)
{
    struct places p = {.at = mem_array(STORE_PLACES_MAX, sizeof *p.at)};
    for (int64_t i = 0; i < n; i++)
        places_add(&p, (struct store_place){5, 10 * i});
    return p;
}

static void a_higher_priority_comes_first_and_then_the_smaller_tag(void **state)
{
    (void)state;
    struct places p = {.at = mem_array(STORE_PLACES_MAX, sizeof *p.at)};
    places_add(&p, (struct store_place){9, 700});
    places_add(&p, (struct store_place){5, 10});
    places_add(&p, (struct store_place){5, 20});
    assert_int_equal(places_position(&p, (struct store_place){9, 700}), 1);
    assert_int_equal(places_position(&p, (struct store_place){5, 10}), 2);
    assert_int_equal(places_position(&p, (struct store_place){5, 20}), 3);
    /* not there yet when it was read */
    assert_int_equal(places_position(&p, (struct store_place){9, 800}), 2);
    assert_int_equal(places_position(&p, (struct store_place){5, 15}), 3);
    assert_int_equal(places_position(&p, (struct store_place){1, 0}), 4);
    free(p.at);
}

static void who_came_later_is_known_to_be_missing(void **state)
{
    (void)state;
    struct places p = queue_of(3);
    assert_true(places_may_have(&p, (struct store_place){5, 20}));
    assert_false(places_may_have(&p, (struct store_place){5, 25}));
    assert_false(places_may_have(&p, (struct store_place){5, 30}));
    free(p.at);
}

static void an_empty_queue_has_a_first_place(void **state)
{
    (void)state;
    struct places p = {0};
    assert_int_equal(places_position(&p, (struct store_place){5, 10}), 1);
    assert_false(places_may_have(&p, (struct store_place){5, 10}));
}

/* Four times as many as there is room for, and one: every eighth is kept. */
static void a_long_queue_is_thinned_and_its_places_stay_near(void **state)
{
    (void)state;
    int64_t n = 4 * (int64_t)STORE_PLACES_MAX + 1;
    struct places p = queue_of(n);
    assert_int_equal(p.total, n);
    assert_int_equal(p.step, 8);
    assert_true(p.n <= STORE_PLACES_MAX);
    for (int64_t i = 0; i < n; i++) {
        int64_t position = places_position(&p, (struct store_place){5, 10 * i});
        assert_in_range(i + 1 - position, 0, 7); /* never behind, and at most seven ahead */
        if (i % 8 == 0)
            assert_int_equal(position, i + 1);
    }
    assert_int_equal(places_position(&p, (struct store_place){1, 0}), n + 1);
    free(p.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_higher_priority_comes_first_and_then_the_smaller_tag),
        cmocka_unit_test(who_came_later_is_known_to_be_missing),
        cmocka_unit_test(an_empty_queue_has_a_first_place),
        cmocka_unit_test(a_long_queue_is_thinned_and_its_places_stay_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
