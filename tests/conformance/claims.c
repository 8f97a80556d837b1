/* In: many users' jobs. Out: who is served when. */
#include "conformance.h"

#include <string.h>

static void a_claimed_job_is_processing_and_fenced(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    pass(f, 10 * SECOND); /* the row's own time is the database's: it may be a second later */
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &id));
    assert_true(c.fence > 0);
    assert_int_equal(c.run, 1);
    assert_int_equal(c.attempts, 0);
    assert_int_equal(c.crashes, 0);
    assert_int_equal(c.max_retries, 3);
    assert_true(c.waited_us >= 5 * SECOND && c.waited_us < 60 * SECOND);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_PROCESSING);
    assert_string_equal(j->current_step, "initializing");
    assert_int_equal(j->progress, 5);
    assert_true(j->started_us > j->created_us);
    assert_int_equal(claim(f, 5, 0)->n, 0);
}

static void fences_are_never_used_twice(void **state)
{
    struct fixture *f = fixture(state);
    int64_t last = 0;
    add_job(f, 1);
    for (int i = 0; i < 5; i++) {
        struct store_claimed c = claim_one(f);
        assert_true(c.fence > last);
        last = c.fence;
        assert_int_equal(finish_one(f, &c, STORE_RELEASE), STORE_HELD);
    }
}

static void priority_is_strict(void **state)
{
    struct fixture *f = fixture(state);
    for (int p = 1; p <= 10; p++)
        add_job_at(f, p, p, 0);
    const struct store_result *r = claim(f, 10, 0);
    assert_int_equal(r->n, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(r->claimed[i].priority, 10 - (int)i);
}

static void a_users_own_jobs_run_in_order(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid ids[6];
    for (int i = 0; i < 6; i++)
        ids[i] = add_job(f, 1);
    for (int i = 0; i < 6; i++) {
        struct store_claimed c = claim_one(f);
        assert_true(uuid_equal(&c.id, &ids[i]));
    }
}

static int claimed_of(const struct store_result *r, int user)
{
    struct uuid id = user_id(user);
    int n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += uuid_equal(&r->claimed[i].user_id, &id);
    return n;
}

static void finish_all(struct fixture *f, const struct store_result *r)
{
    for (size_t i = 0; i < r->n; i++)
        assert_int_equal(finish_one(f, &r->claimed[i], STORE_COMPLETE), STORE_HELD);
}

/* Jain's index (sum x)^2 / (n * sum x^2) after each round; 1 is perfectly fair. */
static void ten_users_with_equal_demand_get_equal_shares(void **state)
{
    struct fixture *f = fixture(state);
    for (int user = 0; user < 10; user++) { /* one after the other: the worst order */
        for (int i = 0; i < 20; i++)
            add_job(f, user);
    }
    double got[10] = {0};
    for (int round = 0; round < 14; round++) {
        const struct store_result *r = claim(f, 7, 0);
        assert_int_equal(r->n, 7);
        for (int user = 0; user < 10; user++)
            got[user] += claimed_of(r, user);
        finish_all(f, r);
    }
    double sum = 0, squares = 0;
    for (int user = 0; user < 10; user++) {
        sum += got[user];
        squares += got[user] * got[user];
    }
    assert_true(sum * sum / (10 * squares) > 0.99);
}

static void one_job_is_not_held_up_by_another_users_thousand(void **state)
{
    struct fixture *f = fixture(state);
    static struct store_new_job many[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = (struct store_new_job){.user_id = user_id(1)};
    assert_int_equal(CALL(f, store_insert, many, 1000)->err, OK);
    finish_all(f, claim(f, 50, 0)); /* in the middle of that user's work */
    struct uuid mine = add_job(f, 2);
    const struct store_result *r = claim(f, 2, 0);
    assert_true(uuid_equal(&r->claimed[0].id, &mine) || uuid_equal(&r->claimed[1].id, &mine));
}

static void a_new_user_does_not_make_up_for_the_past(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 60; i++)
        add_job(f, 1);
    finish_all(f, claim(f, 30, 0));
    for (int i = 0; i < 30; i++)
        add_job(f, 2);
    const struct store_result *r = claim(f, 20, 0);
    int late = claimed_of(r, 2);
    assert_true(late >= 9 && late <= 11);
}

/* One at a time, so that no single claim sees both users' jobs unless the tags bring them near. */
static void a_latecomer_with_a_long_queue_does_not_starve_the_others(void **state)
{
    struct fixture *f = fixture(state);
    static struct store_new_job many[300];
    int late = 0;
    for (int user = 1; user <= 2; user++) {
        for (int i = 0; i < 300; i++)
            many[i] = (struct store_new_job){.user_id = user_id(user)};
        assert_int_equal(CALL(f, store_insert, many, 300)->err, OK);
        if (user == 1)
            finish_all(f, claim(f, 150, 0));
    }
    for (int i = 0; i < 40; i++) {
        const struct store_result *r = claim(f, 1, 0);
        late += claimed_of(r, 2);
        finish_all(f, r);
    }
    assert_true(late >= 18 && late <= 22);
}

static size_t finish_those_of(struct fixture *f, const struct store_result *r, int user)
{
    static struct store_finish items[STORE_BATCH_MAX];
    struct uuid id = user_id(user);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (uuid_equal(&r->claimed[i].user_id, &id))
            items[n++] = (struct store_finish){
                .job = r->claimed[i].id, .fence = r->claimed[i].fence, .outcome = STORE_COMPLETE};
    }
    assert_int_equal(CALL(f, store_finish, items, n)->err, OK);
    return n;
}

/* The first user's 500 never end; the second user's 6000 must all get through beside the 5500 that
 * the first one has waiting. */
static void a_pile_behind_the_cap_does_not_stop_the_others(void **state)
{
    struct fixture *f = fixture(state);
    static struct store_new_job many[1000];
    for (int batch = 0; batch < 12; batch++) {
        for (int i = 0; i < 1000; i++)
            many[i] = (struct store_new_job){.user_id = user_id(1 + batch % 2)};
        assert_int_equal(CALL(f, store_insert, many, 1000)->err, OK);
    }
    size_t done = 0;
    for (int round = 0; round < 24 && done < 6000; round++)
        done += finish_those_of(f, claim(f, 1000, 500), 2);
    assert_int_equal(done, 6000);
    assert_int_equal(CALL0(f, store_stats)->stats->running, 500);
}

static void nobody_runs_more_than_the_cap(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 30; i++)
        add_job(f, 1);
    for (int i = 0; i < 2; i++)
        add_job(f, 2);
    const struct store_result *r = claim(f, 10, 3);
    assert_int_equal(claimed_of(r, 1), 3);
    assert_int_equal(claimed_of(r, 2), 2);
    assert_int_equal(claim(f, 10, 3)->n, 0);
    finish_all(f, r);
    assert_int_equal(claim(f, 10, 3)->n, 3);
}

static void a_capped_user_does_not_hide_others(void **state)
{
    struct fixture *f = fixture(state);
    static struct store_new_job many[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = (struct store_new_job){.user_id = user_id(1), .priority = 9};
    for (int i = 0; i < 3; i++)
        assert_int_equal(CALL(f, store_insert, many, 1000)->err, OK);
    struct uuid mine = add_job_at(f, 2, 1, 0);
    const struct store_result *r = claim(f, 2, 1);
    assert_int_equal(r->n, 2);
    assert_true(uuid_equal(&r->claimed[1].id, &mine));
}

static void a_delayed_job_waits_for_its_time(void **state)
{
    struct fixture *f = fixture(state);
    int64_t at = wall(f) + 30 * SECOND;
    struct uuid id = add_job_at(f, 1, 9, at);
    const struct store_result *r = claim(f, 5, 0);
    assert_int_equal(r->n, 0);
    assert_true(r->next_due_us == at);
    assert_true(get_job(f, &id)->run_at_us == at);
    pass(f, 29 * SECOND);
    assert_int_equal(claim(f, 5, 0)->n, 0);
    pass(f, 2 * SECOND);
    r = claim(f, 5, 0);
    assert_int_equal(r->n, 1);
    assert_true(r->next_due_us == 0);
    assert_true(r->claimed[0].waited_us >= SECOND / 2 && r->claimed[0].waited_us < 2 * SECOND);
}

static void delayed_jobs_do_not_hold_up_due_ones(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 100; i++)
        add_job_at(f, 1, 10, wall(f) + 3600 * SECOND);
    struct uuid due = add_job_at(f, 2, 1, 0);
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &due));
}

static void only_a_worker_with_a_lease_may_claim(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct store_claim c = {.worker = user_id(500), .max = 1};
    assert_int_equal(CALL(f, store_claim, &c)->err, ERR_LOST);
    c.worker = f->worker;
    c.max = 0;
    assert_int_equal(CALL(f, store_claim, &c)->err, ERR_INVALID);
    c.max = STORE_BATCH_MAX + 1;
    assert_int_equal(CALL(f, store_claim, &c)->err, ERR_INVALID);
}

static void two_workers_never_get_the_same_job(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 40; i++)
        add_job(f, i);
    struct uuid other = open_worker(f, 15 * SECOND);
    struct answer *answers[8];
    for (int i = 0; i < 8; i++) {
        struct store_claim c = {.worker = i % 2 ? other : f->worker, .max = 5};
        answers[i] = answer_new(f);
        store_claim(f->store, &c, answer_take, answers[i]);
    }
    size_t total = 0;
    for (int i = 0; i < 8; i++) {
        const struct store_result *a = answer_wait(f, answers[i]);
        total += a->n;
        for (int k = 0; k < i; k++) {
            for (size_t x = 0; x < a->n * answers[k]->r.n; x++)
                assert_false(
                    uuid_equal(&a->claimed[x % a->n].id, &answers[k]->r.claimed[x / a->n].id));
        }
    }
    assert_int_equal(total, 40);
}

static void nothing_is_claimed_while_paused(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    add_job(f, 2);
    struct store_claimed before = claim_one(f);
    assert_false(CALL0(f, store_stats)->stats->paused);
    assert_int_equal(CALL(f, store_setting_set, "paused", "1700000000000001")->err, OK);
    const struct store_result *r = claim(f, 10, 0);
    assert_true(r->paused);
    assert_int_equal(r->n, 0);
    struct store_claim labelled = {.worker = f->worker, .max = 5, .label = "w", .label_cap = 5};
    r = CALL(f, store_claim, &labelled);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 0);
    assert_true(r->paused && r->due_left);
    const struct store_stats *stats = CALL0(f, store_stats)->stats;
    assert_true(stats->paused && stats->paused_since_us == 1700000000000001);
    assert_int_equal(stats->due, 1);
    assert_int_equal(finish_one(f, &before, STORE_COMPLETE), STORE_HELD); /* what runs goes on */
    for (int i = 0; i < 4; i++) {
        static const char *const off[] = {"off", "false", "0", NULL};
        assert_int_equal(CALL(f, store_setting_set, "paused", "on")->err, OK);
        assert_true(claim(f, 10, 0)->paused);
        assert_int_equal(CALL(f, store_setting_set, "paused", off[i])->err, OK);
        r = claim(f, 10, 0);
        assert_false(r->paused);
        assert_int_equal(r->n, i == 0);
    }
}

const struct CMUnitTest claim_tests[] = {
    CASE(nothing_is_claimed_while_paused),
    CASE(a_claimed_job_is_processing_and_fenced),
    CASE(fences_are_never_used_twice),
    CASE(priority_is_strict),
    CASE(a_users_own_jobs_run_in_order),
    CASE(ten_users_with_equal_demand_get_equal_shares),
    CASE(one_job_is_not_held_up_by_another_users_thousand),
    CASE(a_new_user_does_not_make_up_for_the_past),
    CASE(a_latecomer_with_a_long_queue_does_not_starve_the_others),
    CASE(a_pile_behind_the_cap_does_not_stop_the_others),
    CASE(nobody_runs_more_than_the_cap),
    CASE(a_capped_user_does_not_hide_others),
    CASE(a_delayed_job_waits_for_its_time),
    CASE(delayed_jobs_do_not_hold_up_due_ones),
    CASE(only_a_worker_with_a_lease_may_claim),
    CASE(two_workers_never_get_the_same_job),
};
CASES(claim_tests);
