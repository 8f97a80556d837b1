/* In: resolve_gate.c. Out: that one look-up goes alone, and that its end lets the others go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "io/resolve_gate.h"

static void addresses_need_no_gate(void **state)
{
    (void)state;
    struct resolve_gate gate = {0};
    assert_null(gate_host(&gate, "127.0.0.1", "80"));
    assert_null(gate_host(&gate, "[::1]", "80"));
    assert_null(gate_host(&gate, "localhost", "80"));
    assert_true(gate_may_pass(NULL, 0));
    gate_pass(NULL, "me", 0);
    assert_false(gate_tell(NULL, "me", true, 0));
}

static void the_first_goes_alone_and_the_others_follow_when_it_has_connected(void **state)
{
    (void)state;
    struct resolve_gate gate = {0};
    const char *first = "first", *second = "second";
    struct gate_host *h = gate_host(&gate, "api.example", "443");
    assert_ptr_equal(gate_host(&gate, "api.example", "443"), h);
    assert_ptr_not_equal(gate_host(&gate, "api.example", "80"), h);
    assert_true(gate_may_pass(h, 10));
    gate_pass(h, first, 10);
    assert_false(gate_may_pass(h, 11));
    assert_false(gate_tell(h, second, true, 12));
    assert_false(gate_may_pass(h, 12));
    assert_true(gate_tell(h, first, true, 13));
    assert_true(gate_may_pass(h, 13));
    gate_pass(h, second, 13);
    assert_true(gate_may_pass(h, 13));
    /* The name is known for 270 s; then one goes alone again. */
    gate_pass(h, second, 13 + 270 * USEC_PER_SEC);
    assert_false(gate_may_pass(h, 13 + 270 * USEC_PER_SEC));
    gate_free(&gate);
}

static void a_failure_lets_the_next_one_try(void **state)
{
    (void)state;
    struct resolve_gate gate = {0};
    const char *first = "first", *second = "second";
    struct gate_host *h = gate_host(&gate, "api.example", "443");
    gate_pass(h, first, 10);
    assert_true(gate_tell(h, first, false, 20));
    assert_true(gate_may_pass(h, 20));
    gate_pass(h, second, 20);
    assert_false(gate_may_pass(h, 21));
    gate_free(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_need_no_gate),
        cmocka_unit_test(the_first_goes_alone_and_the_others_follow_when_it_has_connected),
        cmocka_unit_test(a_failure_lets_the_next_one_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
