/* In: windows of due jobs. Out: whether the picks are fair, strict in priority and under the cap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "job/fair.h"

#define WINDOW_MAX 3000

static uint64_t seed_from_environment(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static struct uuid user(unsigned n)
{
    return (struct uuid){.bytes = {[14] = (uint8_t)(n >> 8), [15] = (uint8_t)n}};
}

static struct fair_item item(unsigned user_number, int priority, int64_t tag, int running)
{
    return (struct fair_item){
        .user_id = user(user_number), .priority = priority, .tag = tag, .running = running};
}

static void check_order(const size_t *order, size_t n, const size_t *expected, size_t n_expected)
{
    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(order[i], expected[i]);
}

static void test_a_first_job_is_tagged_with_the_virtual_time(void **state)
{
    (void)state;
    assert_int_equal(fair_tag(0, -1), 0);
    assert_int_equal(fair_tag(5000000, -1), 5000000);
}

static void test_a_users_next_job_is_one_cost_later(void **state)
{
    (void)state;
    assert_int_equal(fair_tag(0, 0), 1000000);
    assert_int_equal(fair_tag(5000000, 7000000), 8000000);
    assert_int_equal(fair_tag(5000000, 4000000), 5000000);
    assert_int_equal(fair_tag(5000000, 1000000), 5000000); /* idle users save up nothing */
    assert_int_equal(fair_tag(0, INT64_MAX), INT64_MAX);
}

static void test_nothing_to_pick(void **state)
{
    (void)state;
    struct fair_item one = item(1, 5, 0, 0);
    size_t order[1];
    assert_int_equal(fair_pick(NULL, 0, 10, 0, order), 0);
    assert_int_equal(fair_pick(&one, 1, 0, 0, order), 0);
    assert_int_equal(one.taken, 0);
}

static void test_users_take_turns(void **state)
{
    (void)state;
    struct fair_item items[] = {
        item(1, 5, 10, 0), item(1, 5, 11, 0), item(1, 5, 12, 0),
        item(2, 5, 20, 0), item(2, 5, 21, 0), item(3, 5, 30, 0),
    };
    size_t order[6];
    static const size_t expected[] = {0, 3, 5, 1, 4, 2};
    check_order(order, fair_pick(items, 6, 6, 0, order), expected, 6);
}

static void test_running_jobs_count_as_turns_taken(void **state)
{
    (void)state;
    struct fair_item items[] = {item(1, 5, 10, 2), item(2, 5, 20, 1), item(3, 5, 30, 0),
                                item(3, 5, 31, 0)};
    size_t order[4];
    static const size_t expected[] = {2, 1, 3, 0}; /* ranks 0; 1 and 1 by tag; 2 */
    check_order(order, fair_pick(items, 4, 4, 0, order), expected, 4);
}

static void test_priority_goes_before_fairness(void **state)
{
    (void)state;
    struct fair_item items[] = {item(1, 9, 90, 50), item(1, 9, 91, 50), item(2, 5, 1, 0)};
    size_t order[3];
    static const size_t expected[] = {0, 1};
    check_order(order, fair_pick(items, 3, 2, 0, order), expected, 2);
    assert_int_equal(items[2].taken, 0);
}

static void test_jobs_over_the_cap_are_marked(void **state)
{
    (void)state;
    struct fair_item items[] = {item(1, 5, 1, 1), item(1, 5, 2, 1), item(1, 5, 3, 1),
                                item(2, 5, 4, 2), item(3, 5, 5, 0)};
    size_t order[5];
    static const size_t expected[] = {4, 0};
    check_order(order, fair_pick(items, 5, 5, 2, order), expected, 2);
    assert_int_equal(items[1].taken, -1);
    assert_int_equal(items[2].taken, -1);
    assert_int_equal(items[3].taken, -1);
}

static void test_the_cap_spans_priorities(void **state)
{
    (void)state;
    struct fair_item items[] = {item(1, 9, 1, 0), item(1, 5, 2, 0), item(2, 5, 3, 0)};
    size_t order[3];
    static const size_t expected[] = {0, 2};
    check_order(order, fair_pick(items, 3, 3, 1, order), expected, 2);
    assert_int_equal(items[1].taken, -1);
}

static void test_full_places_leave_the_rest_unmarked(void **state)
{
    (void)state;
    struct fair_item items[] = {item(1, 5, 1, 0), item(2, 5, 2, 0), item(2, 5, 3, 0)};
    size_t order[3];
    assert_int_equal(fair_pick(items, 3, 1, 1, order), 1);
    assert_int_equal(order[0], 0);
    assert_int_equal(items[1].taken, 0);  /* could run, no place */
    assert_int_equal(items[2].taken, -1); /* could not run */
}

/* ---- properties over random windows ---- */

static int window_order(const void *va, const void *vb)
{
    const struct fair_item *a = va, *b = vb;
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return (a->tag > b->tag) - (a->tag < b->tag);
}

static size_t random_window(struct rng *rng, struct fair_item *items, unsigned users)
{
    int running[64];
    for (unsigned u = 0; u < users; u++)
        running[u] = (int)rng_below(rng, 4);
    size_t n = 1 + rng_below(rng, 200);
    for (size_t i = 0; i < n; i++) {
        unsigned u = rng_below(rng, users);
        items[i] = item(u, 1 + (int)rng_below(rng, 3), rng_below(rng, 1000), running[u]);
    }
    qsort(items, n, sizeof *items, window_order);
    return n;
}

static void check_pick(const struct fair_item *items, size_t n, const size_t *order, size_t taken,
                       size_t max, int cap)
{
    int load[64] = {0};
    bool seen[64] = {false};
    size_t marked = 0;
    assert_true(taken <= max);
    for (size_t i = 0; i < n; i++) {
        unsigned u = items[i].user_id.bytes[15];
        if (!seen[u])
            load[u] = items[i].running;
        seen[u] = true;
        marked += items[i].taken == 1;
    }
    assert_int_equal(marked, taken);
    for (size_t k = 0; k < taken; k++) {
        const struct fair_item *it = &items[order[k]];
        assert_int_equal(it->taken, 1);
        load[it->user_id.bytes[15]]++;
        if (k > 0)
            assert_true(it->priority <= items[order[k - 1]].priority);
        if (cap > 0)
            assert_true(load[it->user_id.bytes[15]] <= cap);
    }
    int lowest = taken > 0 ? items[order[taken - 1]].priority : INT32_MAX;
    for (size_t i = 0; i < n; i++) {
        int full = load[items[i].user_id.bytes[15]] >= cap;
        if (items[i].taken == 0) { /* left only for want of places, and not for a lower one */
            assert_int_equal(taken, max);
            assert_true(items[i].priority <= lowest);
        } else if (items[i].taken == -1) {
            assert_true(cap > 0 && (full || taken == max));
        }
    }
}

static void test_random_windows_keep_priority_cap_and_places(void **state)
{
    (void)state;
    struct rng rng = rng_seed(seed_from_environment(), 1);
    static struct fair_item items[WINDOW_MAX];
    static size_t order[WINDOW_MAX];
    for (int round = 0; round < 3000; round++) {
        size_t n = random_window(&rng, items, 1 + rng_below(&rng, 60));
        size_t max = rng_below(&rng, 60);
        int cap = (int)rng_below(&rng, 6);
        size_t taken = fair_pick(items, n, max, cap, order);
        check_pick(items, n, order, taken, max, cap);
    }
}

/* ---- a queue over time: every job takes one round ---- */

struct queue {
    struct fair_item items[WINDOW_MAX];
    size_t n;
    int64_t last_tag[16];
    int64_t virtual_time;
};

static void queue_add(struct queue *q, unsigned u, int priority)
{
    int64_t tag = fair_tag(q->virtual_time, q->last_tag[u]);
    q->last_tag[u] = tag;
    q->items[q->n++] = item(u, priority, tag, 0);
}

/* Runs `slots` jobs for one round; served counts them by user. */
static void queue_round(struct queue *q, size_t slots, int *served)
{
    static size_t order[WINDOW_MAX];
    qsort(q->items, q->n, sizeof *q->items, window_order);
    size_t taken = fair_pick(q->items, q->n, slots, 0, order);
    for (size_t k = 0; k < taken; k++) {
        const struct fair_item *it = &q->items[order[k]];
        served[it->user_id.bytes[15]]++;
        if (it->tag > q->virtual_time)
            q->virtual_time = it->tag;
    }
    size_t kept = 0;
    for (size_t i = 0; i < q->n; i++)
        if (q->items[i].taken != 1)
            q->items[kept++] = q->items[i];
    q->n = kept;
}

static double jain_index(const int *x, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    return sum * sum / (n * squares);
}

static void queue_init(struct queue *q)
{
    memset(q, 0, sizeof *q);
    for (int u = 0; u < 16; u++)
        q->last_tag[u] = -1;
}

static void test_ten_users_with_equal_demand_get_equal_shares(void **state)
{
    (void)state;
    static struct queue q;
    queue_init(&q);
    int served[256] = {0};
    for (unsigned u = 0; u < 10; u++) /* one user's burst after the other's */
        for (int i = 0; i < 100; i++)
            queue_add(&q, u, 5);
    for (int round = 0; round < 71; round++) {
        queue_round(&q, 7, served);
        if (round >= 20)
            assert_true(jain_index(served, 10) > 0.99);
    }
}

static void test_one_job_beside_a_thousand_is_next(void **state)
{
    (void)state;
    static struct queue q;
    queue_init(&q);
    int served[256] = {0};
    for (int i = 0; i < 1000; i++)
        queue_add(&q, 0, 5);
    queue_round(&q, 3, served);
    queue_add(&q, 1, 5);
    queue_round(&q, 3, served);
    assert_int_equal(served[1], 1);
}

static void test_a_newcomer_cannot_starve_those_who_wait(void **state)
{
    (void)state;
    static struct queue q;
    queue_init(&q);
    int served[256] = {0};
    for (int i = 0; i < 20; i++)
        queue_add(&q, 0, 5);
    for (int round = 0; round < 400; round++) { /* users 1 and 2 ask for more all the time */
        for (unsigned u = 1; u <= 2; u++) {
            queue_add(&q, u, 5);
            queue_add(&q, u, 5);
        }
        queue_round(&q, 3, served);
    }
    assert_int_equal(served[0], 20);
}

static void test_a_low_priority_runs_when_the_high_one_is_empty(void **state)
{
    (void)state;
    static struct queue q;
    queue_init(&q);
    int served[256] = {0};
    queue_add(&q, 0, 1);
    for (int i = 0; i < 9; i++)
        queue_add(&q, 1, 10);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(served[0], 0);
        queue_round(&q, 3, served);
    }
    queue_round(&q, 3, served);
    assert_int_equal(served[0], 1);
}

static void test_a_full_window_of_one_user_and_of_many(void **state)
{
    (void)state;
    static struct fair_item items[WINDOW_MAX];
    static size_t order[WINDOW_MAX];
    for (size_t i = 0; i < WINDOW_MAX; i++)
        items[i] = item(1, 5, (int64_t)i, 0);
    assert_int_equal(fair_pick(items, WINDOW_MAX, 1000, 0, order), 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(order[i], i);
    for (size_t i = 0; i < WINDOW_MAX; i++)
        items[i] = item((unsigned)i, 5, WINDOW_MAX - (int64_t)i, 0);
    assert_int_equal(fair_pick(items, WINDOW_MAX, 1000, 0, order), 1000);
    assert_int_equal(order[0], WINDOW_MAX - 1); /* equal ranks: the smallest tag */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_first_job_is_tagged_with_the_virtual_time),
        cmocka_unit_test(test_a_users_next_job_is_one_cost_later),
        cmocka_unit_test(test_nothing_to_pick),
        cmocka_unit_test(test_users_take_turns),
        cmocka_unit_test(test_running_jobs_count_as_turns_taken),
        cmocka_unit_test(test_priority_goes_before_fairness),
        cmocka_unit_test(test_jobs_over_the_cap_are_marked),
        cmocka_unit_test(test_the_cap_spans_priorities),
        cmocka_unit_test(test_full_places_leave_the_rest_unmarked),
        cmocka_unit_test(test_random_windows_keep_priority_cap_and_places),
        cmocka_unit_test(test_ten_users_with_equal_demand_get_equal_shares),
        cmocka_unit_test(test_one_job_beside_a_thousand_is_next),
        cmocka_unit_test(test_a_newcomer_cannot_starve_those_who_wait),
        cmocka_unit_test(test_a_low_priority_runs_when_the_high_one_is_empty),
        cmocka_unit_test(test_a_full_window_of_one_user_and_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
