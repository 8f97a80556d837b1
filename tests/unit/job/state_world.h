/* In: events on one job, in any order. Out: the first rule that the state machine broke. A world
 * of one users' row, one queue row, workers with old and new fences, and a fake clock; the unit
 * test and the fuzzer play in it. */
#ifndef STATE_WORLD_H
#define STATE_WORLD_H

#include "job/state.h"

#define WORLD_FENCES 8

struct world {
    struct job_model job;
    int64_t now_us;
    bool row_exists, queue_exists, call_runs;
    enum job_status row;
    int64_t fences[WORLD_FENCES]; /* the last ones given; [0] is the newest */
    int completed_run;            /* the last run that was completed */
    bool seen[STATE_MAX];
};

struct world_move {
    enum job_event event;
    unsigned attempt;   /* whose fence engine events carry: 0 = the newest attempt's ... */
    int64_t pass_us;    /* time that passes first */
    int64_t delay_us;   /* INSERT, FAIL, RELEASE: due so much later */
    int64_t fence_step; /* CLAIM: how far the sequence has moved on, at least 1 */
    bool in_call;       /* RESCUE: the worker died in a model call */
};

void world_init(struct world *w, int max_retries);
/* NULL, or the rule that was broken, for people. */
const char *world_play(struct world *w, const struct world_move *move);

#endif
