/* In: presets, bodies and figures of a scaled system. Out: whether they are read right, refused, or
 * counted right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "api/scale_json.h"

static void a_preset_is_workers_x_scripts(void **state)
{
    (void)state;
    struct errmsg msg;
    int w = 0, c = 0;
    assert_int_equal(scale_read_preset("3x5", 3, &w, &c, &msg), OK);
    assert_int_equal(w, 3);
    assert_int_equal(c, 5);
    assert_int_equal(scale_read_preset("1000x1", 6, &w, &c, &msg), OK);
    assert_int_equal(w, 1000);
    static const char *const bad[] = {"",     "3",   "3x",     "x3",           "3x3x3",
                                      "0x1",  "1x0", "1001x1", "1x1001",       " 3x3",
                                      "3x3 ", "3X3", "-1x1",   "99999999999x1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(scale_read_preset(bad[i], strlen(bad[i]), &w, &c, &msg), ERR_INVALID);
        assert_int_equal(w, 1000); /* untouched */
    }
}

static void a_body_says_one_thing(void **state)
{
    (void)state;
    struct errmsg msg;
    struct store_scale_change c = {.fallback = 9};
    static const char both[] = "{\"workers\":3,\"concurrency\":4}", undo[] = "{\"undo\":true}";
    assert_int_equal(scale_read_body(both, strlen(both), &c, &msg), OK);
    assert_true(c.workers == 3 && c.concurrency == 4 && !c.undo);
    assert_int_equal(scale_read_body(undo, strlen(undo), &c, &msg), OK);
    assert_true(c.workers == 0 && c.concurrency == 0 && c.undo);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"undo\":false}",
                                      "{\"undo\":1}",
                                      "{\"workers\":0}",
                                      "{\"workers\":1.5}",
                                      "{\"workers\":1001}",
                                      "{\"workers\":1,\"undo\":true}",
                                      "{\"preset\":\"3\"}",
                                      "{\"slots\":3}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(scale_read_body(bad[i], strlen(bad[i]), &c, &msg), OK);
    assert_true(c.undo);
}

static void the_figures_add_up(void **state)
{
    (void)state;
    /* Continuous, not scaled: two processes of 256. */
    struct store_scale s = {.processes = 2, .due = 500, .running = 300};
    struct scale_figures f = scale_figures(&s, 256, 3);
    assert_true(f.workers == 2 && f.concurrency == 256 && f.slots == 512);
    assert_true(f.desired_workers == 4); /* 800 / 256 = 3.1 */
    /* Driven by three schedules. */
    s.schedules = 3;
    f = scale_figures(&s, 256, 3);
    assert_true(f.workers == 3 && f.concurrency == 3 && f.slots == 9 && f.desired_workers == 267);
    /* Scaled stands above both. */
    s.workers = 5;
    s.concurrency = 10;
    f = scale_figures(&s, 0, 3);
    assert_true(f.slots == 50 && f.desired_workers == 80);
    /* Paused: what waits asks for nobody; never less than one. */
    s.paused = true;
    assert_true(scale_figures(&s, 0, 3).desired_workers == 30);
    s.running = 0;
    assert_true(scale_figures(&s, 0, 3).desired_workers == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preset_is_workers_x_scripts),
        cmocka_unit_test(a_body_says_one_thing),
        cmocka_unit_test(the_figures_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
