/* In: a caller's label and how many of its jobs may run at a time. Out: jobs claimed for it now,
 * run beside those the engine claims by itself, and an account of them when all have ended. */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine/engine.h"

enum engine_batch_stage {
    BATCH_CLAIMED, /* the first, always; the only one when n is 0 */
    BATCH_STARTED, /* all of them run */
    BATCH_SETTLED, /* all have ended, each in its own way; the last */
    BATCH_STAGE_MAX
};

struct engine_batch_job {
    struct uuid id;
    bool settled, success;
    bool should_retry; /* it is in the queue again */
    char *error;       /* unless it succeeded */
    int64_t worked_us;
};

struct engine_batch_result { /* borrowed for the call */
    enum engine_batch_stage stage;
    enum err err;        /* of the claim */
    const char *message; /* when err is not OK; else "" */
    bool paused;         /* nothing was claimed, because all are paused */
    bool due_left;       /* nothing was claimed, but something is due */
    size_t n;
    const struct engine_batch_job *jobs;
};

struct engine_batch {
    struct uuid id;    /* of the invocation; events of its jobs carry it */
    const char *label; /* copied */
    int cap;           /* of the label, see store_claim */
    void (*fn)(void *ctx, const struct engine_batch_result *r);
    void *ctx;
};

/* May call fn before it returns, and never after engine_free(). The jobs are the engine's: nothing
 * that becomes of the caller changes what becomes of them. */
void engine_run_batch(struct engine *e, const struct engine_batch *want);

#endif
