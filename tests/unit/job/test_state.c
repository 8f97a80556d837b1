/* In: every event in every state, and random histories. Out: whether the state machine is the one
 * that the contract of the users' table describes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "job/state.h"
#include "state_world.h"

#define FENCE  41
#define NOW_US ((int64_t)1000000)

/* ---- every event in every state ----
 * A cell is the next state's letter and the effects: d queue row deleted, i inserted, u updated,
 * r users' row updated, a call aborted, n notified, N new run, e ended; "inv" and "lost" are
 * refusals. States: A absent, W waiting, R running, X foreign, C completed, F failed, L cancelled.
 */
/* clang-format off */
static const char *const expected[EVENT_MAX][STATE_MAX] = {
    /*                         absent   waiting   running    foreign   completed failed    cancelled */
    [EVENT_INSERT] =          {"W in",  "inv",    "inv",     "inv",    "inv",    "inv",    "inv"},
    [EVENT_SET_PENDING] =     {"inv",   "W",      "W dian",  "W in",   "W inN",  "W in",   "W in"},
    [EVENT_SET_CANCELLED] =   {"inv",   "L dne",  "L dane",  "L ne",   "L nN",   "L n",    "L"},
    [EVENT_SET_COMPLETED] =   {"inv",   "C dne",  "C dane",  "C ne",   "C",      "C n",    "C n"},
    [EVENT_SET_FAILED] =      {"inv",   "F dne",  "F dane",  "F ne",   "F nN",   "F",      "F n"},
    [EVENT_SET_PROCESSING] =  {"inv",   "X d",    "R",       "X",      "X N",    "X",      "X"},
    [EVENT_DELETE] =          {"inv",   "A dne",  "A dane",  "A ne",   "A n",    "A n",    "A n"},
    [EVENT_CLAIM] =           {"inv",   "R ur",   "inv",     "inv",    "inv",    "inv",    "inv"},
    [EVENT_ADVANCE] =         {"lost",  "lost",   "R u",     "lost",   "lost",   "lost",   "lost"},
    [EVENT_COMPLETE] =        {"lost",  "lost",   "C drne",  "lost",   "lost",   "lost",   "lost"},
    [EVENT_FAIL] =            {"lost",  "lost",   "W urn",   "lost",   "lost",   "lost",   "lost"},
    [EVENT_FAIL_FOR_GOOD] =   {"lost",  "lost",   "F drne",  "lost",   "lost",   "lost",   "lost"},
    [EVENT_RELEASE] =         {"lost",  "lost",   "W urn",   "lost",   "lost",   "lost",   "lost"},
    [EVENT_RESCUE] =          {"lost",  "lost",   "W urn",   "lost",   "lost",   "lost",   "lost"},
};
/* clang-format on */

static enum job_state state_of_letter(char c)
{
    static const char letters[] = "AWRXCFL";
    const char *at = strchr(letters, c);
    assert_true(c != '\0' && at != NULL);
    return (enum job_state)(at - letters);
}

static unsigned effects_of_letters(const char *s)
{
    static const struct {
        char letter;
        unsigned effect;
    } effects[] = {
        {'d', FX_QUEUE_DELETE}, {'i', FX_QUEUE_INSERT}, {'u', FX_QUEUE_UPDATE},
        {'r', FX_ROW_UPDATE},   {'a', FX_ABORT_CALL},   {'n', FX_NOTIFY},
        {'N', FX_NEW_RUN},      {'e', FX_ENDED},
    };
    unsigned all = 0;
    for (; *s != '\0'; s++)
        for (size_t i = 0; i < 8; i++)
            if (effects[i].letter == *s)
                all |= effects[i].effect;
    return all;
}

static struct job_model job_in(enum job_state state)
{
    return (struct job_model){
        .state = state,
        .fence = state == STATE_RUNNING ? FENCE : 0,
        .max_retries = 3,
        .run = state == STATE_ABSENT ? 0 : 1,
    };
}

static void check_cell(enum job_state state, enum job_event event)
{
    const char *cell = expected[event][state];
    struct job_model job = job_in(state), after = {.fence = -1};
    unsigned effects = 0xdead;
    const struct job_event_args args = {.now_us = NOW_US, .fence = FENCE};
    enum err e = job_apply(&job, event, &args, &after, &effects);
    enum err wanted = strcmp(cell, "inv") == 0    ? ERR_INVALID
                      : strcmp(cell, "lost") == 0 ? ERR_LOST
                                                  : OK;
    if (e != wanted)
        fail_msg("%s in %s: %s", job_event_name(event), job_state_name(state), err_name(e));
    if (e != OK) {
        assert_int_equal(after.fence, -1);
        assert_int_equal(effects, 0xdead);
        return;
    }
    unsigned effects_wanted = cell[1] == ' ' ? effects_of_letters(cell + 2) : 0;
    if (after.state != state_of_letter(cell[0]) || effects != effects_wanted)
        fail_msg("%s in %s: to %s with effects %x, not %x", job_event_name(event),
                 job_state_name(state), job_state_name(after.state), effects, effects_wanted);
}

static void test_every_event_in_every_state(void **state)
{
    (void)state;
    for (int s = 0; s < STATE_MAX; s++)
        for (int e = 0; e < EVENT_MAX; e++)
            check_cell((enum job_state)s, (enum job_event)e);
}

/* ---- what the cells do not say ---- */

static struct job_model apply(const struct job_model *job, enum job_event event, int64_t fence,
                              int64_t run_at_us)
{
    struct job_model after;
    unsigned effects;
    const struct job_event_args args = {NOW_US, fence, run_at_us, .in_call = true};
    assert_int_equal(job_apply(job, event, &args, &after, &effects), OK);
    return after;
}

static enum err refusal(const struct job_model *job, enum job_event event, int64_t fence)
{
    struct job_model after;
    unsigned effects;
    const struct job_event_args args = {.now_us = NOW_US, .fence = fence};
    return job_apply(job, event, &args, &after, &effects);
}

static void test_a_job_is_due_at_once_or_when_it_was_told(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_ABSENT);
    job.attempts = job.crashes = 3; /* of a deleted row with the same id */
    job.run = 7;
    struct job_model now = apply(&job, EVENT_INSERT, 0, 0);
    assert_int_equal(now.run_at_us, NOW_US);
    assert_int_equal(now.run, 1);
    assert_int_equal(now.attempts + now.crashes, 0);
    struct job_model later = apply(&job, EVENT_INSERT, 0, NOW_US + 5);
    assert_int_equal(later.run_at_us, NOW_US + 5);
}

static void test_only_due_jobs_are_claimed_and_only_with_a_fence(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_WAITING);
    job.run_at_us = NOW_US + 1;
    assert_int_equal(refusal(&job, EVENT_CLAIM, FENCE), ERR_INVALID);
    job.run_at_us = NOW_US;
    assert_int_equal(refusal(&job, EVENT_CLAIM, 0), ERR_INVALID);
    assert_int_equal(refusal(&job, EVENT_CLAIM, -3), ERR_INVALID);
    assert_int_equal(apply(&job, EVENT_CLAIM, 99, 0).fence, 99);
}

static void test_a_stale_fence_has_lost_whatever_it_says(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_RUNNING);
    for (int e = EVENT_ADVANCE; e < EVENT_MAX; e++) {
        assert_int_equal(refusal(&job, (enum job_event)e, FENCE - 1), ERR_LOST);
        assert_int_equal(refusal(&job, (enum job_event)e, 0), ERR_LOST);
    }
    struct job_model waiting = job_in(STATE_WAITING); /* without fence: 0 is nobody's */
    assert_int_equal(refusal(&waiting, EVENT_COMPLETE, 0), ERR_LOST);
}

static void test_retries_end_after_max_retries_and_one_attempt(void **state)
{
    (void)state;
    for (int max_retries = 0; max_retries <= 3; max_retries++) {
        struct job_model job = job_in(STATE_RUNNING);
        job.max_retries = max_retries;
        for (int attempt = 1; attempt <= max_retries; attempt++) {
            job = apply(&job, EVENT_FAIL, FENCE, NOW_US - 1);
            assert_int_equal(job.state, STATE_WAITING);
            assert_int_equal(job.attempts, attempt);
            job = apply(&job, EVENT_CLAIM, FENCE, 0);
        }
        job = apply(&job, EVENT_FAIL, FENCE, NOW_US + 5);
        assert_int_equal(job.state, STATE_FAILED);
        assert_int_equal(job.attempts, max_retries + 1);
    }
}

static void test_failures_and_releases_wait_as_told(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_RUNNING);
    job.attempts = 1;
    job.crashes = 2;
    struct job_model failed = apply(&job, EVENT_FAIL, FENCE, NOW_US + 70);
    assert_int_equal(failed.run_at_us, NOW_US + 70);
    assert_int_equal(failed.attempts, 2);
    struct job_model released = apply(&job, EVENT_RELEASE, FENCE, NOW_US + 80);
    assert_int_equal(released.run_at_us, NOW_US + 80);
    assert_int_equal(released.attempts, 1); /* nothing burned */
    assert_int_equal(released.crashes, 2);
    assert_int_equal(released.run, 1);
}

/* FENCE is 41: 9/16 of the span. */
static void test_the_fifth_crash_in_a_call_without_progress_fails_the_job(void **state)
{
    (void)state;
    static const int64_t waits_us[] = {0, 15625000, 31250000, 62500000};
    struct job_model job = job_in(STATE_RUNNING);
    for (int i = 0; i < 4; i++) {
        job = apply(&job, EVENT_RESCUE, FENCE, 0);
        assert_int_equal(job.state, STATE_WAITING);
        assert_int_equal(job.run_at_us, NOW_US + waits_us[i]);
        assert_int_equal(job.attempts, 0);
        job.run_at_us = NOW_US;
        job = apply(&job, EVENT_CLAIM, FENCE, 0);
    }
    struct job_model poison = apply(&job, EVENT_RESCUE, FENCE, 0);
    assert_int_equal(poison.state, STATE_FAILED);
    struct job_model advanced = apply(&job, EVENT_ADVANCE, FENCE, 0);
    assert_int_equal(advanced.crashes, 0);
    assert_int_equal(apply(&advanced, EVENT_RESCUE, FENCE, 0).state, STATE_WAITING);
}

static void test_a_crash_without_a_call_counts_for_nothing(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_RUNNING), after;
    unsigned effects;
    job.crashes = 4;
    const struct job_event_args args = {.now_us = NOW_US, .fence = FENCE, .in_call = false};
    assert_int_equal(job_apply(&job, EVENT_RESCUE, &args, &after, &effects), OK);
    assert_int_equal(after.state, STATE_WAITING);
    assert_int_equal(after.crashes, 4);
    assert_int_equal(after.run_at_us, NOW_US);
}

static void test_running_again_starts_the_counts_over(void **state)
{
    (void)state;
    static const enum job_state states[] = {STATE_RUNNING, STATE_FOREIGN, STATE_COMPLETED,
                                            STATE_FAILED, STATE_CANCELLED};
    for (size_t i = 0; i < 5; i++) {
        struct job_model job = job_in(states[i]);
        job.attempts = 4;
        job.crashes = 2;
        job.run_at_us = NOW_US * 9;
        struct job_model again = apply(&job, EVENT_SET_PENDING, 0, 0);
        assert_int_equal(again.attempts, 0);
        assert_int_equal(again.crashes, 0);
        assert_int_equal(again.run_at_us, NOW_US);
        assert_int_equal(again.fence, 0);
        assert_int_equal(again.run, states[i] == STATE_COMPLETED ? 2 : 1);
    }
}

static void test_no_run_is_completed_twice_by_a_detour(void **state)
{
    (void)state;
    static const enum job_event detours[] = {EVENT_SET_CANCELLED, EVENT_SET_FAILED,
                                             EVENT_SET_PROCESSING};
    for (size_t i = 0; i < 3; i++) {
        struct job_model job = job_in(STATE_COMPLETED);
        job = apply(&job, detours[i], 0, 0);
        job = apply(&job, EVENT_SET_PENDING, 0, 0);
        assert_int_equal(job.run, 2);
    }
}

static void test_a_wish_to_run_a_waiting_job_leaves_its_backoff(void **state)
{
    (void)state;
    struct job_model job = job_in(STATE_WAITING);
    job.attempts = 2;
    job.run_at_us = NOW_US + 9;
    struct job_model same = apply(&job, EVENT_SET_PENDING, 0, 0);
    assert_int_equal(same.state, STATE_WAITING);
    assert_int_equal(same.run_at_us, NOW_US + 9);
    assert_int_equal(same.attempts, 2);
}

/* ---- what clients can get to ---- */

static void test_clients_get_every_state_but_running_from_everywhere(void **state)
{
    (void)state;
    for (int from = STATE_WAITING; from < STATE_MAX; from++) {
        bool reached[STATE_MAX] = {false};
        reached[from] = true;
        for (int round = 0; round < STATE_MAX; round++)
            for (int s = 0; s < STATE_MAX; s++)
                for (int e = EVENT_INSERT; reached[s] && e <= EVENT_DELETE; e++) {
                    struct job_model job = job_in((enum job_state)s), after;
                    unsigned effects;
                    const struct job_event_args args = {.now_us = NOW_US};
                    if (job_apply(&job, (enum job_event)e, &args, &after, &effects) == OK)
                        reached[after.state] = true;
                }
        for (int to = 0; to < STATE_MAX; to++)
            assert_int_equal(reached[to], to != STATE_RUNNING || from == STATE_RUNNING);
    }
}

/* The four writes of the contract, each in one step from any state that has a row. */
static void test_the_contracts_writes_work_at_any_moment(void **state)
{
    (void)state;
    for (int s = STATE_WAITING; s < STATE_MAX; s++) {
        struct job_model job = job_in((enum job_state)s);
        assert_int_equal(apply(&job, EVENT_SET_PENDING, 0, 0).state, STATE_WAITING);
        assert_int_equal(apply(&job, EVENT_SET_CANCELLED, 0, 0).state, STATE_CANCELLED);
        assert_int_equal(apply(&job, EVENT_DELETE, 0, 0).state, STATE_ABSENT);
    }
}

/* ---- random histories ---- */

#define HISTORIES       120
#define HISTORY_EVENTS  2500 /* 300,000 in all */
#define ATTEMPTS_RECALL 3

static struct world_move random_move(struct rng *rng)
{
    static const enum job_event often[] = {EVENT_CLAIM,  EVENT_CLAIM,       EVENT_CLAIM,
                                           EVENT_INSERT, EVENT_SET_PENDING, EVENT_RESCUE};
    enum job_event event = (enum job_event)rng_below(rng, EVENT_MAX);
    if (rng_below(rng, 2) == 0)
        event = often[rng_below(rng, sizeof often / sizeof often[0])];
    return (struct world_move){
        .event = event,
        .attempt = rng_below(rng, 3) == 0 ? rng_below(rng, ATTEMPTS_RECALL) : 0,
        .pass_us = rng_below(rng, 3000000),
        .delay_us = rng_below(rng, 5000000),
        .fence_step = 1 + rng_below(rng, 4),
        .in_call = rng_below(rng, 2) == 0,
    };
}

static void test_random_histories_keep_the_rules(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    bool seen[STATE_MAX] = {false};
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct rng rng = rng_seed(seed, h);
        struct world w;
        world_init(&w, (int)rng_below(&rng, 5));
        for (int i = 0; i < HISTORY_EVENTS; i++) {
            struct world_move move = random_move(&rng);
            const char *broken = world_play(&w, &move);
            if (broken != NULL)
                fail_msg("history %u, event %d (%s): %s", h, i, job_event_name(move.event), broken);
        }
        for (int s = 0; s < STATE_MAX; s++)
            seen[s] = seen[s] || w.seen[s];
    }
    for (int s = 0; s < STATE_MAX; s++)
        assert_true(seen[s]);
}

/* ---- names and documents ---- */

static void test_statuses_are_spelled_as_in_the_row(void **state)
{
    (void)state;
    static const char *const names[] = {"pending", "processing", "completed", "failed",
                                        "cancelled"};
    for (int i = 0; i < JOB_STATUS_MAX; i++) {
        enum job_status s = JOB_STATUS_MAX;
        assert_string_equal(job_status_name((enum job_status)i), names[i]);
        assert_int_equal(job_status_parse(names[i], &s), OK);
        assert_int_equal(s, i);
    }
    enum job_status untouched = JOB_FAILED;
    assert_int_equal(job_status_parse("Pending", &untouched), ERR_INVALID);
    assert_int_equal(job_status_parse("", &untouched), ERR_INVALID);
    assert_int_equal(job_status_parse(NULL, &untouched), ERR_INVALID);
    assert_int_equal(untouched, JOB_FAILED);
}

static void test_values_out_of_range_have_a_name_and_are_refused(void **state)
{
    (void)state;
    assert_string_equal(job_status_name(JOB_STATUS_MAX), "unknown");
    assert_string_equal(job_state_name(STATE_MAX), "unknown");
    assert_string_equal(job_event_name(EVENT_MAX), "unknown");
    struct job_model job = job_in(STATE_WAITING);
    assert_int_equal(refusal(&job, EVENT_MAX, 0), ERR_INVALID);
    job.state = STATE_MAX;
    assert_int_equal(refusal(&job, EVENT_DELETE, 0), ERR_INVALID);
}

static void check_in_document(char *block)
{
    static char document[64 << 10];
    FILE *f = fopen(DOCUMENT, "r");
    assert_non_null(f);
    size_t n = fread(document, 1, sizeof document - 1, f);
    assert_int_equal(fclose(f), 0);
    document[n] = '\0';
    if (strstr(document, block) == NULL)
        fail_msg("docs/state-machine.md must hold this:\n%s", block);
    free(block);
}

static void test_the_document_shows_the_table_and_the_diagram(void **state)
{
    (void)state;
    check_in_document(job_state_table());
    check_in_document(job_state_diagram());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state),
        cmocka_unit_test(test_a_job_is_due_at_once_or_when_it_was_told),
        cmocka_unit_test(test_only_due_jobs_are_claimed_and_only_with_a_fence),
        cmocka_unit_test(test_a_stale_fence_has_lost_whatever_it_says),
        cmocka_unit_test(test_retries_end_after_max_retries_and_one_attempt),
        cmocka_unit_test(test_failures_and_releases_wait_as_told),
        cmocka_unit_test(test_the_fifth_crash_in_a_call_without_progress_fails_the_job),
        cmocka_unit_test(test_a_crash_without_a_call_counts_for_nothing),
        cmocka_unit_test(test_running_again_starts_the_counts_over),
        cmocka_unit_test(test_no_run_is_completed_twice_by_a_detour),
        cmocka_unit_test(test_a_wish_to_run_a_waiting_job_leaves_its_backoff),
        cmocka_unit_test(test_clients_get_every_state_but_running_from_everywhere),
        cmocka_unit_test(test_the_contracts_writes_work_at_any_moment),
        cmocka_unit_test(test_random_histories_keep_the_rules),
        cmocka_unit_test(test_statuses_are_spelled_as_in_the_row),
        cmocka_unit_test(test_values_out_of_range_have_a_name_and_are_refused),
        cmocka_unit_test(test_the_document_shows_the_table_and_the_diagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
