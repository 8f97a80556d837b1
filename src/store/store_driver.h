/* In: the verbs of store.h, as values. Out: a driver that carries them out. Only src/store reads
 * this: store.c copies each verb's arguments into a store_op and hands it to the driver, which
 * fills op->result (from op->arena) and gives it back with store_op_done() on the loop. */
#ifndef STORE_STORE_DRIVER_H
#define STORE_STORE_DRIVER_H

#include "base/mem.h"
#include "store/store_deployments.h"
#include "store/store_history.h"
#include "store/store_schedules.h"
#include "store/store_webhooks.h"

enum store_verb {
    VERB_INSERT,
    VERB_GET,
    VERB_SHOW,
    VERB_LIST,
    VERB_LIVE,
    VERB_CANCEL,
    VERB_RETRY,
    VERB_DELETE,
    VERB_RETRY_ALL,
    VERB_RESCUE_FOREIGN,
    VERB_WORKER_OPEN,
    VERB_WORKER_RENEW,
    VERB_WORKER_VERSION,
    VERB_WORKER_CLOSE,
    VERB_RESCUE,
    VERB_CLAIM,
    VERB_CHECK,
    VERB_PROGRESS,
    VERB_STEPS,
    VERB_FOLLOW,
    VERB_CALL_OPEN,
    VERB_CALL_CLOSE,
    VERB_STEP_SAVE,
    VERB_FINISH,
    VERB_BUDGET,
    VERB_HOOKS_CHECK,
    VERB_INPUT,
    VERB_RUN_ENDED,
    VERB_ENDPOINTS_SET,
    VERB_ENDPOINT_DROP,
    VERB_ENDPOINTS,
    VERB_DELIVERIES_TAKE,
    VERB_DELIVERIES_NOTE,
    VERB_DELIVERIES,
    VERB_DELIVERIES_RETRY,
    VERB_STATS,
    VERB_PLACES, /* the store's own: the order of what is due */
    VERB_WORKERS,
    VERB_SCALE,
    VERB_SCALE_GET,
    VERB_EXAMINE,
    VERB_SWEEP,
    VERB_ERASE,
    VERB_MIGRATE,
    VERB_BACKUP,
    VERB_SETTING_SET,
    VERB_SETTING_GET,
    VERB_READY,
    VERB_INVOCATION_SAVE,
    VERB_INVOCATIONS,
    VERB_LOG_ADD,
    VERB_LOG,
    VERB_DEPLOYMENT_ADD,
    VERB_DEPLOYMENTS,
    VERB_DEPLOYMENT_GET,
    VERB_DEPLOYMENT_ACTIVATE,
    VERB_DEPLOYMENT_ACTIVE,
    VERB_SCHEDULE_SAVE,
    VERB_SCHEDULE_REMOVE,
    VERB_SCHEDULE_LIST,
    VERB_SCHEDULE_LIST_SQL,
    VERB_SCHEDULE_DUE,
    VERB_SCHEDULE_PLAN,
    VERB_SCHEDULE_BOOT,
    VERB_RUN_TAKE,
    VERB_RUN_END,
    VERB_RUNS,
    VERB_MAX
};

struct store_place { /* of a due job: higher priorities first, then smaller tags */
    int priority;
    int64_t tag;
    int64_t tie; /* of equal tags the smaller goes first: as the driver's claims look at them */
};

struct store_placed {
    struct store_job *job;
    struct store_place place;
};

struct store_op {
    struct store_op *next; /* the driver's queue */
    enum store_verb verb;
    struct arena arena; /* owns all inputs and results */
    int64_t now_us;     /* wall time at which the verb was called */
    int64_t asked_us;   /* the same, loop time */
    bool careful;       /* the driver's: an item was refused, take each on its own */
    bool changed;       /* out: run the change hint, others may have work now */
    size_t n;           /* items, for the batched verbs */
    /* Out, get, show and list: the jobs that are due; their positions are still to come. Out,
     * places: the queue's order. */
    struct store_placed *placed;
    size_t n_placed;
    struct places *places;
    const char **why; /* of each item, once one was refused */
    union {
        struct store_new_job *insert;
        struct uuid id;   /* get, cancel, retry, delete, worker_renew, worker_close, rescue */
        struct uuid *ids; /* show */
        struct store_filter filter;
        struct store_live live;
        int64_t age_us;
        struct store_worker worker; /* also worker_version */
        struct store_deployment deployment;
        int version; /* of a deployment */
        struct store_claim claim;
        struct store_held *held;
        struct store_progress *progress;
        struct {
            struct uuid job;
            int run;
        } steps;
        struct store_follow *follow;
        struct store_call call;
        struct store_call_end call_end;
        bool watch; /* hooks_check */
        struct {
            struct uuid worker;
            struct store_budget_ask *asks;
        } budget;
        size_t max; /* run_ended */
        struct store_endpoint *endpoints;
        struct {
            const char *name, *why;
        } endpoint_drop;
        struct {
            const char *endpoint;
            size_t max;
            int64_t lease_us;
        } take;
        struct store_delivery_end *noted;
        struct store_delivery_filter deliveries;
        struct {
            struct uuid id;
            const char *endpoint;
        } redeliver;
        struct {
            struct store_held held;
            int run;
        } input;
        struct {
            struct store_held held;
            int run;
            struct store_step step;
            struct store_call_end *end; /* or NULL */
        } save;
        struct store_finish *finish;
        struct store_scale_change scale_change;
        struct store_sweep sweep;
        struct store_erase erase;
        struct {
            struct uuid worker;
            bool counted;
        } scale_look;
        unsigned migrate; /* STORE_MIGRATE_... */
        const char *path;
        struct {
            const char *key, *value;
        } setting;
        struct {
            struct store_invocation row;
            int64_t keep;
        } invocation;
        struct {
            struct uuid after;
            size_t limit;
        } invocations;
        struct {
            struct store_line *items;
            int64_t keep;
        } log;
        struct store_log_filter log_filter;
        struct store_schedule schedule;         /* save */
        struct store_schedule_filter schedules; /* list, remove */
        struct {
            struct uuid worker; /* plan, boot, take */
            size_t max;         /* due */
            int64_t at_us;      /* boot */
            int64_t keep;       /* plan, boot */
            struct store_plan *items;
        } plan;
        struct store_run_end *ends;
        struct store_run_filter runs;
    } in;
    struct store_result result;
    store_fn fn;
    void *ctx;
};

/* A driver gives every op back exactly once. One whose result has an error already (misuse, found
 * by store.c) is only given back. */
struct store_driver {
    void (*submit)(struct store *s, struct store_op *op); /* takes op */
    void (*watch)(struct store *s, bool on); /* somebody wants the change hint; may be NULL */
    void (*free)(struct store *s);
};

/* A driver's own store struct begins with this. */
struct store {
    const struct store_driver *driver;
    struct loop *loop;
    unsigned hooks; /* STORE_HOOK_... */
    bool shared;    /* other processes may work on it */
    loop_fn change_fn;
    void *change_ctx;
    struct store_places *places; /* store_places.h */
    store_answer_fn answer_fn;
    void *answer_ctx;
};

/* Item i was refused. */
void store_op_refused(struct store_op *op, size_t i, const char *why);
/* Sets the result's error; the first one stays. */
void store_op_fail(struct store_op *op, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void store_op_done(struct store *s, struct store_op *op); /* calls back, frees op */
struct store_op *store_ask_places(struct store *s, store_fn fn, void *ctx); /* VERB_PLACES */
void store_changed(struct store *s); /* runs the change hint */

#endif
