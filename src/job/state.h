/* In: a job, an event, the time. Out: the job after it and the effects to carry out, or a refusal.
 * The state machine of a job as one table; pure. */
#ifndef JOB_STATE_H
#define JOB_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The users' row, as its status column spells it. */
enum job_status {
    JOB_PENDING,
    JOB_PROCESSING,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATUS_MAX
};
const char *job_status_name(enum job_status s); /* "pending" ...; never NULL */
enum err job_status_parse(const char *s, enum job_status *ret) MUST_CHECK;

/* Row and queue together: where a job can be. */
enum job_state {
    STATE_ABSENT,    /* no row */
    STATE_WAITING,   /* row pending, queue row without fence */
    STATE_RUNNING,   /* row processing, queue row with our fence */
    STATE_FOREIGN,   /* row processing, no queue row: another system's */
    STATE_COMPLETED, /* final three: no queue row */
    STATE_FAILED,
    STATE_CANCELLED,
    STATE_MAX
};
const char *job_state_name(enum job_state s);

enum job_event {
    /* clients, by writing the row */
    EVENT_INSERT,      /* as pending */
    EVENT_SET_PENDING, /* run it, or run it again */
    EVENT_SET_CANCELLED,
    EVENT_SET_COMPLETED,
    EVENT_SET_FAILED,
    EVENT_SET_PROCESSING, /* a foreign worker takes it */
    EVENT_DELETE,
    /* the engine; all but CLAIM carry the attempt's fence */
    EVENT_CLAIM,   /* of a job that is due */
    EVENT_ADVANCE, /* a step or text was saved: the crash count starts over */
    EVENT_COMPLETE,
    EVENT_FAIL, /* worth another attempt while retries are left */
    EVENT_FAIL_FOR_GOOD,
    EVENT_RELEASE, /* give the slot back: due later, nothing burned */
    /* the rescuer */
    EVENT_RESCUE, /* the lease of its worker is dead */
    EVENT_MAX
};
const char *job_event_name(enum job_event e);

#define JOB_CRASHES_MAX 5 /* crashes without progress in between; the fifth fails the job */
/* What a second crash waits at least; each further one twice as long. With a spread of up to as
 * much again, by the fence; the first waits for nothing. */
#define JOB_CRASH_WAIT_US ((int64_t)10000000)

struct job_model {
    enum job_state state;
    int64_t fence;     /* 0 = none; never used twice */
    int attempts;      /* failed attempts since it was queued */
    int max_retries;   /* attempts allowed = max_retries + 1 */
    int crashes;       /* of its workers, in a call of this job's, since its last progress */
    int run;           /* 1..; leaving 'completed' starts the next */
    int64_t run_at_us; /* due time while waiting */
};

/* What the caller carries out, in this order, in one transaction. */
enum job_effect {
    FX_QUEUE_DELETE = 1 << 0,
    FX_QUEUE_INSERT =
        1 << 1, /* due now, new order tag (after a delete: the old worker is fenced) */
    FX_QUEUE_UPDATE = 1 << 2, /* state, fence, attempts, crashes, run_at */
    FX_ROW_UPDATE = 1 << 3,   /* the engine writes the users' row */
    FX_ABORT_CALL = 1 << 4,   /* a running model call is cut within a second */
    FX_NOTIFY = 1 << 5,       /* something became due, or ended: wake those who wait for it */
    FX_NEW_RUN = 1 << 6,      /* run + 1: checkpoints of the old run are not reused */
    FX_ENDED = 1 << 7,        /* a job that had not ended has: it is final, or its row is gone */
};

struct job_event_args {
    int64_t now_us;
    int64_t fence;     /* CLAIM: the new one; other engine events and RESCUE: the attempt's */
    int64_t run_at_us; /* FAIL, RELEASE: due then; INSERT: not before then (0 = now) */
    bool in_call;      /* RESCUE: the attempt's model call was open when its worker died */
};

/* OK; ERR_LOST: the event's fence is not the job's, nothing changes; ERR_INVALID: this event
 * cannot happen in this state, nothing changes. */
enum err job_apply(const struct job_model *job, enum job_event event,
                   const struct job_event_args *args, struct job_model *ret_job,
                   unsigned *ret_effects) MUST_CHECK;

/* The table for docs/state-machine.md, which a test keeps equal: as Graphviz text, and as a
 * Markdown table. Owned. */
char *job_state_diagram(void);
char *job_state_table(void);

#endif
