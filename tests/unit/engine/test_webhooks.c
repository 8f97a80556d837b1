/* In: a store whose clock is not ours. Out: deliveries that fall due, and are given up, by its
 * clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/webhooks.h"
#include "io/address.h"
#include "stub_store.h"

#define HOUR (3600 * USEC_PER_SEC)

struct world {
    int64_t ahead_us; /* the store's clock before ours */
    int64_t age_us;   /* of the run's end, by the store's clock */
    struct store_delivery_end end;
    bool noted;
};

static void answer(struct stub_store *s, struct store_op *op)
{
    struct world *w = s->ctx;
    int64_t now = loop_wall(s->base.loop) + w->ahead_us;
    if (op->verb == VERB_DELIVERIES_NOTE && !w->noted) {
        w->end = op->in.noted[0];
        w->end.due_us -= now;
        w->noted = true;
    } else if (op->verb == VERB_DELIVERIES_TAKE && s->asked[VERB_DELIVERIES_TAKE] == 1) {
        struct store_delivery *d = arena_alloc(&op->arena, sizeof *d);
        *d = (struct store_delivery){.n = 1,
                                     .endpoint = "ops",
                                     .attempts = 1,
                                     .since_us = now - w->age_us,
                                     .ended_us = now - w->age_us,
                                     .due_us = now + op->in.take.lease_us};
        op->result.deliveries = d;
        op->result.n = 1;
    }
}

/* Sends to an address that nobody may reach, so that the attempt fails by itself. */
static void fail_once(struct world *w)
{
    struct loop *loop = NULL;
    struct http_client *http = NULL;
    struct address_guard *guard = NULL;
    assert_int_equal(loop_new(&loop), OK);
    assert_int_equal(http_client_new(loop, &(struct http_client_config){0}, &http, NULL), OK);
    assert_int_equal(address_guard_new(NULL, &guard, NULL), OK);
    struct stub_store *s = stub_store_new(loop, answer, w);
    struct journal *journal = journal_new(loop, &s->base, "w", 10);
    struct webhooks_config config = {.loop = loop,
                                     .store = &s->base,
                                     .http = http,
                                     .guard = guard,
                                     .journal = journal,
                                     .give_up_us = 24 * HOUR};
    struct webhook_endpoint endpoint = {.name = "ops", .url = "http://127.0.0.1:1/", .ends = 1};
    struct webhooks *hooks = webhooks_new(&config, &endpoint, 1);
    while (!w->noted)
        loop_turn(loop, 50 * USEC_PER_MSEC);
    webhooks_free(hooks);
    journal_free(journal);
    stub_store_free(s);
    http_client_free(http);
    address_guard_free(guard);
    loop_free(loop);
}

static void the_next_attempt_is_due_by_the_stores_clock(void **state)
{
    static const int64_t ahead[] = {0, HOUR, -HOUR};
    (void)state;
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        struct world w = {.ahead_us = ahead[i], .age_us = USEC_PER_SEC};
        fail_once(&w);
        assert_int_equal(w.end.state, STORE_DELIVERY_WAITING);
        assert_in_range(w.end.due_us + USEC_PER_SEC, USEC_PER_SEC, 4 * USEC_PER_SEC);
    }
}

static void so_is_the_end_of_trying(void **state)
{
    (void)state;
    struct world young = {.ahead_us = -48 * HOUR, .age_us = 23 * HOUR};
    fail_once(&young);
    assert_int_equal(young.end.state, STORE_DELIVERY_WAITING);
    struct world old = {.ahead_us = 48 * HOUR, .age_us = 25 * HOUR};
    fail_once(&old);
    assert_int_equal(old.end.state, STORE_DELIVERY_GIVEN_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_attempt_is_due_by_the_stores_clock),
        cmocka_unit_test(so_is_the_end_of_trying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
