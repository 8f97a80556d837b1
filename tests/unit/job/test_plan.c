/* In: script lengths and phases. Out: whether chunks, words, progress and names are as specified.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "job/plan.h"

static void test_chunks_follow_begun_minutes(void **state)
{
    (void)state;
    static const struct {
        int64_t duration_s;
        int chunks;
    } cases[] = {
        {15, 1},      {600, 1},         {19 * 60, 1},     {19 * 60 + 1, 2}, {19 * 60 + 59, 2},
        {20 * 60, 2}, {30 * 60, 2},     {30 * 60 + 1, 3}, {45 * 60, 3},     {45 * 60 + 1, 4},
        {60 * 60, 4}, {60 * 60 + 1, 5}, {61 * 60, 5},     {75 * 60, 5},     {75 * 60 + 1, 6},
        {90 * 60, 6}, {239 * 60, 16},   {240 * 60, 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plan p = plan_make(cases[i].duration_s, PLAN_WPM_DEFAULT);
        assert_int_equal(p.chunks, cases[i].chunks);
        assert_int_equal(p.outline, cases[i].chunks > 1);
        assert_int_equal(p.duration_s, cases[i].duration_s);
    }
}

static void test_words_follow_exact_minutes_and_speed(void **state)
{
    (void)state;
    assert_int_equal(plan_make(600, 130).words, 1300);
    assert_int_equal(plan_make(15, 130).words, 33); /* 32.5 */
    assert_int_equal(plan_make(90, 130).words, 195);
    assert_int_equal(plan_make(600, 150).words, 1500);
    assert_int_equal(plan_make(14400, 130).words, 31200);
}

static void test_chunk_asks_for_its_share_and_a_tenth_more(void **state)
{
    (void)state;
    assert_int_equal(plan_make(600, 130).chunk_words, 1430);  /* 1300 * 1.1 */
    assert_int_equal(plan_make(1200, 130).chunk_words, 1430); /* 2600 / 2 * 1.1 */
    assert_int_equal(plan_make(2700, 130).chunk_words, 2145); /* 5850 / 3 * 1.1 */
    assert_int_equal(plan_make(3600, 130).chunk_words, 2145); /* 7800 / 4 * 1.1 */
    assert_int_equal(plan_make(14400, 130).chunk_words, 2145);
}

static void test_spans_tile_the_duration(void **state)
{
    (void)state;
    for (int64_t duration = PLAN_DURATION_MIN_S; duration <= PLAN_DURATION_MAX_S; duration += 61) {
        struct plan p = plan_make(duration, PLAN_WPM_DEFAULT);
        int64_t end = 0;
        for (int i = 1; i <= p.chunks; i++) {
            int64_t from, to;
            plan_chunk_span(&p, i, &from, &to);
            assert_int_equal(from, end);
            assert_true(to > from);
            end = to;
        }
        assert_int_equal(end, duration);
    }
}

static void test_progress_figures(void **state)
{
    (void)state;
    assert_int_equal(plan_progress(PHASE_QUEUED, 0, 0, 0), 0);
    assert_int_equal(plan_progress(PHASE_INITIALIZING, 0, 0, 0), 5);
    assert_int_equal(plan_progress(PHASE_PREPARING, 0, 0, 0), 10);
    assert_int_equal(plan_progress(PHASE_OUTLINE, 0, 0, 0.9), 15);
    assert_int_equal(plan_progress(PHASE_CHUNK, 1, 1, 0), 20);
    assert_int_equal(plan_progress(PHASE_CHUNK, 1, 1, 0.5), 50);
    assert_int_equal(plan_progress(PHASE_CHUNK, 1, 1, 1), 80);
    assert_int_equal(plan_progress(PHASE_CHUNK, 2, 3, 0), 40);
    assert_int_equal(plan_progress(PHASE_CHUNK, 2, 3, 0.5), 50);
    assert_int_equal(plan_progress(PHASE_CHUNK, 3, 7, 0.25), 39); /* 20 + floor(19.28) */
    assert_int_equal(plan_progress(PHASE_CHUNK, 16, 16, 1), 80);
    assert_int_equal(plan_progress(PHASE_VALIDATING, 0, 0, 0), 85);
    assert_int_equal(plan_progress(PHASE_EXPANDING, 0, 0, 0), 87);
    assert_int_equal(plan_progress(PHASE_SAVING, 0, 0, 0), 90);
    assert_int_equal(plan_progress(PHASE_COMPLETED, 0, 0, 0), 100);
}

static void test_progress_stays_in_the_chunks_share_whatever_comes(void **state)
{
    (void)state;
    assert_int_equal(plan_progress(PHASE_CHUNK, 1, 2, 7.5), 50); /* more words than asked for */
    assert_int_equal(plan_progress(PHASE_CHUNK, 2, 2, -1), 50);
    assert_int_equal(plan_progress(PHASE_CHUNK, 2, 2, (double)NAN), 50);
    assert_int_equal(plan_progress(PHASE_CHUNK, 3, 2, 1), 80);
    assert_int_equal(plan_progress(PHASE_CHUNK, 0, 0, 0), 20);
}

static void test_progress_never_goes_back(void **state)
{
    (void)state;
    for (int n = 1; n <= PLAN_CHUNKS_MAX; n++) {
        int last = plan_progress(PHASE_OUTLINE, 0, 0, 0);
        for (int i = 1; i <= n; i++) {
            for (int f = 0; f <= 100; f++) {
                int now = plan_progress(PHASE_CHUNK, i, n, f / 100.0);
                assert_true(now >= last);
                last = now;
            }
        }
        assert_true(last < plan_progress(PHASE_VALIDATING, 0, 0, 0));
    }
}

static void test_step_names_are_the_rows(void **state)
{
    (void)state;
    static const char *const names[PHASE_MAX] = {
        [PHASE_QUEUED] = "queued",
        [PHASE_INITIALIZING] = "initializing",
        [PHASE_PREPARING] = "preparing_data",
        [PHASE_OUTLINE] = "outline",
        [PHASE_CHUNK] = "generating_chunk_2_of_3",
        [PHASE_VALIDATING] = "validating_quality",
        [PHASE_EXPANDING] = "expanding",
        [PHASE_SAVING] = "saving_script",
        [PHASE_COMPLETED] = "completed",
    };
    char out[PLAN_STEP_SIZE];
    for (int i = 0; i < PHASE_MAX; i++)
        assert_string_equal(plan_step_name((enum phase)i, 2, 3, out), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_follow_begun_minutes),
        cmocka_unit_test(test_words_follow_exact_minutes_and_speed),
        cmocka_unit_test(test_chunk_asks_for_its_share_and_a_tenth_more),
        cmocka_unit_test(test_spans_tile_the_duration),
        cmocka_unit_test(test_progress_figures),
        cmocka_unit_test(test_progress_stays_in_the_chunks_share_whatever_comes),
        cmocka_unit_test(test_progress_never_goes_back),
        cmocka_unit_test(test_step_names_are_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
