/* In: how many jobs run. Out: how often their text is written, so that all together write no more
 * rows than a database likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/impl.h"

#define TENTH 100000

static void few_jobs_have_their_text_written_as_the_setting_says(void **state)
{
    (void)state;
    assert_int_equal(report_pause_us(TENTH, 1), TENTH);
    assert_int_equal(report_pause_us(TENTH, 400), TENTH);
    assert_int_equal(report_pause_us(3600 * (int64_t)1000000, 400), 3600 * (int64_t)1000000);
}

/* A round writes STORE_BATCH_MAX of them: 2,000 jobs take two rounds. */
static void many_together_write_four_thousand_pieces_a_second(void **state)
{
    (void)state;
    static const size_t running[] = {401, 800, 1000, 2000, 100000};
    for (size_t i = 0; i < sizeof running / sizeof running[0]; i++) {
        size_t round = running[i] < STORE_BATCH_MAX ? running[i] : STORE_BATCH_MAX;
        int64_t pause = report_pause_us(TENTH, running[i]);
        int64_t a_second = (int64_t)round * 1000000 / pause;
        assert_in_range(a_second, 3990, 4010);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_jobs_have_their_text_written_as_the_setting_says),
        cmocka_unit_test(many_together_write_four_thousand_pieces_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
