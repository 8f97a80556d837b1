/* In: a call of the function, over HTTP or by a schedule. Out: jobs claimed for its worker id and
 * worked off, its log lines, its record in the store. The words are a contract:
 * docs/function-endpoint.md. */
#ifndef ENGINE_INVOKE_H
#define ENGINE_INVOKE_H

#include "engine/batch.h"
#include "engine/journal.h"

struct invoker;

struct invoker_config {
    struct journal *journal; /* borrowed */
    const char *worker;      /* this process's name */
    const char *version;     /* of the program */
    int64_t keep;            /* records in the store; 0 = 10,000 */
};

/* Borrows loop, store and engine. */
struct invoker *invoker_new(struct loop *loop, struct store *store, struct engine *engine,
                            const struct invoker_config *config);
/* Forgets the calls under way; their jobs are the engine's. Before engine_free(). Takes NULL. */
void invoker_free(struct invoker *inv);
void invoker_limit(struct invoker *inv, int limit); /* running jobs per worker id, from now on */

enum invoke_stage {
    INVOKE_SILENT,  /* the store is: `message`. It may still answer, then the call goes on */
    INVOKE_CLAIMED, /* always comes; the last when n is 0 */
    INVOKE_SETTLED, /* all jobs have ended, each in its own way; the last */
    INVOKE_STAGE_MAX
};
struct invoke_result { /* borrowed for the call */
    enum invoke_stage stage;
    struct uuid id;      /* of the record */
    enum err err;        /* of SILENT, CLAIMED */
    const char *message; /* when err is not OK; else "" */
    bool paused;         /* nothing was claimed, because all are paused */
    bool due_left;       /* nothing was claimed, but something is due */
    size_t n;
    const struct engine_batch_job *jobs;
    int succeeded, failed; /* SETTLED */
};
struct invoke {
    const char *caller; /* may be NULL */
    const char *label;  /* the worker id; NULL or "" = "default" */
    bool async;         /* its answer is given when the jobs are claimed */
    void (*fn)(void *ctx, const struct invoke_result *r);
    void *ctx;
};
/* A call that was let in and cannot be made: its record alone. */
void invoke_refused(struct invoker *inv, const char *caller, const char *label, int status,
                    const char *why);
/* May call fn before it returns. */
void invoke(struct invoker *inv, const struct invoke *want);

#endif
