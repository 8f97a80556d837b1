/* In: heap.c. Out: order, stability, and the same as a plain search under random use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/heap.h"
#include "base/rng.h"

static void the_least_leaves_first_and_equals_in_order_of_arrival(void **state)
{
    (void)state;
    static const int64_t keys[] = {5, 1, 5, -3, 1, 5};
    static const int order[] = {3, 1, 4, 0, 2, 5};
    struct heap h = {0};
    struct heap_node n[6] = {{0}};
    for (int i = 0; i < 6; i++)
        heap_put(&h, &n[i], keys[i]);
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(heap_min(&h), &n[order[i]]);
        heap_remove(&h, &n[order[i]]);
        assert_int_equal(n[order[i]].slot, 0);
    }
    assert_null(heap_min(&h));
    heap_remove(&h, &n[0]);
    heap_free(&h);
}

static void freeing_a_heap_lets_its_nodes_go(void **state)
{
    (void)state;
    struct heap h = {0};
    struct heap_node n = {0};
    heap_put(&h, &n, 1);
    heap_free(&h);
    assert_int_equal(n.slot, 0);
    heap_put(&h, &n, 2);
    assert_ptr_equal(heap_min(&h), &n);
    heap_free(&h);
}

enum { NODES = 300 };

static const struct heap_node *least(const struct heap_node *n)
{
    const struct heap_node *best = NULL;
    for (int i = 0; i < NODES; i++) {
        if (n[i].slot == 0)
            continue;
        if (best == NULL || n[i].key < best->key || (n[i].key == best->key && n[i].seq < best->seq))
            best = &n[i];
    }
    return best;
}

static void random_use_agrees_with_a_search(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text == NULL ? rng_seed_from_os() : strtoull(text, NULL, 10);
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct rng r = rng_seed(seed, 1);
    struct heap h = {0};
    static struct heap_node n[NODES];
    for (int i = 0; i < 20000; i++) {
        struct heap_node *one = &n[rng_below(&r, NODES)];
        if (rng_below(&r, 3) == 0)
            heap_remove(&h, one);
        else
            heap_put(&h, one, rng_below(&r, 50));
        assert_ptr_equal(heap_min(&h), least(n));
    }
    heap_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_leaves_first_and_equals_in_order_of_arrival),
        cmocka_unit_test(freeing_a_heap_lets_its_nodes_go),
        cmocka_unit_test(random_use_agrees_with_a_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
