/* In: calls whose figures say nothing about text. Out: estimates that stay near what text is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/impl.h"

/* Tokens that `bytes` of an answer are taken for, and a prompt of 1000 by our own count, after many
 * calls that told these figures. */
static void learned(size_t len, int64_t output, int64_t prompt, size_t bytes, int64_t *ret_output,
                    int64_t *ret_input)
{
    struct engine e = {.bytes_per_token = 4.4, .input_ratio = 1};
    struct run r = {.call = {.text = {.len = len}, .untaught_input = 1000}};
    struct usage told = {.input = prompt, .output = output};
    for (int i = 0; i < 100; i++)
        ledger_learn(&e, &r, &told);
    struct call call = {.text = {.len = bytes}, .untaught_input = 1000};
    *ret_output = ledger_output_tokens(&e, &call);
    *ret_input = ledger_input_tokens(&e, &call);
}

static void estimates_follow_what_calls_tell(void **state)
{
    int64_t output, input;
    (void)state;
    learned(3000, 1000, 1500, 300, &output, &input);
    assert_in_range(output, 99, 100);
    assert_in_range(input, 1499, 1500);
}

static void figures_that_no_text_has_move_them_only_so_far(void **state)
{
    int64_t output, input;
    (void)state;
    learned(1, 100000, 1, 8000, &output, &input);
    assert_in_range(output, 1000, 8000);
    assert_in_range(input, 250, 1000);
    learned(1000000, 51, 1000000, 8000, &output, &input);
    assert_in_range(output, 1000, 8000);
    assert_in_range(input, 1000, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_follow_what_calls_tell),
        cmocka_unit_test(figures_that_no_text_has_move_them_only_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
