/* In: what the engine and the commands want done to jobs. Out: the answer, later, on the loop.
 * Every verb is asynchronous, atomic, and calls back exactly once; nothing else in the program
 * knows SQL. Inputs are copied before the verb returns; results are borrowed for the callback. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "io/loop.h"
#include "job/price.h"
#include "job/state.h"

#define STORE_BATCH_MAX 1000        /* items in one call of a batched verb */
#define STORE_TEXT_MAX  (16u << 20) /* bytes of one text: params, script, output ... */
#define STORE_KEY_MAX   255         /* bytes of an idempotency or setting key */
#define STORE_LABEL_MAX 200         /* bytes of a label of claims */
#define STORE_NOTE_MAX  2000        /* bytes of a note to a deployment */

struct store;
struct store_result;
typedef void (*store_fn)(void *ctx, const struct store_result *r);

/* Finishes queued requests, then closes. Takes NULL. */
void store_free(struct store *store);

/* ---- a job ---- */

struct store_new_job {
    struct uuid id; /* nil = the store makes a UUIDv7 */
    struct uuid user_id;
    struct uuid workflow_id;     /* nil = null */
    int priority;                /* 1..10, higher first; 0 = 5 */
    int max_retries;             /* < 0 = 3 */
    const char *params;          /* JSON object text, kept byte for byte */
    int64_t run_at_us;           /* wall; 0 = now */
    const char *idempotency_key; /* NULL = none; unique per user */
};

struct store_job { /* the users' row and what the queue knows of it */
    struct uuid id, user_id, workflow_id;
    enum job_status status;
    int progress, current_chunk, total_chunks, retry_count, max_retries, priority;
    const char *current_step, *error_message, *params, *script, *metadata; /* may be NULL */
    int64_t created_us, started_us, completed_us, updated_us;              /* wall; 0 = null */
    int64_t processing_seconds;                                            /* -1 = null */
    bool queued;                                                           /* a queue row exists */
    int64_t run_at_us;                                                     /* of the queue row */
    int run;                                                               /* 1.. */
    int position; /* of a due pending job: 1 = next; 0 = unknown. From a snapshot that is a
                     quarter of a second old at most, or thirty times as old as it takes to read */
    int beside;   /* others at that very place: which of them goes first is not settled */
    int64_t cost_udollar, input_tokens, output_tokens; /* over all calls of the job */
    int64_t cache_read, cache_write;                   /* of input_tokens */
    int64_t listed_at; /* with the id its place in lists, for a cursor; the store's own measure */
};

/* ---- clients: enqueue, look, cancel, retry ---- */

/* -> inserted: ids in order, `existed` where an idempotency key matched. */
void store_insert(struct store *s, const struct store_new_job *jobs, size_t n, store_fn fn,
                  void *ctx);
/* -> job, with params, script and metadata; ERR_NOT_FOUND. */
void store_get(struct store *s, const struct uuid *id, store_fn fn, void *ctx);

struct store_step;
struct store_shown {
    enum err err;         /* ERR_NOT_FOUND; ERR_TOO_BIG: a text past STORE_TEXT_MAX,
                             that somebody else has written */
    struct store_job job; /* as store_get() tells it */
    const struct store_step
        *steps; /* of its run, oldest first, without their input hash and output */
    size_t n_steps;
};
/* What a client is shown of jobs; each id once. -> shown, in order. */
void store_show(struct store *s, const struct uuid *ids, size_t n, store_fn fn, void *ctx);

struct store_filter {
    enum job_status status; /* JOB_STATUS_MAX = any */
    struct uuid user_id;    /* nil = any */
    struct uuid after;      /* nil = from the newest; else the cursor: the last id seen ... */
    int64_t after_at;       /* ... and its listed_at; the job itself may be gone by now */
    size_t limit;           /* 1..STORE_BATCH_MAX */
};
/* -> jobs, newest first, without params, script and metadata. */
void store_list(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx);

struct store_live {      /* at most so many of each */
    struct uuid user_id; /* nil = everybody's */
    int64_t since_us;    /* wall, of the store; ended ones ... */
    struct uuid
        after; /* ... and of those that ended at that very time behind this one; nil = all */
    size_t running, waiting, ended;
};
struct store_live_job {
    struct uuid id;
    enum job_status status;
    int64_t ended_us; /* wall: when its run ended; 0 = it waits or runs */
};
/* What somebody who looks at all jobs asks again and again; costs the same however many have ended.
 * -> live: those that run, the last to begin first; those that wait, of more than asked for the
 * ones that are next and the ones that are last in line; those whose run has ended since, in the
 * order of their ends and ids: a job may come twice. count: 1 when ends since then are not
 * remembered any more; the last hour is, or the last ten thousand. */
void store_live(struct store *s, const struct store_live *ask, store_fn fn, void *ctx);

/* What a client may do to a row, exactly as if it wrote the row itself. -> count of jobs changed;
 * ERR_NOT_FOUND without the job, ERR_INVALID when its state does not allow it. */
void store_cancel(struct store *s, const struct uuid *id, store_fn fn, void *ctx);
void store_retry(struct store *s, const struct uuid *id, store_fn fn, void *ctx);
void store_delete(struct store *s, const struct uuid *id, store_fn fn, void *ctx);
/* All jobs that match (failed or cancelled ones only). -> count. */
void store_retry_all(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx);
/* Rows that another system left 'processing' longer than age_us. -> count requeued. */
void store_rescue_foreign(struct store *s, int64_t age_us, store_fn fn, void *ctx);

/* ---- workers: lease, claim, report, finish ---- */

struct store_worker {
    struct uuid id;
    const char *name; /* host:pid, for people */
    int64_t lease_us; /* how long it lives without renewal */
    int version;      /* of the pipeline, that jobs it begins are made by; -1 = none */
};
/* Opens the worker's lease. -> nothing. */
void store_worker_open(struct store *s, const struct store_worker *w, store_fn fn, void *ctx);
/* ERR_LOST when a rescuer has marked it dead. -> nothing. */
void store_worker_renew(struct store *s, const struct uuid *worker, store_fn fn, void *ctx);
/* Another version for the jobs that it begins from now on. ERR_LOST. -> nothing. */
void store_worker_version(struct store *s, const struct uuid *worker, int version, store_fn fn,
                          void *ctx);
/* Gives back what the worker still runs (pending, due now, no retry burned) and ends its lease. */
void store_worker_close(struct store *s, const struct uuid *worker, store_fn fn, void *ctx);
/* Marks workers whose lease ran out dead and gives their jobs back as EVENT_RESCUE says (a crash
 * counts if a call of the job's was open), and closes their open calls as cut. `by` is the
 * rescuer; nil on the embedded store's start, when every older lease is dead. -> rescued. */
void store_rescue(struct store *s, const struct uuid *by, store_fn fn, void *ctx);

struct store_claim {
    struct uuid worker;
    size_t max;       /* jobs wanted, 1..STORE_BATCH_MAX */
    int cap_per_user; /* running jobs one user may have; 0 = no cap */
    /* Whom the jobs are claimed for, across all workers; NULL = nobody in particular. At most
     * label_cap jobs of one label run at a time; the setting "concurrent_limit", when it is a
     * number, stands above label_cap. */
    const char *label; /* up to STORE_LABEL_MAX bytes */
    int label_cap;     /* with a label: 1.. */
};
struct store_claimed {
    struct uuid id, user_id, workflow_id;
    int64_t fence;
    int run, attempts, crashes, max_retries, priority;
    int64_t created_us, waited_us; /* created; from due to claimed */
    const char *params;            /* NULL when the column is null */
};
/* Takes due jobs by priority, then fair order; each gets a fence, its row becomes 'processing',
 * step 'initializing', progress 5. -> claimed, and next_due_us: the wall time at which the first
 * job that is not due yet will be, 0 = none, by the clock that tells now_us. A job whose row the
 * database does not let us change (a trigger of the users' refuses) is put off by a minute, and
 * disturbs no other. With a label, when nothing was claimed: due_left. While the setting "paused"
 * is on nothing is claimed, and `paused` says so. */
void store_claim(struct store *s, const struct store_claim *claim, store_fn fn, void *ctx);

/* Which of these are no longer ours. -> lost, in order. */
struct store_held {
    struct uuid job;
    int64_t fence;
};
enum store_lost {
    STORE_HELD,
    STORE_CANCELLED,
    STORE_DELETED,
    STORE_REPLACED,
    STORE_REFUSED, /* still ours, but the database refused this item: `message` says why */
    STORE_LOST_MAX
};
void store_check(struct store *s, const struct store_held *held, size_t n, store_fn fn, void *ctx);

struct store_progress {
    struct uuid job;
    int64_t fence;
    const char *step; /* current_step for people; NULL = leave the users' row alone */
    int progress, current_chunk, total_chunks;
    /* Text that the running model call produced since the last report; appended. */
    const char *text_step; /* key of the running step; NULL = no text */
    const char *text_hash; /* its input hash: text of another request is never continued */
    size_t text_offset;    /* where the text goes: 0 starts over; else it must continue what is
                              there, or it is left out */
    const char *text;
    size_t text_len;
    struct uuid call;          /* of that text; its ledger row learns the count: */
    int64_t output_tokens;     /* produced so far, as far as known */
    int64_t tokens_per_second; /* of the stream, for the estimate after a crash */
};
/* Each item stands alone, as in store_finish(). -> lost, in order. */
void store_progress(struct store *s, const struct store_progress *items, size_t n, store_fn fn,
                    void *ctx);

struct store_step {
    const char *key;        /* "outline", "chunk_2": one per (job, run) */
    const char *input_hash; /* SHA-256 in hexadecimal of all that made the request */
    const char *output;     /* the text */
    const char *stop;       /* stop_reason_name(); "cut" = the salvaged start of a cut call */
    const char *model;      /* that served; may be NULL */
    struct usage usage;
    int64_t cost_udollar;
    int64_t started_us, ended_us;
    int64_t place; /* out, of store_follow(): later steps of a job have higher ones */
};
/* The checkpoints of a job's run, oldest first, the text of the step that was cut, and the version
 * that the job is made by: that of the worker which first claimed it since it entered the queue, so
 * that retries, a crash and another worker do not change it. -> steps, partial, version,
 * spent_udollar. */
void store_steps(struct store *s, const struct uuid *job, int run, store_fn fn, void *ctx);

/* ---- looking on: what jobs have come to since somebody last looked ---- */

struct store_follow {
    struct uuid job;
    /* What is known of it; zero: nothing. */
    int run;
    int64_t place;         /* of the last step that is known, and its input hash */
    const char *step_hash; /* NULL without one */
    struct uuid call;      /* whose text is known, and how much of it */
    size_t offset;
};
struct store_followed {
    bool found;           /* false: there is no such job, all else is zero */
    struct store_job job; /* without position, cost and texts */
    bool whole;           /* the known steps are no longer what they were: these are all */
    const struct store_step *steps;
    size_t n_steps;
    /* What the running step, or one that was cut, has written from `text_offset` on: that is the
     * known offset while the call is the known one, else 0. NULL without any. */
    const char *text_step, *text_hash, *text;
    struct uuid text_call;
    size_t text_offset, text_len;
};
/* All as of one moment. -> followed, in order. */
void store_follow(struct store *s, const struct store_follow *items, size_t n, store_fn fn,
                  void *ctx);

/* ---- the ledger: money outlives fences, jobs and crashes ---- */

struct store_call { /* the intent, written before the request leaves */
    struct uuid id, job, user_id, worker;
    int run, attempt;
    const char *step, *provider, *model;
    int64_t estimated_input;           /* tokens */
    int64_t price_input, price_output; /* micro-dollars per million tokens, for estimates */
    int64_t reserved_udollar;          /* what it will cost, by estimate */
    /* What calls begun today (UTC) may cost, those of all and those of its user, open ones as
     * reserved; 0 = no cap. */
    int64_t day_cap_udollar, user_day_cap_udollar;
};
enum store_cap { STORE_CAP_NONE, STORE_CAP_DAY, STORE_CAP_USER, STORE_CAP_MAX };
/* -> cap: not STORE_CAP_NONE: this cap would be passed, and the call is not opened. */
void store_call_open(struct store *s, const struct store_call *call, store_fn fn, void *ctx);

enum call_state { CALL_OPEN, CALL_EXACT, CALL_ESTIMATED, CALL_UNBILLED, CALL_STATE_MAX };
struct store_call_end {
    struct uuid id;
    enum call_state state; /* exact: final usage seen; estimated: cut; unbilled: refused or
                              never sent */
    struct usage usage;
    int64_t cost_udollar;
    const char *served_model, *request_id, *error; /* may be NULL */
    int http_status;                               /* 0 = none */
};
void store_call_close(struct store *s, const struct store_call_end *end, store_fn fn, void *ctx);

/* A finished step: checkpoint, removal of its text deltas and the end of its call, together. The
 * call is recorded even when the fence is lost. `end` may be NULL (a step without a call).
 * -> lost[0]. */
void store_step_save(struct store *s, const struct store_held *held, int run,
                     const struct store_step *step, const struct store_call_end *end, store_fn fn,
                     void *ctx);

/* ---- the provider's limits, between processes ---- */

enum { STORE_LIMITS = 3 }; /* requests, input tokens, output tokens; all per minute */
/* What a process would use of one rate class, and what it was told of it. */
struct store_budget_ask {
    const char *rate_class;
    int64_t wanted[STORE_LIMITS];
    int64_t committed;               /* output of streams that run; nobody else can have it */
    int64_t limit[STORE_LIMITS];     /* 0 = not known */
    int64_t told_us;                 /* since the provider told it; -1 = it never did */
    int64_t frozen_us[STORE_LIMITS]; /* refused by the provider for so long from now; 0 = not */
    int64_t cut_us;                  /* since it was seen overloaded; -1 = it was not */
};
/* The process's part of it for the next moments, and what any of them was told. The parts of all
 * together are never more than the limit; one that is not asked for again is free after a few
 * seconds. */
struct store_budget {
    int64_t part[STORE_LIMITS];  /* -1 = the limit is not known, or it is all ours */
    int64_t limit[STORE_LIMITS]; /* as told last; 0 = never */
    int64_t frozen_us[STORE_LIMITS];
    int64_t cut_us; /* -1 = never */
};
/* Several processes may work on this store: they share the limits. */
bool store_is_shared(const struct store *s);
/* -> budgets, in order. */
void store_budget(struct store *s, const struct uuid *worker, const struct store_budget_ask *asks,
                  size_t n, store_fn fn, void *ctx);

/* ---- hooks: the users' own functions, where the store can run such ---- */

enum { STORE_HOOK_INPUT = 1, STORE_HOOK_COMPLETED = 2, STORE_HOOK_ENDED = 4 };
/* Those that the store was opened with. */
unsigned store_hooks(const struct store *s);

/* For the start: ERR_INVALID says which hook is missing or of another signature. watch: from now on
 * ends of jobs are noted for on_ended, if there is such a hook. -> nothing. */
void store_hooks_check(struct store *s, bool watch, store_fn fn, void *ctx);
/* What the input hook adds to the parameters of this run: it runs once, and its answer is kept in
 * the same transaction. -> text, JSON object, NULL = nothing; lost[0]; STORE_REFUSED: why[0]. */
void store_input(struct store *s, const struct store_held *held, int run, store_fn fn, void *ctx);
/* Runs the hook for runs that failed, were cancelled or deleted, once each. -> count, and failed:
 * those that raised and will be tried again. */
void store_run_ended(struct store *s, size_t max, store_fn fn, void *ctx);

/* ---- the end of an attempt ---- */

enum store_outcome { STORE_COMPLETE, STORE_RETRY, STORE_FAIL, STORE_RELEASE, STORE_OUTCOME_MAX };
struct store_finish {
    struct uuid job;
    int64_t fence;
    enum store_outcome outcome;
    const char *script, *metadata; /* STORE_COMPLETE */
    const char *error;             /* STORE_RETRY, STORE_FAIL, may be given with STORE_RELEASE */
    int64_t run_at_us;             /* wall; STORE_RETRY, STORE_RELEASE: due then */
};
/* Each item stands alone: one that the database refuses is STORE_REFUSED and does not disturb the
 * others. With a completion hook give a completion by itself: the hook runs in its transaction.
 * -> lost, why, in order. */
void store_finish(struct store *s, const struct store_finish *items, size_t n, store_fn fn,
                  void *ctx);

/* ---- the whole ---- */

struct store_stats {
    int64_t count[JOB_STATUS_MAX];          /* all jobs */
    int64_t recent[JOB_STATUS_MAX];         /* created in the last hour, to the minute */
    double recent_seconds[JOB_STATUS_MAX];  /* their average processing time, -1 = none */
    int64_t due, delayed, running, foreign; /* of the queue; foreign: processing, not ours */
    int64_t oldest_due_us;                  /* wall; 0 = none */
    struct usage usage;                     /* of all calls */
    int64_t calls, calls_estimated, cost_udollar;
    int64_t today_udollar, today_reserved_udollar; /* calls begun today (UTC): ended, and open */
    bool paused;                                   /* nothing is claimed */
    int64_t paused_since_us; /* wall; 0 = not paused, or nobody has written down since when */
};
void store_stats(struct store *s, store_fn fn, void *ctx);

struct store_worker_seen { /* a worker whose lease nobody has ended */
    struct uuid id;
    const char *name;                  /* may be NULL */
    int64_t held_since_us, expires_us; /* wall; unbroken since; past its end: nobody has looked */
    int64_t running;                   /* jobs */
};
/* -> workers, oldest first, STORE_BATCH_MAX at most. */
void store_workers(struct store *s, store_fn fn, void *ctx);

struct store_scale {          /* how many workers, each with how many jobs at a time */
    int workers, concurrency; /* as set; 0 = nobody has set it */
    bool can_undo, paused;
    int processes;        /* with a live lease */
    int place;            /* of the asked worker among them, 1..; 0 = not there */
    int schedules;        /* counted: active ones that drive workers */
    int64_t due, running; /* counted: of the queue */
};
/* `counted`: with the figures that take counting. `worker`: nil = none. -> scale. */
void store_scale_get(struct store *s, const struct uuid *worker, bool counted, store_fn fn,
                     void *ctx);
struct store_scale_change {
    bool undo;                /* the latest change, to the letter; ERR_INVALID when there is none */
    int workers, concurrency; /* 0 = as they are */
    int fallback;             /* of the concurrency that nobody has set */
};
struct store_sweep {
    int64_t age_us[JOB_STATUS_MAX]; /* ended jobs older than that; 0 = kept for ever */
    bool rows;                      /* the whole row goes; else only its texts */
    size_t look;                    /* rows to look at, 1..STORE_BATCH_MAX */
};
/* Looks at the next rows and takes what is older than it may be: parameters, script, metadata,
 * error, checkpoints and log lines, or the row. Also what only grows otherwise: idempotency keys of
 * jobs that are gone, notes of what was told. The ledger stays. -> count of jobs changed; due_left:
 * the last row was not reached, the next call goes on there. */
void store_sweep(struct store *s, const struct store_sweep *sweep, store_fn fn, void *ctx);
struct store_erase {
    struct uuid user;
    struct uuid after; /* `last` of the call before; nil: the first, which cancels all that waits
                          or runs */
    size_t look;       /* jobs at a time, 1..STORE_BATCH_MAX */
};
struct store_erased {
    struct uuid last; /* nil = there are no more */
    int64_t cancelled, jobs, steps, lines, keys, outbox, requests;
};
/* A user's texts, everywhere: call it until `last` is nil. Rows, ids and money stay. -> erased. */
void store_erase(struct store *s, const struct store_erase *erase, store_fn fn, void *ctx);
#define STORE_SCALE_MAX 1000
/* Sets "workers" and "concurrent_limit". Where schedules drive the workers (named
 * process-script-jobs-worker-N, or process-script-generation-jobs for one) they are rewritten to be
 * as many, with commands like those that are there but for the worker id; ERR_INVALID when that
 * cannot be. All of it can be undone. -> scale, counted. */
void store_scale(struct store *s, const struct store_scale_change *change, store_fn fn, void *ctx);

enum {
    STORE_MIGRATE_DRY_RUN = 1,
    STORE_MIGRATE_CRON = 2, /* schedules and HTTP requests in SQL, where no extension has them */
};
/* What is to be known of the database itself, by name; what the store cannot know is not there.
 *   now_us            the store's clock            server            its name and version
 *   connections_used, _max, _of (whose limit it is), _ours
 *   transaction_us    age of the oldest open one
 *   database_bytes    its size; data_directory: where the server has it, if it is said to be here
 *   triggers_off      names of triggers of ours that are gone or disabled
 *   stray_tables      other tables that feed the queue too
 *   rights_lacking    what of INSERT, DELETE our role may not do to the users' table
 *   hidden_jobs       queued, but we may not see or change their rows (at most 1000 are counted)
 *   unqueued_jobs     pending rows that are not queued (likewise)
 *   unlisted_jobs     rows of a large table without an index on created_at, about
 *   foreign_since_us  the oldest job that another system works on
 *   foreign_at_us     when one last took a job, or ended one of ours (PostgreSQL)
 *   stuck_jobs, stuck_job (one of them)  running, and nothing was written for ten minutes
 *   leases_expired    workers that nobody has rescued for a whole lease
 *   cron              who runs schedules in SQL: pg_cron, scriptorium; cron_active, cron_inactive,
 *                     cron_last_run_us, cron_failed_hour, cron_failing (jobs whose newest run
 *                     of the hour failed), cron_failure (the newest), cron_null_keys,
 *                     cron_workers_active, _inactive (schedules that call the function),
 *                     cron_firing (of each active one, unless it runs: {"name", "schedule",
 *                     "since_us": it was to fire next after that})
 *   answers_failed_hour, answer_failed_us, answer_good_us (the newest of each), answer_failure
 *                     what became of the requests that SQL made in the last hour
 *   file_bytes, log_bytes, disk_free_bytes, disk_bytes   of an embedded store
 * -> facts. */
void store_examine(struct store *s, store_fn fn, void *ctx);

/* Brings the schema up to date. -> text: the statements that it runs or, dry, would run; said: what
 * became of schemas cron and net, for people. CRON is ERR_UNSUPPORTED where SQL is not for users.
 */
void store_migrate(struct store *s, unsigned flags, store_fn fn, void *ctx);
/* A consistent copy while running; ERR_UNSUPPORTED where the server has better ways. */
void store_backup(struct store *s, const char *path, store_fn fn, void *ctx);
/* Durable settings (pause, scale). "paused" is on unless it is unset, '', 0, false or off; what we
 * write there is the time in microseconds. set with NULL removes. get -> text, NULL when unset. */
void store_setting_set(struct store *s, const char *key, const char *value, store_fn fn, void *ctx);
void store_setting_get(struct store *s, const char *key, store_fn fn, void *ctx);
/* OK: it answers, and takes writes. */
void store_ready(struct store *s, store_fn fn, void *ctx);
/* What the text of "paused", or NULL, says; since: 0 = unknown. */
bool store_is_paused(const char *text, int64_t *ret_since_us);

/* Somebody, perhaps another process, changed something: a hint to claim and to check. At most one
 * call per loop turn; may come for nothing, and late (250 ms). NULL stops it. */
void store_on_change(struct store *s, loop_fn fn, void *ctx);

/* How long answers take, from the request to its callback, by what was asked for: a look; a change
 * by clients and the like; a claim; text and progress; the end of a step or a job. NULL stops it.
 */
enum store_kind {
    STORE_READS,
    STORE_WRITES,
    STORE_CLAIMS,
    STORE_REPORTS,
    STORE_ENDS,
    STORE_KIND_MAX
};
typedef void (*store_answer_fn)(void *ctx, enum store_kind kind, int64_t took_us);
void store_on_answer(struct store *s, store_answer_fn fn, void *ctx);

struct store_delivery;
struct store_deployment;
struct store_endpoint_seen;
struct store_invocation;
struct store_line;
struct store_run;
struct store_schedule;

struct store_result {
    enum err err;
    const char *message; /* for people when err is not OK: says what to do; else "" */
    int64_t count;       /* jobs changed; rescue: jobs requeued */
    int64_t failed;      /* rescue: jobs failed as poison */
    int64_t next_due_us;
    bool paused;   /* claim: nothing is claimed until somebody resumes */
    bool due_left; /* claim with a label: nothing was claimed, but something is due */
    size_t n;
    const struct store_inserted {
        struct uuid id;
        bool existed;
    } * inserted;
    const struct store_job *jobs;
    const struct store_shown *shown;
    const struct store_live_job *live;
    const struct store_claimed *claimed;
    const enum store_lost *lost;
    const char *const *why; /* finish, input: of each item, or NULL; NULL where none was refused */
    bool for_good;          /* input: the hook said that trying again is of no use */
    const struct store_step *steps;
    const char *partial_key, *partial_hash, *partial; /* the text of a cut call, its step and
                                                         input hash; NULL when there is none */
    int64_t spent_udollar; /* steps: over all calls of that run, cut ones too */
    const struct store_followed *followed;
    const struct store_budget *budgets;
    enum store_cap cap; /* call_open */
    const struct store_stats *stats;
    const struct store_worker_seen *workers;
    const struct store_scale *scale;
    const struct store_fact {
        const char *name, *value;
    } * facts;
    const struct store_erased *erased;
    const struct store_invocation *invocations;
    const struct store_line *lines;
    const struct store_deployment *deployments;
    int version; /* of the pipeline */
    const struct store_delivery *deliveries;
    const struct store_endpoint_seen *endpoints;
    const struct store_schedule *schedules;
    const struct store_run *runs;
    int64_t now_us;   /* schedule_due, claim: the store's clock; 0 = this process's own */
    const char *text; /* setting or plan */
    const char *said; /* migrate: lines for people, or NULL */
};

#endif
