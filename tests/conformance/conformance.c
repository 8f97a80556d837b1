/* In: a plug. Out: the suite run against it. Here: a fresh database for each test, and waiting. */
#include "conformance.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/store_deployments.h"
#include "store/store_history.h"
#include "store/store_schedules.h"
#include "store/store_webhooks.h"

#define WAIT_MAX_US (30 * USEC_PER_SEC)
#define LEASE_US    (15 * SECOND)

static const struct conformance_plug *plugged;

struct fixture *fixture(void **state)
{
    return *state;
}

int fixture_setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    f->plug = plugged;
    f->db = f->plug->make();
    f->loop = f->plug->loop();
    f->store = f->plug->open(f->db, f->loop, true);
    f->worker = open_worker(f, LEASE_US);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_free(f->store);
    loop_free(f->loop);
    f->plug->drop(f->db);
    arena_free(&f->arena);
    free(f);
    return 0;
}

/* ---- answers ---- */

static void *copy_array(struct arena *a, const void *from, size_t n, size_t size)
{
    if (from == NULL)
        return NULL;
    void *to = arena_array(a, n, size);
    memcpy(to, from, n * size);
    return to;
}

static void copy_webhooks(struct arena *a, struct store_result *r)
{
    struct store_delivery *d = r->deliveries == NULL ? NULL : arena_array(a, r->n, sizeof *d);
    for (size_t i = 0; d != NULL && i < r->n; i++) {
        d[i] = r->deliveries[i];
        d[i].endpoint = arena_strdup(a, d[i].endpoint);
        d[i].error = arena_strdup(a, d[i].error);
        d[i].job_error = arena_strdup(a, d[i].job_error);
        d[i].words = arena_strdup(a, d[i].words);
    }
    r->deliveries = d;
    struct store_endpoint_seen *e = r->endpoints == NULL ? NULL : arena_array(a, r->n, sizeof *e);
    for (size_t i = 0; e != NULL && i < r->n; i++) {
        e[i] = r->endpoints[i];
        e[i].name = arena_strdup(a, e[i].name);
    }
    r->endpoints = e;
}

static void copy_history(struct arena *a, struct store_result *r)
{
    struct store_invocation *calls =
        r->invocations == NULL ? NULL : arena_array(a, r->n, sizeof *calls);
    for (size_t i = 0; calls != NULL && i < r->n; i++) {
        calls[i] = r->invocations[i];
        calls[i].caller = arena_strdup(a, calls[i].caller);
        calls[i].label = arena_strdup(a, calls[i].label);
        calls[i].worker = arena_strdup(a, calls[i].worker);
        calls[i].version = arena_strdup(a, calls[i].version);
        calls[i].error = arena_strdup(a, calls[i].error);
    }
    r->invocations = calls;
    struct store_line *lines = r->lines == NULL ? NULL : arena_array(a, r->n, sizeof *lines);
    for (size_t i = 0; lines != NULL && i < r->n; i++) {
        lines[i] = r->lines[i];
        lines[i].level = arena_strdup(a, lines[i].level);
        lines[i].event = arena_strdup(a, lines[i].event);
        lines[i].message = arena_strdup(a, lines[i].message);
        lines[i].details = arena_strdup(a, lines[i].details);
        lines[i].worker = arena_strdup(a, lines[i].worker);
    }
    r->lines = lines;
    struct store_deployment *all =
        r->deployments == NULL ? NULL : arena_array(a, r->n, sizeof *all);
    for (size_t i = 0; all != NULL && i < r->n; i++) {
        all[i] = r->deployments[i];
        all[i].hash = arena_strdup(a, all[i].hash);
        all[i].name = arena_strdup(a, all[i].name);
        all[i].content = arena_strdup(a, all[i].content);
        all[i].by = arena_strdup(a, all[i].by);
        all[i].program = arena_strdup(a, all[i].program);
        all[i].note = arena_strdup(a, all[i].note);
    }
    r->deployments = all;
}

static struct store_step *copy_steps(struct arena *a, const struct store_step *from, size_t n)
{
    struct store_step *steps = copy_array(a, from, n, sizeof *from);
    for (size_t i = 0; steps != NULL && i < n; i++) {
        steps[i].key = arena_strdup(a, steps[i].key);
        steps[i].input_hash = arena_strdup(a, steps[i].input_hash);
        steps[i].output = arena_strdup(a, steps[i].output);
        steps[i].stop = arena_strdup(a, steps[i].stop);
        steps[i].model = arena_strdup(a, steps[i].model);
    }
    return steps;
}

static void copy_schedules(struct arena *a, struct store_result *r)
{
    struct store_schedule *all = r->schedules == NULL ? NULL : arena_array(a, r->n, sizeof *all);
    for (size_t i = 0; all != NULL && i < r->n; i++) {
        all[i] = r->schedules[i];
        all[i].name = arena_strdup(a, all[i].name);
        all[i].expr = arena_strdup(a, all[i].expr);
        all[i].label = arena_strdup(a, all[i].label);
        all[i].error = arena_strdup(a, all[i].error);
    }
    r->schedules = all;
    struct store_run *runs = r->runs == NULL ? NULL : arena_array(a, r->n, sizeof *runs);
    for (size_t i = 0; runs != NULL && i < r->n; i++) {
        runs[i] = r->runs[i];
        runs[i].name = arena_strdup(a, runs[i].name);
        runs[i].label = arena_strdup(a, runs[i].label);
        runs[i].node = arena_strdup(a, runs[i].node);
        runs[i].message = arena_strdup(a, runs[i].message);
    }
    r->runs = runs;
}

static void copy_job(struct arena *a, struct store_job *j)
{
    j->current_step = arena_strdup(a, j->current_step);
    j->error_message = arena_strdup(a, j->error_message);
    j->params = arena_strdup(a, j->params);
    j->script = arena_strdup(a, j->script);
    j->metadata = arena_strdup(a, j->metadata);
}

static void copy_texts(struct arena *a, struct store_result *r)
{
    struct store_job *jobs = copy_array(a, r->jobs, r->n, sizeof *jobs);
    for (size_t i = 0; jobs != NULL && i < r->n; i++)
        copy_job(a, &jobs[i]);
    r->jobs = jobs;
    r->steps = copy_steps(a, r->steps, r->n);
    struct store_claimed *claimed =
        r->claimed == NULL ? NULL : arena_array(a, r->n, sizeof *claimed);
    for (size_t i = 0; claimed != NULL && i < r->n; i++) {
        claimed[i] = r->claimed[i];
        claimed[i].params = arena_strdup(a, claimed[i].params);
    }
    r->claimed = claimed;
}

static const struct store_followed *copy_followed(struct arena *a,
                                                  const struct store_followed *from, size_t n)
{
    struct store_followed *to = copy_array(a, from, n, sizeof *from);
    for (size_t i = 0; to != NULL && i < n; i++) {
        copy_job(a, &to[i].job);
        to[i].steps = copy_steps(a, to[i].steps, to[i].n_steps);
        to[i].text_step = arena_strdup(a, to[i].text_step);
        to[i].text_hash = arena_strdup(a, to[i].text_hash);
        to[i].text = arena_strdup(a, to[i].text);
    }
    return to;
}

static const struct store_shown *copy_shown(struct arena *a, const struct store_shown *from,
                                            size_t n)
{
    struct store_shown *to = copy_array(a, from, n, sizeof *from);
    for (size_t i = 0; to != NULL && i < n; i++) {
        copy_job(a, &to[i].job);
        to[i].steps = copy_steps(a, to[i].steps, to[i].n_steps);
    }
    return to;
}

static void copy_control(struct arena *a, struct store_result *r)
{
    r->scale = copy_array(a, r->scale, 1, sizeof *r->scale);
    r->erased = copy_array(a, r->erased, 1, sizeof *r->erased);
}

static const struct store_fact *copy_facts(struct arena *a, const struct store_fact *from, size_t n)
{
    struct store_fact *to = copy_array(a, from, n, sizeof *from);
    for (size_t i = 0; to != NULL && i < n; i++) {
        to[i].name = arena_strdup(a, from[i].name);
        to[i].value = arena_strdup(a, from[i].value);
    }
    return to;
}

static const char *const *copy_whys(struct arena *a, const char *const *why, size_t n)
{
    const char **copies = NULL;
    if (why != NULL)
        copies = arena_array(a, n, sizeof *copies);
    for (size_t i = 0; copies != NULL && i < n; i++)
        copies[i] = arena_strdup(a, why[i]);
    return copies;
}

void answer_take(void *ctx, const struct store_result *r)
{
    struct answer *answer = ctx;
    struct arena *a = answer->arena;
    assert_false(answer->done); /* a verb calls back once */
    answer->done = true;
    answer->r = *r;
    struct store_result *c = &answer->r;
    copy_texts(a, c);
    copy_history(a, c);
    copy_control(a, c);
    copy_webhooks(a, c);
    copy_schedules(a, c);
    c->message = arena_strdup(a, r->message);
    c->inserted = copy_array(a, r->inserted, r->n, sizeof *r->inserted);
    c->live = copy_array(a, r->live, r->n, sizeof *r->live);
    c->lost = copy_array(a, r->lost, r->n, sizeof *r->lost);
    c->why = copy_whys(a, r->why, r->n);
    c->workers = copy_array(a, r->workers, r->n, sizeof *r->workers);
    c->facts = copy_facts(a, r->facts, r->n);
    c->budgets = copy_array(a, r->budgets, r->n, sizeof *r->budgets);
    c->shown = copy_shown(a, r->shown, r->n);
    c->followed = copy_followed(a, r->followed, r->n);
    c->stats = copy_array(a, r->stats, 1, sizeof *r->stats);
    c->partial_key = arena_strdup(a, r->partial_key);
    c->partial_hash = arena_strdup(a, r->partial_hash);
    c->partial = arena_strdup(a, r->partial);
    c->text = arena_strdup(a, r->text);
}

struct answer *answer_new(struct fixture *f)
{
    struct answer *a = arena_alloc(&f->arena, sizeof *a);
    a->arena = &f->arena;
    f->latest = a;
    return a;
}

const struct store_result *answer_wait(struct fixture *f, struct answer *a)
{
    int64_t end = clock_mono() + WAIT_MAX_US;
    while (!a->done) {
        loop_turn(f->loop, USEC_PER_MSEC);
        if (!a->done)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        assert_true(clock_mono() < end);
    }
    return &a->r;
}

/* ---- the usual moves ---- */

struct uuid user_id(int n)
{
    struct uuid id = {{0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}};
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

struct uuid add_job_at(struct fixture *f, int user, int priority, int64_t run_at_us)
{
    struct store_new_job j = {.user_id = user_id(user),
                              .priority = priority,
                              .max_retries = -1,
                              .params = "{\"topic\":\"tea\"}",
                              .run_at_us = run_at_us};
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1);
    assert_false(r->inserted[0].existed);
    return r->inserted[0].id;
}

struct uuid add_job(struct fixture *f, int user)
{
    return add_job_at(f, user, 0, 0);
}

const struct store_result *claim(struct fixture *f, size_t max, int cap)
{
    struct store_claim c = {.worker = f->worker, .max = max, .cap_per_user = cap};
    const struct store_result *r = CALL(f, store_claim, &c);
    if (r->err != OK)
        print_error("claim: %s\n", r->message);
    assert_int_equal(r->err, OK);
    return r;
}

struct store_claimed claim_one(struct fixture *f)
{
    const struct store_result *r = claim(f, 1, 0);
    assert_int_equal(r->n, 1);
    return r->claimed[0];
}

const struct store_job *get_job(struct fixture *f, const struct uuid *id)
{
    const struct store_result *r = CALL(f, store_get, id);
    if (r->err == ERR_NOT_FOUND)
        return NULL;
    if (r->err != OK)
        print_error("get: %s\n", r->message);
    assert_int_equal(r->err, OK);
    return &r->jobs[0];
}

enum store_lost finish_one(struct fixture *f, const struct store_claimed *c,
                           enum store_outcome outcome)
{
    struct store_finish finish = {.job = c->id, .fence = c->fence, .outcome = outcome};
    if (outcome == STORE_COMPLETE) {
        finish.script = "# Tea";
        finish.metadata = "{\"words\":1,\"chunks\":3}";
    } else {
        finish.error = "the kettle broke";
    }
    const struct store_result *r = CALL(f, store_finish, &finish, 1);
    assert_int_equal(r->err, OK);
    return r->lost[0];
}

struct uuid open_call_of(struct fixture *f, const struct store_claimed *c,
                         const struct uuid *worker)
{
    struct store_call call = {.id = uuid_new(wall(f)),
                              .job = c->id,
                              .user_id = c->user_id,
                              .worker = *worker,
                              .run = 1,
                              .attempt = 1,
                              .step = "outline",
                              .provider = "sim",
                              .model = "m",
                              .estimated_input = 1000,
                              .price_input = 3000000,
                              .price_output = 15000000};
    assert_int_equal(CALL(f, store_call_open, &call)->err, OK);
    return call.id;
}

enum store_lost check_one(struct fixture *f, const struct store_claimed *c)
{
    struct store_held held = {c->id, c->fence};
    const struct store_result *r = CALL(f, store_check, &held, 1);
    assert_int_equal(r->err, OK);
    return r->lost[0];
}

bool raw(struct fixture *f, const char *sql, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    const char *at = strstr(sql, "%s");
    char *full = at == NULL
                     ? mem_strdup(sql)
                     : mem_printf("%.*s%s%s", (int)(at - sql), sql, uuid_text(id, text), at + 2);
    bool ok = f->plug->raw(f->db, full);
    free(full);
    return ok;
}

void assert_json(const struct fixture *f, const char *got, const char *want)
{
    if (!f->plug->json_form) {
        assert_string_equal(got, want);
        return;
    }
    json_t *a = got == NULL ? NULL : json_loads(got, 0, NULL), *b = json_loads(want, 0, NULL);
    assert_non_null(a);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

void pass(struct fixture *f, int64_t us)
{
    f->plug->pass(f->db, f->loop, us);
}

int64_t wall(const struct fixture *f)
{
    return f->plug->now != NULL ? f->plug->now(f->db, f->loop) : loop_wall(f->loop);
}

struct uuid open_worker(struct fixture *f, int64_t lease_us)
{
    struct store_worker w = {.id = uuid_new(clock_wall()), .name = "test", .lease_us = lease_us};
    assert_int_equal(CALL(f, store_worker_open, &w)->err, OK);
    return w.id;
}

void conformance_use(const struct conformance_plug *plug)
{
    plugged = plug;
}

int conformance_run(const struct conformance_plug *plug)
{
    conformance_use(plug);
    int failed = 0;
    const struct {
        const char *name;
        const struct CMUnitTest *tests;
        size_t n;
    } groups[] = {
        {"jobs", jobs_tests, jobs_tests_n},
        {"triggers", trigger_tests, trigger_tests_n},
        {"claims", claim_tests, claim_tests_n},
        {"attempts", attempt_tests, attempt_tests_n},
        {"workers", worker_tests, worker_tests_n},
        {"random", random_tests, random_tests_n},
        {"history", history_tests, history_tests_n},
        {"control", control_tests, control_tests_n},
        {"follow", follow_tests, follow_tests_n},
        {"live", live_tests, live_tests_n},
        {"deployments", deployment_tests, deployment_tests_n},
        {"webhooks", webhook_tests, webhook_tests_n},
        {"schedules", schedule_tests, schedule_tests_n},
    };
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        char *name = mem_printf("%s/%s", plug->name, groups[i].name);
        failed += _cmocka_run_group_tests(name, groups[i].tests, groups[i].n, NULL, NULL);
        free(name);
    }
    return failed;
}
