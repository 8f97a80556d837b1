/* In: what is to be done by the clock. Out: each firing planned once and owned by one worker. Verbs
 * as in store.h. */
#ifndef STORE_STORE_SCHEDULES_H
#define STORE_STORE_SCHEDULES_H

#include "store/store.h"

enum store_missed { STORE_MISSED_SKIP, STORE_MISSED_ONCE, STORE_MISSED_ALL, STORE_MISSED_MAX };
#define STORE_MISSED_LIMIT 100 /* firings that "all" may make up for at once */

struct store_schedule {
    int64_t id; /* out */
    const char *name;
    const char *expr;  /* as text/cron.h reads it; the store does not */
    const char *label; /* the worker id of its calls; NULL = default */
    enum store_missed missed;
    int missed_max; /* all: 1..STORE_MISSED_LIMIT */
    bool active;
    /* out: */
    int64_t rev;                    /* another after every change */
    int64_t due_us;                 /* wall; 0 = never again */
    bool planned;                   /* false: due_us is not known yet */
    int64_t planned_us;             /* when it became known */
    int64_t created_us, changed_us; /* wall; its times count from the change */
    const char *error;              /* why it cannot be planned; NULL */
};
/* Makes it, or changes the one of that name. A new expr or a new state of `active` is
 * planned anew; the same again changes nothing. -> schedules[0], count 1 when it existed. */
void store_schedule_save(struct store *s, const struct store_schedule *schedule, store_fn fn,
                         void *ctx);
/* Its runs stay for a while. ERR_NOT_FOUND. */
void store_schedule_remove(struct store *s, const char *name, store_fn fn, void *ctx);
struct store_schedule_filter {
    const char *name; /* NULL = any */
    int64_t after;    /* the last id seen; 0 = from the first */
    size_t limit;     /* 1..STORE_BATCH_MAX */
};
/* -> schedules by id. */
void store_schedule_list(struct store *s, const struct store_schedule_filter *filter, store_fn fn,
                         void *ctx);
/* What users schedule in the database itself, in cron.job, be it pg_cron's or ours; none in an
 * embedded store. -> schedules by id, with name, expr, active, the user as label, and due_us, 0 =
 * not known. */
void store_schedule_list_sql(struct store *s, const struct store_schedule_filter *filter,
                             store_fn fn, void *ctx);

/* Planning: whoever sees that a schedule is due works out its firings and its next time; the first
 * whose plan arrives is believed, and its worker owns the firings. */
#define STORE_CLOCK_BACK_US ((int64_t)3 * 3600 * 1000000) /* set back further: planned anew */
/* Active ones that are due or not planned, or planned STORE_CLOCK_BACK_US after the store's now.
 * -> schedules, now_us: the store's clock; next_due_us: of the first that is not due yet, 0 = none.
 */
void store_schedule_due(struct store *s, size_t max, store_fn fn, void *ctx);
struct store_firing {
    int64_t at_us;    /* the time that it is for */
    bool skip;        /* recorded only */
    const char *note; /* for people; may be NULL */
};
struct store_plan {
    int64_t id, rev;                    /* as seen */
    int64_t due_us;                     /* the next time; 0 = never */
    const char *error;                  /* why not; NULL */
    const struct store_firing *firings; /* in order of time */
    size_t n;
};
/* Of each schedule the newest `keep` runs stay. All plans together have STORE_BATCH_MAX firings at
 * most. A firing that exists is not made again. ERR_LOST without the worker's lease. -> runs that
 * the worker is to carry out, in order; count: plans that were believed. */
void store_schedule_plan(struct store *s, const struct uuid *worker, const struct store_plan *plans,
                         size_t n, int64_t keep, store_fn fn, void *ctx);
/* A firing of each active "@reboot" schedule, for a start at that time. -> runs. */
void store_schedule_boot(struct store *s, const struct uuid *worker, int64_t at_us, int64_t keep,
                         store_fn fn, void *ctx);

enum store_run_state {
    STORE_RUN_RUNNING,
    STORE_RUN_SUCCEEDED,
    STORE_RUN_FAILED,
    STORE_RUN_SKIPPED,
    STORE_RUN_LOST, /* its worker ended, and it may not run again */
    STORE_RUN_STATE_MAX
};
#define STORE_RUN_ATTEMPTS 3
struct store_run { /* a firing */
    int64_t id, schedule;
    int64_t fire_us;          /* the time that it is for */
    const char *name, *label; /* of the schedule, as it was; label may be NULL */
    enum store_run_state state;
    int attempt;                  /* 1..; the fence of its end */
    int64_t claimed_us, ended_us; /* ended: 0 = not yet */
    struct uuid invocation;       /* nil = none */
    const char *node, *message;   /* may be NULL */
};
/* Unfinished runs whose worker is dead: those of schedules that do not skip what was missed become
 * this worker's, as another attempt, STORE_RUN_ATTEMPTS in all. The others are lost. -> runs: all
 * unfinished ones of this worker's, also those it knows of. */
void store_run_take(struct store *s, const struct uuid *worker, store_fn fn, void *ctx);
struct store_run_end {
    int64_t id;
    int attempt;
    enum store_run_state state; /* succeeded, failed or skipped */
    struct uuid invocation;     /* nil = none */
    const char *message;        /* may be NULL */
};
/* Only what is still running under that attempt; the message follows the note, if there was one.
 * -> count. */
void store_run_end(struct store *s, const struct store_run_end *ends, size_t n, store_fn fn,
                   void *ctx);
struct store_run_filter {
    const char *name; /* of the schedule; NULL = any */
    int64_t before;   /* the last id of the page before; 0 = from the newest */
    size_t limit;     /* 1..STORE_BATCH_MAX */
};
/* -> runs, newest first. */
void store_runs(struct store *s, const struct store_run_filter *filter, store_fn fn, void *ctx);

#endif
