/* In: a job, an event, the time. Out: the job after it and what to carry out. The table below is
 * the whole state machine: job_apply() looks a row up, the diagram and the documentation are
 * printed from it. */
#include "job/state.h"

#include <stddef.h>
#include <string.h>

#include "base/buf.h"

/* ---- names ---- */

static const char *const status_names[JOB_STATUS_MAX] = {
    [JOB_PENDING] = "pending", [JOB_PROCESSING] = "processing", [JOB_COMPLETED] = "completed",
    [JOB_FAILED] = "failed",   [JOB_CANCELLED] = "cancelled",
};

const char *job_status_name(enum job_status s)
{
    return (unsigned)s < JOB_STATUS_MAX ? status_names[s] : "unknown";
}

enum err job_status_parse(const char *s, enum job_status *ret)
{
    for (int i = 0; s != NULL && i < JOB_STATUS_MAX; i++) {
        if (strcmp(s, status_names[i]) == 0) {
            *ret = (enum job_status)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

const char *job_state_name(enum job_state s)
{
    static const char *const names[STATE_MAX] = {
        [STATE_ABSENT] = "absent",       [STATE_WAITING] = "waiting",
        [STATE_RUNNING] = "running",     [STATE_FOREIGN] = "foreign",
        [STATE_COMPLETED] = "completed", [STATE_FAILED] = "failed",
        [STATE_CANCELLED] = "cancelled",
    };
    return (unsigned)s < STATE_MAX ? names[s] : "unknown";
}

/* An event that the table does not list for a state is refused. One that carries an attempt's
 * fence is merely late: it lost its job. */
static const struct {
    const char *name;
    bool fenced;
} events[EVENT_MAX] = {
    [EVENT_INSERT] = {"insert", false},
    [EVENT_SET_PENDING] = {"set pending", false},
    [EVENT_SET_CANCELLED] = {"set cancelled", false},
    [EVENT_SET_COMPLETED] = {"set completed", false},
    [EVENT_SET_FAILED] = {"set failed", false},
    [EVENT_SET_PROCESSING] = {"set processing", false},
    [EVENT_DELETE] = {"delete", false},
    [EVENT_CLAIM] = {"claim", false},
    [EVENT_ADVANCE] = {"advance", true},
    [EVENT_COMPLETE] = {"complete", true},
    [EVENT_FAIL] = {"fail", true},
    [EVENT_FAIL_FOR_GOOD] = {"fail for good", true},
    [EVENT_RELEASE] = {"release", true},
    [EVENT_RESCUE] = {"rescue", true},
};

const char *job_event_name(enum job_event e)
{
    return (unsigned)e < EVENT_MAX ? events[e].name : "unknown";
}

/* ---- the table ---- */

enum guard { ALWAYS, IF_DUE, IF_RETRIES_LEFT, IF_NO_CALL, IF_CRASHES_LEFT, GUARD_MAX };

static const char *const guard_names[GUARD_MAX] = {
    [ALWAYS] = "",
    [IF_DUE] = "due",
    [IF_RETRIES_LEFT] = "retries left",
    [IF_NO_CALL] = "no call open",
    [IF_CRASHES_LEFT] = "rescues left",
};

enum change { /* what happens to the job's fields; the fence follows from the next state */
              FIRST_RUN = 1 << 0, /* run = 1 */
              AFRESH = 1 << 1,    /* no failed attempts, no crashes */
              DUE_NOW = 1 << 2,
              DUE_LATER = 1 << 3, /* as the event says */
              BURN = 1 << 4,      /* attempts + 1 */
              CRASH = 1 << 5,     /* crashes + 1 */
              CALM = 1 << 6,      /* crashes = 0 */
              BACK_OFF = 1 << 7,  /* due when back_off_us() has passed; after CRASH */
};

struct transition {
    enum job_state state;
    enum job_event event;
    enum guard guard; /* rows of one state and event are tried in order */
    enum job_state next;
    unsigned effects;
    unsigned changes;
};

/* Effects that come together. */
#define QUEUED   (FX_QUEUE_INSERT | FX_NOTIFY)
#define REPLACED (FX_QUEUE_DELETE | FX_QUEUE_INSERT | FX_ABORT_CALL | FX_NOTIFY)
#define DROPPED  (FX_QUEUE_DELETE | FX_NOTIFY | FX_ENDED)
#define CUT      (DROPPED | FX_ABORT_CALL)
#define LEFT     (FX_NOTIFY | FX_ENDED)
#define FINISHED (FX_QUEUE_DELETE | FX_ROW_UPDATE | FX_NOTIFY | FX_ENDED)
#define REQUEUED (FX_QUEUE_UPDATE | FX_ROW_UPDATE | FX_NOTIFY)

/* The engine changes the queue row before the users' row, so the trigger sees its writes as
 * "pending while waiting" and "processing while running": rows that change nothing. */
static const struct transition table[] = {
    {STATE_ABSENT, EVENT_INSERT, ALWAYS, STATE_WAITING, QUEUED, FIRST_RUN | AFRESH | DUE_LATER},

    {STATE_WAITING, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, 0, 0},
    {STATE_WAITING, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, DROPPED, 0},
    {STATE_WAITING, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, DROPPED, 0},
    {STATE_WAITING, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, DROPPED, 0},
    {STATE_WAITING, EVENT_SET_PROCESSING, ALWAYS, STATE_FOREIGN, FX_QUEUE_DELETE, 0},
    {STATE_WAITING, EVENT_DELETE, ALWAYS, STATE_ABSENT, DROPPED, 0},
    {STATE_WAITING, EVENT_CLAIM, IF_DUE, STATE_RUNNING, FX_QUEUE_UPDATE | FX_ROW_UPDATE, 0},

    {STATE_RUNNING, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, REPLACED, AFRESH | DUE_NOW},
    {STATE_RUNNING, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, CUT, 0},
    {STATE_RUNNING, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, CUT, 0},
    {STATE_RUNNING, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, CUT, 0},
    {STATE_RUNNING, EVENT_SET_PROCESSING, ALWAYS, STATE_RUNNING, 0, 0},
    {STATE_RUNNING, EVENT_DELETE, ALWAYS, STATE_ABSENT, CUT, 0},
    {STATE_RUNNING, EVENT_ADVANCE, ALWAYS, STATE_RUNNING, FX_QUEUE_UPDATE, CALM},
    {STATE_RUNNING, EVENT_COMPLETE, ALWAYS, STATE_COMPLETED, FINISHED, 0},
    {STATE_RUNNING, EVENT_FAIL, IF_RETRIES_LEFT, STATE_WAITING, REQUEUED, BURN | DUE_LATER},
    {STATE_RUNNING, EVENT_FAIL, ALWAYS, STATE_FAILED, FINISHED, BURN},
    {STATE_RUNNING, EVENT_FAIL_FOR_GOOD, ALWAYS, STATE_FAILED, FINISHED, BURN},
    {STATE_RUNNING, EVENT_RELEASE, ALWAYS, STATE_WAITING, REQUEUED, DUE_LATER},
    {STATE_RUNNING, EVENT_RESCUE, IF_NO_CALL, STATE_WAITING, REQUEUED, DUE_NOW},
    {STATE_RUNNING, EVENT_RESCUE, IF_CRASHES_LEFT, STATE_WAITING, REQUEUED, CRASH | BACK_OFF},
    {STATE_RUNNING, EVENT_RESCUE, ALWAYS, STATE_FAILED, FINISHED, CRASH},

    {STATE_FOREIGN, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, QUEUED, AFRESH | DUE_NOW},
    {STATE_FOREIGN, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, LEFT, 0},
    {STATE_FOREIGN, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, LEFT, 0},
    {STATE_FOREIGN, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, LEFT, 0},
    {STATE_FOREIGN, EVENT_SET_PROCESSING, ALWAYS, STATE_FOREIGN, 0, 0},
    {STATE_FOREIGN, EVENT_DELETE, ALWAYS, STATE_ABSENT, LEFT, 0},

    /* Whatever leaves 'completed' starts the next run, so that no run is completed twice even by
     * way of another state. */
    {STATE_COMPLETED, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, QUEUED | FX_NEW_RUN,
     AFRESH | DUE_NOW},
    {STATE_COMPLETED, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, FX_NOTIFY | FX_NEW_RUN, 0},
    {STATE_COMPLETED, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, 0, 0},
    {STATE_COMPLETED, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, FX_NOTIFY | FX_NEW_RUN, 0},
    {STATE_COMPLETED, EVENT_SET_PROCESSING, ALWAYS, STATE_FOREIGN, FX_NEW_RUN, 0},
    {STATE_COMPLETED, EVENT_DELETE, ALWAYS, STATE_ABSENT, FX_NOTIFY, 0},

    {STATE_FAILED, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, QUEUED, AFRESH | DUE_NOW},
    {STATE_FAILED, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, FX_NOTIFY, 0},
    {STATE_FAILED, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, FX_NOTIFY, 0},
    {STATE_FAILED, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, 0, 0},
    {STATE_FAILED, EVENT_SET_PROCESSING, ALWAYS, STATE_FOREIGN, 0, 0},
    {STATE_FAILED, EVENT_DELETE, ALWAYS, STATE_ABSENT, FX_NOTIFY, 0},

    {STATE_CANCELLED, EVENT_SET_PENDING, ALWAYS, STATE_WAITING, QUEUED, AFRESH | DUE_NOW},
    {STATE_CANCELLED, EVENT_SET_CANCELLED, ALWAYS, STATE_CANCELLED, 0, 0},
    {STATE_CANCELLED, EVENT_SET_COMPLETED, ALWAYS, STATE_COMPLETED, FX_NOTIFY, 0},
    {STATE_CANCELLED, EVENT_SET_FAILED, ALWAYS, STATE_FAILED, FX_NOTIFY, 0},
    {STATE_CANCELLED, EVENT_SET_PROCESSING, ALWAYS, STATE_FOREIGN, 0, 0},
    {STATE_CANCELLED, EVENT_DELETE, ALWAYS, STATE_ABSENT, FX_NOTIFY, 0},
};
#define TABLE_ROWS (sizeof table / sizeof table[0])

/* ---- the one transition function ---- */

static bool guard_holds(enum guard g, const struct job_model *job,
                        const struct job_event_args *args)
{
    switch (g) {
    case IF_DUE:
        return args->now_us >= job->run_at_us;
    case IF_RETRIES_LEFT:
        return job->attempts < job->max_retries;
    case IF_NO_CALL:
        return !args->in_call;
    case IF_CRASHES_LEFT:
        return job->crashes + 1 < JOB_CRASHES_MAX;
    case ALWAYS:
    case GUARD_MAX:
        break;
    }
    return true;
}

static const struct transition *find_transition(const struct job_model *job, enum job_event event,
                                                const struct job_event_args *args)
{
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        const struct transition *t = &table[i];
        if (t->state == job->state && t->event == event && guard_holds(t->guard, job, args))
            return t;
    }
    return NULL;
}

static int64_t next_fence(const struct transition *t, int64_t fence, int64_t claimed)
{
    if (t->next != STATE_RUNNING)
        return 0;
    return t->event == EVENT_CLAIM ? claimed : fence;
}

/* Jobs that ran beside the one that kills its workers come apart: those claimed together have
 * neighbouring fences. */
static int64_t back_off_us(int crashes, int64_t fence)
{
    if (crashes < 2)
        return 0;
    int64_t least = JOB_CRASH_WAIT_US << (crashes - 2);
    return least + least / 16 * (fence % 16);
}

static struct job_model changed(const struct job_model *job, const struct transition *t,
                                const struct job_event_args *args)
{
    struct job_model j = *job;
    j.state = t->next;
    j.fence = next_fence(t, job->fence, args->fence);
    if (t->changes & FIRST_RUN)
        j.run = 1;
    if (t->effects & FX_NEW_RUN)
        j.run++;
    if (t->changes & AFRESH)
        j.attempts = j.crashes = 0;
    if (t->changes & DUE_NOW)
        j.run_at_us = args->now_us;
    if (t->changes & DUE_LATER)
        j.run_at_us = args->run_at_us > args->now_us ? args->run_at_us : args->now_us;
    if (t->changes & BURN)
        j.attempts++;
    if (t->changes & CRASH)
        j.crashes++;
    if (t->changes & CALM)
        j.crashes = 0;
    if (t->changes & BACK_OFF)
        j.run_at_us = args->now_us + back_off_us(j.crashes, job->fence);
    return j;
}

enum err job_apply(const struct job_model *job, enum job_event event,
                   const struct job_event_args *args, struct job_model *ret_job,
                   unsigned *ret_effects)
{
    if ((unsigned)event >= EVENT_MAX || (unsigned)job->state >= STATE_MAX)
        return ERR_INVALID;
    if (events[event].fenced && (job->state != STATE_RUNNING || args->fence != job->fence))
        return ERR_LOST;
    if (event == EVENT_CLAIM && args->fence <= 0)
        return ERR_INVALID;
    const struct transition *t = find_transition(job, event, args);
    if (t == NULL)
        return ERR_INVALID;
    *ret_job = changed(job, t, args);
    *ret_effects = t->effects;
    return OK;
}

/* ---- the table, printed ---- */

#define PRINT_MAX ((size_t)64 << 10)

static const char *const effect_names[] = {
    "queue delete", "queue insert", "queue update", "row update",
    "abort call",   "notify",       "new run",      "ended",
};
static const char *const change_names[] = {
    "run = 1",     "attempts = crashes = 0", "due now",
    "due as told", "attempts + 1",           "crashes + 1",
    "crashes = 0", "due after a wait",
};

static void put_flags(struct buf *b, unsigned flags, const char *const *names,
                      const char *separator)
{
    for (; flags != 0; flags >>= 1, names++) {
        if (flags & 1) {
            buf_putf(b, "%s%s", separator, *names);
            separator = ", ";
        }
    }
}

char *job_state_table(void)
{
    struct buf b = BUF_INIT(PRINT_MAX);
    buf_puts(&b, "| in state | event | if | next state | effects, in order | fields |\n"
                 "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        const struct transition *t = &table[i];
        buf_putf(&b, "| %s | %s | %s | %s | ", job_state_name(t->state), job_event_name(t->event),
                 guard_names[t->guard], job_state_name(t->next));
        put_flags(&b, t->effects, effect_names, "");
        buf_puts(&b, t->event == EVENT_CLAIM ? " | new fence" : " | ");
        put_flags(&b, t->changes, change_names, "");
        buf_puts(&b, " |\n");
    }
    return buf_take(&b);
}

static bool drawn(const struct transition *t, enum job_state from, enum job_state to)
{
    return t->state == from && t->next == to && (from != to || t->effects != 0);
}

/* One arrow for all events that lead from one state to another. */
static void put_arrow(struct buf *b, enum job_state from, enum job_state to)
{
    const char *separator = "";
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        const struct transition *t = &table[i];
        if (!drawn(t, from, to))
            continue;
        if (*separator == '\0')
            buf_putf(b, "    %s -> %s [label=\"", job_state_name(from), job_state_name(to));
        buf_putf(b, "%s%s", separator, job_event_name(t->event));
        if (t->guard != ALWAYS)
            buf_putf(b, " [%s]", guard_names[t->guard]);
        separator = "\\n";
    }
    if (*separator != '\0')
        buf_puts(b, "\"];\n");
}

char *job_state_diagram(void)
{
    struct buf b = BUF_INIT(PRINT_MAX);
    buf_puts(&b, "digraph job {\n    rankdir=LR;\n    node [shape=box, style=rounded];\n"
                 "    waiting [style=\"rounded,bold\"];\n    running [style=\"rounded,bold\"];\n");
    for (int from = 0; from < STATE_MAX; from++)
        for (int to = 0; to < STATE_MAX; to++)
            put_arrow(&b, (enum job_state)from, (enum job_state)to);
    buf_puts(&b, "}\n");
    return buf_take(&b);
}
