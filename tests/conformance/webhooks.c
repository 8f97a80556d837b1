/* In: endpoints, ends of runs by everybody who can end one. Out: one delivery for each, leased,
 * noted, given up, told again. */
#include "conformance.h"
#include "store/store_webhooks.h"

#include <stdio.h>
#include <string.h>

#define ALL   (1u << STORE_END_MAX) - 1
#define LEASE (60 * SECOND)

static void watch(struct fixture *f, const char *name, unsigned ends)
{
    struct store_endpoint e = {.name = name, .ends = ends};
    assert_int_equal(CALL(f, store_endpoints_set, &e, 1)->err, OK);
}

static const struct store_result *take(struct fixture *f, const char *endpoint, size_t max)
{
    const struct store_result *r = CALL(f, store_deliveries_take, endpoint, max, LEASE);
    assert_int_equal(r->err, OK);
    return r;
}

static int64_t note(struct fixture *f, const struct store_delivery *d,
                    enum store_delivery_state state, int64_t due_us, int status)
{
    struct store_delivery_end end = {.n = d->n,
                                     .attempts = d->attempts,
                                     .state = state,
                                     .due_us = due_us,
                                     .http_status = status,
                                     .error = state == STORE_DELIVERY_DONE ? NULL : "it's down"};
    const struct store_result *r = CALL(f, store_deliveries_note, &end, 1);
    assert_int_equal(r->err, OK);
    return r->count;
}

static const struct store_result *list(struct fixture *f, enum store_delivery_state state)
{
    struct store_delivery_filter filter = {.state = state, .limit = 100};
    const struct store_result *r = CALL(f, store_deliveries, &filter);
    assert_int_equal(r->err, OK);
    return r;
}

static void an_end_is_noted_whoever_brings_it_about(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    int64_t before = wall(f);
    struct uuid done = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    struct uuid failed = add_job(f, 2);
    c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    struct uuid waiting = add_job(f, 3);
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '%s'", &waiting));
    struct uuid gone = add_job(f, 4);
    (void)claim_one(f);
    assert_true(raw(f, "DELETE FROM script_generation_jobs WHERE id = '%s'", &gone));
    struct uuid foreign = add_job(f, 5);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'processing' WHERE id = '%s'",
                    &foreign));
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'completed' WHERE id = '%s'", &foreign));
    const struct uuid *jobs[] = {&done, &failed, &waiting, &gone, &foreign};
    static const enum store_end ends[] = {STORE_END_COMPLETED, STORE_END_FAILED,
                                          STORE_END_CANCELLED, STORE_END_DELETED,
                                          STORE_END_COMPLETED};
    const struct store_result *r = take(f, "billing", 100);
    assert_int_equal(r->n, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct store_delivery *d = NULL;
        for (size_t k = 0; k < r->n; k++)
            d = uuid_equal(&r->deliveries[k].job, jobs[i]) ? &r->deliveries[k] : d;
        assert_non_null(d);
        struct uuid user = user_id((int)i + 1);
        assert_true(uuid_equal(&d->user_id, &user));
        assert_int_equal(d->end, ends[i]);
        assert_int_equal(d->run, 1);
        assert_int_equal(d->attempts, 1);
        assert_int_equal(d->state, STORE_DELIVERY_WAITING);
        assert_string_equal(d->endpoint, "billing");
        assert_false(uuid_is_nil(&d->id));
        assert_in_range(d->ended_us, before - 5 * SECOND, wall(f) + 60 * SECOND);
    }
}

static void what_is_no_end_is_not_noted(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_RETRY), STORE_HELD);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'failed' WHERE id = '%s'", &id));
    assert_int_equal(take(f, "billing", 10)->n, 1);
    assert_true(raw(f, "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '%s'",
                    &id)); /* it had ended */
    assert_true(raw(f, "DELETE FROM script_generation_jobs WHERE id = '%s'", &id));
    assert_int_equal(take(f, "billing", 10)->n, 0);
}

static void each_run_has_its_own_end(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    struct uuid id = add_job(f, 1);
    for (int run = 1; run <= 2; run++) {
        struct store_claimed c = claim_one(f);
        assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
        const struct store_result *r = take(f, "billing", 10);
        assert_int_equal(r->n, 1);
        assert_int_equal(r->deliveries[0].run, run);
        assert_int_equal(CALL(f, store_retry, &id)->err, OK);
    }
}

static void an_endpoint_hears_what_it_asked_for(void **state)
{
    struct fixture *f = fixture(state);
    struct store_endpoint two[] = {{"failures", 1u << STORE_END_FAILED}, {"all", ALL}};
    assert_int_equal(CALL(f, store_endpoints_set, two, 2)->err, OK);
    (void)add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    (void)add_job(f, 1);
    c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    const struct store_result *r = take(f, "failures", 10);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->deliveries[0].end, STORE_END_FAILED);
    struct uuid one = r->deliveries[0].id;
    r = take(f, "all", 10);
    assert_int_equal(r->n, 2);
    assert_false(uuid_equal(&one, &r->deliveries[0].id));
    assert_false(uuid_equal(&one, &r->deliveries[1].id));
    /* Taken off the list: nothing more for it, and for nobody when the list is empty. */
    assert_int_equal(CALL(f, store_endpoints_set, NULL, 0)->err, OK);
    (void)add_job(f, 1);
    c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    assert_int_equal(list(f, STORE_DELIVERY_MAX)->n, 3);
}

static struct store_delivery one_due(struct fixture *f)
{
    const struct store_result *r = take(f, "billing", 10);
    assert_int_equal(r->n, 1);
    return r->deliveries[0];
}

static void end_a_job(struct fixture *f)
{
    (void)add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
}

static void what_is_taken_and_never_noted_is_due_again_after_the_lease(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    end_a_job(f);
    struct store_delivery first = one_due(f);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    pass(f, LEASE + SECOND);
    struct store_delivery again = one_due(f);
    assert_true(uuid_equal(&first.id, &again.id));
    assert_int_equal(again.attempts, 2);
    /* The first one wakes up: it has lost its say. */
    assert_int_equal(note(f, &first, STORE_DELIVERY_WAITING, wall(f) + 3600 * SECOND, 500), 0);
    assert_int_equal(note(f, &again, STORE_DELIVERY_DONE, 0, 204), 1);
    pass(f, LEASE + SECOND);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    const struct store_result *r = list(f, STORE_DELIVERY_DONE);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->deliveries[0].http_status, 204);
    assert_null(r->deliveries[0].error);
    assert_true(r->deliveries[0].done_us > 0);
}

static void a_failed_attempt_is_due_when_it_was_noted_for(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    end_a_job(f);
    struct store_delivery d = one_due(f);
    assert_int_equal(note(f, &d, STORE_DELIVERY_WAITING, wall(f) + 10 * SECOND, 503), 1);
    const struct store_result *r = list(f, STORE_DELIVERY_WAITING);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->deliveries[0].http_status, 503);
    assert_string_equal(r->deliveries[0].error, "it's down");
    pass(f, 8 * SECOND);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    pass(f, 4 * SECOND);
    assert_int_equal(one_due(f).attempts, 2);
}

static void what_was_given_up_is_told_again_when_asked(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    end_a_job(f);
    end_a_job(f);
    const struct store_result *r = take(f, "billing", 10);
    assert_int_equal(r->n, 2);
    struct store_delivery a = r->deliveries[0], b = r->deliveries[1];
    assert_int_equal(note(f, &a, STORE_DELIVERY_GIVEN_UP, 0, 500), 1);
    assert_int_equal(note(f, &b, STORE_DELIVERY_DONE, 0, 200), 1);
    pass(f, 2 * LEASE);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    struct uuid nil = {0}, none = user_id(99);
    assert_int_equal(CALL(f, store_deliveries_retry, &none, NULL)->err, ERR_NOT_FOUND);
    assert_int_equal(CALL(f, store_deliveries_retry, &nil, "other")->count, 0);
    assert_int_equal(CALL(f, store_deliveries_retry, &nil, NULL)->count, 1);
    struct store_delivery again = one_due(f);
    assert_true(uuid_equal(&again.id, &a.id));
    assert_int_equal(again.attempts, 1);
    assert_true(again.since_us > a.since_us);
    assert_true(again.ended_us == a.ended_us);
    assert_int_equal(CALL(f, store_deliveries_retry, &b.id, NULL)->count, 1); /* delivered or not */
    again = one_due(f);
    assert_true(uuid_equal(&again.id, &b.id));
}

static void a_dropped_endpoint_gets_nothing_more_until_it_is_set_again(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    end_a_job(f);
    end_a_job(f);
    assert_int_equal(CALL(f, store_endpoint_drop, "billing", "410 Gone")->count, 2);
    end_a_job(f);
    assert_int_equal(take(f, "billing", 10)->n, 0);
    const struct store_result *r = list(f, STORE_DELIVERY_GIVEN_UP);
    assert_int_equal(r->n, 2);
    assert_string_equal(r->deliveries[0].error, "410 Gone");
    watch(f, "billing", ALL);
    end_a_job(f);
    (void)one_due(f);
}

static void endpoints_are_counted(void **state)
{
    struct fixture *f = fixture(state);
    struct store_endpoint two[] = {{"billing", ALL},
                                   {"a", 1u << STORE_END_CANCELLED | 1u << STORE_END_DELETED}};
    assert_int_equal(CALL(f, store_endpoints_set, two, 2)->err, OK);
    for (int i = 0; i < 4; i++)
        end_a_job(f);
    const struct store_result *r = take(f, "billing", 3);
    assert_int_equal(r->n, 3);
    struct store_delivery d[3] = {r->deliveries[0], r->deliveries[1], r->deliveries[2]};
    assert_int_equal(note(f, &d[0], STORE_DELIVERY_DONE, 0, 200), 1);
    assert_int_equal(note(f, &d[1], STORE_DELIVERY_GIVEN_UP, 0, 400), 1);
    assert_int_equal(note(f, &d[2], STORE_DELIVERY_WAITING, wall(f) + SECOND, 500), 1);
    r = CALL0(f, store_endpoints);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 2);
    assert_string_equal(r->endpoints[0].name, "a");
    assert_int_equal(r->endpoints[0].ends, 12);
    assert_int_equal(r->endpoints[0].waiting, 0);
    assert_true(r->endpoints[0].oldest_us == 0);
    const struct store_endpoint_seen *b = &r->endpoints[1];
    assert_string_equal(b->name, "billing");
    assert_int_equal(b->ends, 15);
    assert_int_equal(b->waiting, 2);
    assert_int_equal(b->failing, 1);
    assert_int_equal(b->delivered, 1);
    assert_int_equal(b->given_up, 1);
    assert_true(b->oldest_us > 0);
}

static void a_delivery_knows_what_its_run_cost_and_brought(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    (void)add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct uuid call = open_call_of(f, &c, &f->worker);
    struct store_call_end end = {.id = call,
                                 .state = CALL_EXACT,
                                 .usage = {.input = 1000, .output = 200, .cache_read = 30},
                                 .cost_udollar = 6009};
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    struct store_finish finish = {.job = c.id,
                                  .fence = c.fence,
                                  .outcome = STORE_COMPLETE,
                                  .script = "text",
                                  .metadata = "{\"words\": 1300}"};
    assert_int_equal(CALL(f, store_finish, &finish, 1)->lost[0], STORE_HELD);
    struct store_delivery d = one_due(f);
    assert_int_equal(d.calls, 1);
    assert_int_equal(d.usage.input, 1000);
    assert_int_equal(d.usage.output, 200);
    assert_int_equal(d.usage.cache_read, 30);
    assert_int_equal(d.cost_udollar, 6009);
    assert_string_equal(d.words, "1300");
    assert_null(d.job_error);
    (void)add_job(f, 1);
    c = claim_one(f);
    finish = (struct store_finish){
        .job = c.id, .fence = c.fence, .outcome = STORE_FAIL, .error = "no topic"};
    assert_int_equal(CALL(f, store_finish, &finish, 1)->lost[0], STORE_HELD);
    d = one_due(f);
    assert_string_equal(d.job_error, "no topic");
    assert_null(d.words);
    assert_int_equal(d.calls, 0);
}

static void over_is_forgotten_after_a_week_and_strangers_after_a_day(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    end_a_job(f);
    struct store_delivery d = one_due(f);
    assert_int_equal(note(f, &d, STORE_DELIVERY_DONE, 0, 200), 1);
    end_a_job(f);
    pass(f, 6 * 86400 * SECOND);
    d = one_due(f);
    assert_int_equal(note(f, &d, STORE_DELIVERY_WAITING, wall(f), 500), 1);
    assert_int_equal(list(f, STORE_DELIVERY_MAX)->n, 2);
    pass(f, 2 * 86400 * SECOND);
    d = one_due(f);
    assert_int_equal(note(f, &d, STORE_DELIVERY_WAITING, wall(f), 500), 1);
    assert_int_equal(list(f, STORE_DELIVERY_MAX)->n, 1);
    struct store_endpoint other = {"other", ALL};
    assert_int_equal(CALL(f, store_endpoints_set, &other, 1)->count, 1);
    assert_int_equal(list(f, STORE_DELIVERY_GIVEN_UP)->n, 1);
}

static void deliveries_are_listed_in_pages(void **state)
{
    struct fixture *f = fixture(state);
    watch(f, "billing", ALL);
    for (int i = 0; i < 5; i++)
        end_a_job(f);
    struct store_delivery_filter filter = {
        .state = STORE_DELIVERY_MAX, .endpoint = "billing", .limit = 3};
    const struct store_result *r = CALL(f, store_deliveries, &filter);
    assert_int_equal(r->n, 3);
    assert_true(r->deliveries[0].n > r->deliveries[1].n);
    filter.before = r->deliveries[2].n;
    assert_int_equal(CALL(f, store_deliveries, &filter)->n, 2);
    filter.endpoint = "other";
    filter.before = 0;
    assert_int_equal(CALL(f, store_deliveries, &filter)->n, 0);
    filter.limit = 0;
    assert_int_equal(CALL(f, store_deliveries, &filter)->err, ERR_INVALID);
}

const struct CMUnitTest webhook_tests[] = {
    CASE(an_end_is_noted_whoever_brings_it_about),
    CASE(what_is_no_end_is_not_noted),
    CASE(each_run_has_its_own_end),
    CASE(an_endpoint_hears_what_it_asked_for),
    CASE(what_is_taken_and_never_noted_is_due_again_after_the_lease),
    CASE(a_failed_attempt_is_due_when_it_was_noted_for),
    CASE(what_was_given_up_is_told_again_when_asked),
    CASE(a_dropped_endpoint_gets_nothing_more_until_it_is_set_again),
    CASE(endpoints_are_counted),
    CASE(a_delivery_knows_what_its_run_cost_and_brought),
    CASE(over_is_forgotten_after_a_week_and_strangers_after_a_day),
    CASE(deliveries_are_listed_in_pages),
};
CASES(webhook_tests);
