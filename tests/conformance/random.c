/* In: a seed (SEED in the environment replays one). Out: random events of clients and of the
 * engine, played against the store and against job_apply(), which must agree after each. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define JOBS   6
#define EVENTS 1500
#define LEASE  (15 * SECOND)

struct play {
    struct fixture *f;
    struct rng rng;
    struct uuid ids[JOBS];
    struct job_model models[JOBS];
    struct store_claimed stale[JOBS]; /* an attempt that may have lost its job */
    int64_t done_fence[JOBS]; /* how the last attempt that finished did: said again, it counts */
    enum store_outcome done_outcome[JOBS];
    int event;
    const char *what;
};

static void disagree(const struct play *p, int job, const char *field, int64_t store, int64_t model)
{
    print_error("event %d (%s), job %d: %s is %lld in the store, %lld in the table\n", p->event,
                p->what, job, field, (long long)store, (long long)model);
    fail();
}

static enum job_state stored_state(const struct store_job *j)
{
    if (j == NULL)
        return STATE_ABSENT;
    switch (j->status) {
    case JOB_PENDING:
        return STATE_WAITING;
    case JOB_PROCESSING:
        return j->queued ? STATE_RUNNING : STATE_FOREIGN;
    case JOB_COMPLETED:
        return STATE_COMPLETED;
    case JOB_FAILED:
        return STATE_FAILED;
    case JOB_CANCELLED:
    case JOB_STATUS_MAX:
        break;
    }
    return STATE_CANCELLED;
}

static void compare(const struct play *p, int job)
{
    const struct job_model *m = &p->models[job];
    const struct store_job *j = get_job(p->f, &p->ids[job]);
    if (stored_state(j) != m->state)
        disagree(p, job, "the state", stored_state(j), m->state);
    if (j == NULL)
        return;
    if (j->queued != (m->state == STATE_WAITING || m->state == STATE_RUNNING))
        disagree(p, job, "queued", j->queued, !j->queued);
    if (j->run != m->run)
        disagree(p, job, "the run", j->run, m->run);
    struct store_held held = {p->ids[job], m->fence};
    bool ours = CALL(p->f, store_check, &held, 1)->lost[0] == STORE_HELD;
    if (ours != (m->state == STATE_RUNNING))
        disagree(p, job, "the fence", ours, m->state == STATE_RUNNING);
}

static enum err apply_args(struct play *p, int job, enum job_event event,
                           const struct job_event_args *args)
{
    unsigned effects;
    p->what = job_event_name(event);
    return job_apply(&p->models[job], event, args, &p->models[job], &effects);
}

static enum err apply(struct play *p, int job, enum job_event event, int64_t fence, int64_t run_at)
{
    struct job_event_args args = {.now_us = wall(p->f), .fence = fence, .run_at_us = run_at};
    return apply_args(p, job, event, &args);
}

/* ---- clients ---- */

static void client_event(struct play *p, int job, enum job_event event)
{
    static const char *const status[EVENT_MAX] = {[EVENT_SET_PENDING] = "pending",
                                                  [EVENT_SET_CANCELLED] = "cancelled",
                                                  [EVENT_SET_COMPLETED] = "completed",
                                                  [EVENT_SET_FAILED] = "failed",
                                                  [EVENT_SET_PROCESSING] = "processing"};
    char sql[160] = "DELETE FROM script_generation_jobs WHERE id = '%s'";
    if (event == EVENT_INSERT)
        (void)snprintf(sql, sizeof sql, "%s",
                       "INSERT INTO script_generation_jobs (id, user_id)"
                       " VALUES ('%s', '01900000-0000-7000-8000-000000000001')");
    else if (event != EVENT_DELETE)
        (void)snprintf(sql, sizeof sql,
                       "UPDATE script_generation_jobs SET status = '%s' WHERE id = '%%s'",
                       status[event]);
    bool ok = raw(p->f, sql, &p->ids[job]);
    enum err e = apply(p, job, event, 0, 0);
    if (event == EVENT_INSERT && ok != (e == OK))
        disagree(p, job, "the insert", ok, e == OK);
}

/* ---- the engine ---- */

static int job_of(const struct play *p, const struct uuid *id)
{
    for (int i = 0; i < JOBS; i++) {
        if (uuid_equal(&p->ids[i], id))
            return i;
    }
    fail();
    return -1;
}

static void claim_event(struct play *p)
{
    const struct store_result *r = claim(p->f, 1 + rng_below(&p->rng, 3), 0);
    for (size_t i = 0; i < r->n; i++) {
        const struct store_claimed *c = &r->claimed[i];
        int job = job_of(p, &c->id);
        struct job_model before = p->models[job];
        if (apply(p, job, EVENT_CLAIM, c->fence, 0) != OK)
            disagree(p, job, "a claim", before.state, before.run_at_us);
        if (c->attempts != before.attempts)
            disagree(p, job, "attempts", c->attempts, before.attempts);
        if (c->crashes != before.crashes)
            disagree(p, job, "crashes", c->crashes, before.crashes);
        p->stale[job] = *c;
    }
}

static void finish_event(struct play *p, int job, enum job_event event)
{
    const struct store_claimed *c = &p->stale[job];
    struct job_model *m = &p->models[job];
    int64_t run_at = wall(p->f) + (int64_t)rng_below(&p->rng, 4) * SECOND;
    enum store_outcome outcome = event == EVENT_COMPLETE        ? STORE_COMPLETE
                                 : event == EVENT_RELEASE       ? STORE_RELEASE
                                 : event == EVENT_FAIL_FOR_GOOD ? STORE_FAIL
                                 : m->attempts < m->max_retries ? STORE_RETRY
                                                                : STORE_FAIL;
    struct store_finish finish = {
        .job = p->ids[job], .fence = c->fence, .outcome = outcome, .run_at_us = run_at};
    bool held = CALL(p->f, store_finish, &finish, 1)->lost[0] == STORE_HELD;
    bool said = p->f->plug->shared && c->fence == p->done_fence[job] && c->fence != 0 &&
                outcome == p->done_outcome[job];
    enum err e = apply(p, job, event, c->fence, run_at);
    if (e == OK) {
        p->done_fence[job] = c->fence;
        p->done_outcome[job] = outcome;
    } else if (said && held) {
        return;
    }
    if (held != (e == OK))
        disagree(p, job, "the finish", held, e == OK);
}

static void advance_event(struct play *p, int job)
{
    const struct store_claimed *c = &p->stale[job];
    struct store_progress progress = {.job = p->ids[job],
                                      .fence = c->fence,
                                      .text_step = "a",
                                      .text_hash = "h",
                                      .text = "x",
                                      .text_len = 1};
    bool held = CALL(p->f, store_progress, &progress, 1)->lost[0] == STORE_HELD;
    enum err e = apply(p, job, EVENT_ADVANCE, c->fence, 0);
    if (held != (e == OK))
        disagree(p, job, "the progress", held, e == OK);
}

/* The worker vanishes, in the calls of some of its jobs; another one, alive all the while, takes
 * them. */
static void crash_event(struct play *p)
{
    bool in_call[JOBS] = {false};
    for (int i = 0; i < JOBS; i++) {
        in_call[i] = p->models[i].state == STATE_RUNNING && rng_below(&p->rng, 2) == 0;
        if (in_call[i])
            open_call_of(p->f, &p->stale[i], &p->f->worker);
    }
    struct uuid rescuer = open_worker(p->f, LEASE);
    pass(p->f, LEASE - SECOND);
    assert_int_equal(CALL(p->f, store_worker_renew, &rescuer)->err, OK);
    pass(p->f, 2 * SECOND);
    assert_int_equal(CALL(p->f, store_rescue, &rescuer)->err, OK);
    for (int i = 0; i < JOBS; i++) {
        struct job_event_args args = {
            .now_us = wall(p->f), .fence = p->models[i].fence, .in_call = in_call[i]};
        if (p->models[i].state == STATE_RUNNING)
            assert_int_equal(apply_args(p, i, EVENT_RESCUE, &args), OK);
    }
    p->f->worker = rescuer;
}

static void play_one(struct play *p)
{
    int job = (int)rng_below(&p->rng, JOBS);
    uint32_t dice = rng_below(&p->rng, 100);
    p->what = "time";
    if (dice < 25)
        claim_event(p);
    else if (dice < 30)
        crash_event(p);
    else if (dice < 35)
        pass(p->f, SECOND);
    else if (dice < 45)
        advance_event(p, job);
    else if (dice < 70)
        finish_event(p, job, EVENT_COMPLETE + rng_below(&p->rng, 4));
    else
        client_event(p, job, rng_below(&p->rng, EVENT_CLAIM));
}

static void random_events_leave_the_store_where_the_table_says(void **state)
{
    struct play p = {.f = fixture(state)};
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    p.rng = rng_seed(seed, 1);
    for (int i = 0; i < JOBS; i++) {
        p.ids[i] = user_id(1000 + i);
        p.models[i] = (struct job_model){.state = STATE_ABSENT, .run = 1, .max_retries = 3};
    }
    for (p.event = 0; p.event < EVENTS; p.event++) {
        if (rng_below(&p.rng, 10) == 0)
            assert_int_equal(CALL(p.f, store_worker_renew, &p.f->worker)->err, OK);
        play_one(&p);
        for (int i = 0; i < JOBS; i++)
            compare(&p, i);
    }
}

const struct CMUnitTest random_tests[] = {
    CASE(random_events_leave_the_store_where_the_table_says),
};
CASES(random_tests);
