/* In: events on one job. Out: the first broken rule. The rules are written from the contract of the
 * users' table, without a look at the machine's table: effects are carried out on the two rows, and
 * the rows must then agree with the state. */
#include "state_world.h"

#include <stddef.h>
#include <string.h>

#define RULE(holds, text)                                                                          \
    do {                                                                                           \
        if (!(holds))                                                                              \
            return text;                                                                           \
    } while (0)

void world_init(struct world *w, int max_retries)
{
    memset(w, 0, sizeof *w);
    w->job.state = STATE_ABSENT;
    w->job.max_retries = max_retries;
    w->seen[STATE_ABSENT] = true;
}

static bool by_client(enum job_event e)
{
    return e <= EVENT_DELETE;
}

static bool by_attempt(enum job_event e)
{
    return e > EVENT_CLAIM;
}

static bool in_queue(enum job_state s)
{
    return s == STATE_WAITING || s == STATE_RUNNING;
}

static enum job_status status_of(enum job_state s)
{
    static const enum job_status status[STATE_MAX] = {
        [STATE_ABSENT] = JOB_STATUS_MAX,   [STATE_WAITING] = JOB_PENDING,
        [STATE_RUNNING] = JOB_PROCESSING,  [STATE_FOREIGN] = JOB_PROCESSING,
        [STATE_COMPLETED] = JOB_COMPLETED, [STATE_FAILED] = JOB_FAILED,
        [STATE_CANCELLED] = JOB_CANCELLED,
    };
    return status[s];
}

/* ---- the two rows ---- */

static void client_writes(struct world *w, enum job_event event)
{
    static const enum job_status status[] = {
        [EVENT_INSERT] = JOB_PENDING,          [EVENT_SET_PENDING] = JOB_PENDING,
        [EVENT_SET_CANCELLED] = JOB_CANCELLED, [EVENT_SET_COMPLETED] = JOB_COMPLETED,
        [EVENT_SET_FAILED] = JOB_FAILED,       [EVENT_SET_PROCESSING] = JOB_PROCESSING,
        [EVENT_DELETE] = JOB_STATUS_MAX,
    };
    w->row = status[event];
    w->row_exists = event != EVENT_DELETE;
}

static const char *carry_out(struct world *w, enum job_event event, unsigned effects,
                             const struct job_model *after)
{
    if (by_client(event))
        client_writes(w, event);
    if (effects & FX_QUEUE_DELETE) {
        RULE(w->queue_exists, "deletes a queue row that is not there");
        w->queue_exists = false;
    }
    if (effects & FX_QUEUE_INSERT) {
        RULE(!w->queue_exists, "inserts a second queue row");
        w->queue_exists = true;
    }
    if (effects & FX_QUEUE_UPDATE)
        RULE(w->queue_exists, "updates a queue row that is not there");
    if (effects & FX_ROW_UPDATE) {
        RULE(!by_client(event), "overwrites what a client has just written");
        w->row = status_of(after->state);
    }
    if (effects & FX_ABORT_CALL) {
        RULE(w->call_runs, "aborts a call that does not run");
        w->call_runs = false;
    }
    return NULL;
}

/* ---- the rules ---- */

static const char *check_refusal(const struct world *w, enum err e, enum job_event event,
                                 int64_t fence)
{
    bool ours = w->job.fence != 0 && fence == w->job.fence;
    if (e == ERR_LOST)
        RULE(by_attempt(event) && !ours, "the holder of the fence is told that it lost it");
    if (e == ERR_INVALID && by_client(event))
        RULE((event == EVENT_INSERT) == w->row_exists, "refuses what a client may write");
    RULE(e == ERR_LOST || e == ERR_INVALID, "fails in a way that is not documented");
    return NULL;
}

static const char *check_claim(const struct world *w, const struct job_model *after,
                               const struct job_event_args *args)
{
    RULE(w->job.state == STATE_WAITING, "claims a job that does not wait");
    RULE(args->now_us >= w->job.run_at_us, "claims a job that is not due");
    RULE(after->fence == args->fence, "a claim does not carry its fence");
    return NULL;
}

static const char *check_counts(const struct world *w, const struct job_model *after,
                                enum job_event event, const struct job_event_args *args,
                                unsigned effects)
{
    const struct job_model *before = &w->job;
    RULE(after->attempts <= after->max_retries + 1, "more attempts than retries allow");
    RULE(after->crashes <= JOB_CRASHES_MAX, "rescued too often");
    RULE(!in_queue(after->state) || after->crashes < JOB_CRASHES_MAX, "poison is tried again");
    if (event == EVENT_ADVANCE)
        RULE(after->crashes == 0, "progress does not forgive crashes");
    if (event == EVENT_RESCUE)
        RULE(after->crashes == before->crashes + (args->in_call ? 1 : 0),
             "a crash counts for a job that had no call, or not for one that had");
    if (event == EVENT_RESCUE || event == EVENT_RELEASE)
        RULE(after->attempts == before->attempts, "a retry is burned for no fault of the job");
    bool new_run = event != EVENT_INSERT && after->run != before->run;
    RULE(new_run == ((effects & FX_NEW_RUN) != 0), "a new run goes unsaid");
    if (new_run)
        RULE(after->run == before->run + 1 && before->state == STATE_COMPLETED,
             "a new run although the old one was not completed");
    return NULL;
}

static const char *check_fence(const struct world *w, const struct job_model *after,
                               enum job_event event)
{
    RULE((after->fence != 0) == (after->state == STATE_RUNNING), "fence without a running attempt");
    if (after->fence != 0 && event != EVENT_CLAIM)
        RULE(after->fence == w->job.fence, "a fence out of nowhere");
    return NULL;
}

static const char *check_transition(const struct world *w, const struct job_model *after,
                                    const struct world_move *move,
                                    const struct job_event_args *args, unsigned effects)
{
    enum job_event event = move->event;
    const char *broken = NULL;
    if (by_attempt(event))
        RULE(w->job.fence != 0 && args->fence == w->job.fence, "a stale attempt changed something");
    if (event == EVENT_CLAIM)
        broken = check_claim(w, after, args);
    if (broken == NULL)
        broken = check_counts(w, after, event, args, effects);
    if (broken == NULL)
        broken = check_fence(w, after, event);
    bool left = w->job.state == STATE_RUNNING && after->state != STATE_RUNNING;
    if (broken == NULL && by_client(event))
        RULE(left == ((effects & FX_ABORT_CALL) != 0), "a client's write leaves the call running");
    if (broken == NULL && after->state == STATE_COMPLETED && w->job.state != STATE_COMPLETED)
        RULE(after->run > w->completed_run, "a run is completed twice");
    return broken;
}

static const char *check_rows(const struct world *w)
{
    RULE(w->queue_exists == in_queue(w->job.state), "the queue row does not follow the state");
    RULE(w->row_exists == (w->job.state != STATE_ABSENT), "the users' row does not follow");
    if (w->row_exists)
        RULE(w->row == status_of(w->job.state), "the users' row shows another status");
    return NULL;
}

/* ---- a move ---- */

static void remember(struct world *w, const struct job_model *after, enum job_event event)
{
    if (event == EVENT_CLAIM) {
        memmove(w->fences + 1, w->fences, sizeof w->fences - sizeof w->fences[0]);
        w->fences[0] = after->fence;
    }
    if (event == EVENT_INSERT)
        w->completed_run = 0;
    if (after->state == STATE_COMPLETED)
        w->completed_run = after->run;
    w->call_runs = after->state == STATE_RUNNING;
    w->job = *after;
    w->seen[after->state] = true;
}

const char *world_play(struct world *w, const struct world_move *move)
{
    w->now_us += move->pass_us;
    struct job_event_args args = {
        .now_us = w->now_us, .run_at_us = w->now_us + move->delay_us, .in_call = move->in_call};
    args.fence = move->event == EVENT_CLAIM ? w->fences[0] + move->fence_step
                                            : w->fences[move->attempt % WORLD_FENCES];
    const struct job_model untouched = {.fence = -77};
    struct job_model after = untouched;
    unsigned effects = 0xdead;
    enum err e = job_apply(&w->job, move->event, &args, &after, &effects);
    if (e != OK) {
        RULE(after.fence == -77 && effects == 0xdead, "a refusal touched its outputs");
        return check_refusal(w, e, move->event, args.fence);
    }
    const char *broken = check_transition(w, &after, move, &args, effects);
    if (broken == NULL)
        broken = carry_out(w, move->event, effects, &after);
    if (broken == NULL) {
        remember(w, &after, move->event);
        broken = check_rows(w);
    }
    return broken;
}
