/* In: a store, a provider, a pipeline. Out: claimed jobs, worked off. The engine's whole outside;
 * docs/architecture.md follows a job through the files behind it. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"
#include "job/pipeline.h"
#include "job/price.h"
#include "provider/pacer.h"
#include "provider/provider.h"
#include "store/store.h"

struct engine;

/* Begins every message that says that a cap on spending holds something up. */
#define ENGINE_SPEND_CAP "spend cap: "

/* What no job may go past, whoever asked for it; 0 = the usual, or none. */
struct engine_ceiling {
    int64_t duration_s;   /* of the video; 0 = 4 h */
    int64_t cost_udollar; /* of one run */
    int64_t age_us;       /* from its creation to its end */
};

struct engine_config {
    struct engine_ceiling ceiling;
    size_t slots;     /* jobs at once, 0 = 256 */
    int cap_per_user; /* running jobs of one user, 0 = none */
    /* What the model calls of a day (UTC) may cost, of all and of each user; 0 = no cap. */
    int64_t day_cap_udollar, user_day_cap_udollar;
    int64_t lease_us;     /* 0 = 15 s; renewed at a third of it */
    int64_t poll_us;      /* claim poll, 0 = 1 s */
    int64_t check_us;     /* look at the running ids, 0 = 500 ms */
    int64_t sweep_us;     /* rescue sweep, 0 = 1 s */
    int64_t text_save_us; /* how old unsaved text may get, 0 = 100 ms; of n > 400 jobs n / 4 ms */
    int64_t grace_us;     /* of a graceful stop, 0 = 500 ms */
    bool sole;            /* no other worker can be alive: older leases are dead at once */
    bool scaled; /* follows store_scale(): its workers x concurrency are the slots of all engines
                    together, each has its share; unless slots is 0 */
    const char *worker_name;
    /* Version 0, where it is not the pipeline that the engine is given; borrowed, may be NULL. */
    const struct pipeline *built_in;
    uint64_t seed; /* of jitter; 0 = from the kernel */
};

/* What observers see; all borrowed for the call. */
enum engine_event_kind {
    ENGINE_JOB_CLAIMED,
    ENGINE_JOB_PROGRESS,
    ENGINE_JOB_STEP,
    ENGINE_JOB_COMPLETED,
    ENGINE_JOB_RETRY,
    ENGINE_JOB_FAILED,
    ENGINE_JOB_RELEASED,
    ENGINE_JOB_LOST,
    ENGINE_IDLE,    /* nothing runs and nothing is due; next_due_us says when something will be. Or
                       nothing runs and all are paused: then `paused` */
    ENGINE_PAUSED,  /* nothing is claimed from now on, what runs goes on */
    ENGINE_RESUMED, /* after ENGINE_PAUSED */
    ENGINE_STOPPED, /* after engine_stop(): everything is saved and handed back */
    ENGINE_TROUBLE, /* `message` says what to do, jobs wait meanwhile; an operator must act, unless
                       err_passes(`err`) */
    ENGINE_EVENT_MAX
};
/* Why an attempt has failed. */
enum engine_failure {
    ENGINE_FAIL_REQUEST,  /* what was asked for cannot be made */
    ENGINE_FAIL_LIMIT,    /* its deadline or its cost is passed */
    ENGINE_FAIL_PROVIDER, /* a model call, for good or too often */
    ENGINE_FAIL_SCRIPT,   /* what the model wrote cannot be used */
    ENGINE_FAIL_HOOK,     /* the users' input hook */
    ENGINE_FAIL_DATABASE, /* a hook, a trigger or a check refused what was to be stored */
    ENGINE_FAIL_MAX
};
struct engine_event {
    enum engine_event_kind kind;
    enum engine_failure failure; /* FAILED, RETRY */
    struct uuid job, user_id;
    const char *step; /* as in the users' row */
    int progress, chunk, chunks;
    int words;                /* written so far in this attempt */
    int64_t tokens_out;       /* of the job, this attempt */
    double tokens_per_second; /* of the running stream */
    struct usage usage;       /* of the job, this attempt, finished calls */
    int64_t cost_udollar;
    int64_t waited_us, worked_us;
    int attempt, max_retries; /* the attempt that runs or ran, 1.. */
    struct uuid batch;        /* the invocation it was claimed for; nil = none */
    const char *script;       /* COMPLETED */
    const char *message;      /* FAILED, RETRY, LOST, TROUBLE */
    enum err err;             /* TROUBLE: the store's; OK = the provider's */
    int64_t next_due_us;      /* IDLE */
    bool paused;              /* IDLE */
};
typedef void (*engine_event_fn)(void *ctx, const struct engine_event *event);

/* Borrows everything but config. Nothing happens before engine_start(). With the built-in pipeline
 * (its `deployment` is 0) jobs are made by the version that is active in the store, and a new one
 * is taken within a second; with any other, those that no version began are made by that one. */
struct engine *engine_new(struct loop *loop, struct store *store, struct provider *provider,
                          struct pacer *pacer, const struct pipeline *pipeline,
                          const struct catalog *catalog, const struct engine_config *config,
                          engine_event_fn fn, void *ctx);
void engine_start(struct engine *e);
/* Stops claiming, gives running calls the grace period, saves their text, hands back what is left;
 * then ENGINE_STOPPED. Allowed inside any event. */
void engine_stop(struct engine *e);
/* After ENGINE_STOPPED, or before engine_start(); takes NULL. Not from inside an event. A store
 * that did not answer in time has the memory until it does: at the latest in store_free(). */
void engine_free(struct engine *e);

/* From now on; what runs goes on. slots 0: claims nothing. cap_per_user as in the config. */
void engine_limit(struct engine *e, size_t slots, int cap_per_user);
/* From now on; jobs that wait for the day to turn are tried again at once. */
void engine_spend_caps(struct engine *e, int64_t day_udollar, int64_t user_day_udollar);
void engine_wake(struct engine *e);          /* something may be due: claim soon */
size_t engine_slots(const struct engine *e); /* jobs at once, by now */
size_t engine_running(const struct engine *e);

struct engine_view { /* what it would say of itself */
    size_t slots;
    int cap_per_user;
    const char
        *parked; /* why the provider is not asked and nothing is claimed, or NULL; borrowed */
};
struct engine_view engine_view(const struct engine *e);
int64_t engine_leases_lost(const struct engine *e); /* times that this process was thought dead */
/* As pacer_look(), and the provider's name. */
size_t engine_limits(struct engine *e, struct pacer_view *views, size_t max,
                     const char **ret_provider);
/* Of what jobs begin with now: its deployment's number, -1 = none, and its version's name. */
int engine_pipeline(const struct engine *e, const char **ret_version);

#endif
