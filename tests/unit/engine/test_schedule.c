/* In: a due schedule whose row somebody holds, so that the store takes no plan for it. Out: a
 * scheduler that asks now and then, and no later than others fall due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/schedule.h"
#include "stub_store.h"

#define START ((int64_t)1795458600 * USEC_PER_SEC)

struct held { /* the store's side */
    int64_t rev, next_in_us;
    bool held;
};

static void answer(struct stub_store *s, struct store_op *op)
{
    static const struct store_schedule due = {.id = 7,
                                              .name = "held",
                                              .expr = "* * * * *",
                                              .label = "w",
                                              .active = true,
                                              .planned = true};
    struct held *h = s->ctx;
    assert_true(s->asked[VERB_SCHEDULE_PLAN] < 100);
    if (op->verb == VERB_SCHEDULE_PLAN && !h->held)
        h->rev++;
    if (op->verb != VERB_SCHEDULE_DUE)
        return;
    struct store_schedule *seen = arena_alloc(&op->arena, sizeof *seen);
    *seen = due;
    seen->rev = h->rev;
    op->result.now_us = loop_wall(s->base.loop);
    seen->due_us = seen->created_us = seen->changed_us = op->result.now_us - USEC_PER_SEC;
    op->result.schedules = seen;
    op->result.n = h->rev < 3;
    op->result.next_due_us = h->next_in_us > 0 ? op->result.now_us + h->next_in_us : 0;
}

static bool worker(void *ctx, struct uuid *ret_worker)
{
    (void)ctx;
    *ret_worker = (struct uuid){{1}};
    return true;
}

static int plans_in(struct held *h, int64_t us)
{
    struct loop *loop = loop_new_manual(1, START);
    struct stub_store *s = stub_store_new(loop, answer, h);
    struct schedule *schedule =
        schedule_new(loop, &s->base, &(struct schedule_config){.worker = worker});
    loop_advance(loop, us);
    int plans = s->asked[VERB_SCHEDULE_PLAN];
    schedule_stop(schedule);
    loop_advance(loop, USEC_PER_SEC);
    schedule_free(schedule);
    stub_store_free(s);
    loop_free(loop);
    return plans;
}

static void a_held_schedule_is_planned_again_each_second(void **state)
{
    (void)state;
    assert_in_range(plans_in(&(struct held){.held = true}, 4500 * USEC_PER_MSEC), 5, 7);
}

static void it_does_not_make_others_late(void **state)
{
    (void)state;
    struct held h = {.held = true, .next_in_us = 100 * USEC_PER_MSEC};
    assert_in_range(plans_in(&h, 950 * USEC_PER_MSEC), 10, 12);
}

static void what_is_planned_is_looked_behind_at_once(void **state)
{
    (void)state;
    assert_int_equal(plans_in(&(struct held){.held = false}, 10 * USEC_PER_MSEC), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_schedule_is_planned_again_each_second),
        cmocka_unit_test(it_does_not_make_others_late),
        cmocka_unit_test(what_is_planned_is_looked_behind_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
