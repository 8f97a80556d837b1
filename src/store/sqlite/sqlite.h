/* In: store_ops on the store's thread. Out: their results. What the files of this folder share. */
#ifndef STORE_SQLITE_SQLITE_H
#define STORE_SQLITE_SQLITE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite/db.h"
#include "store/store_driver.h"

struct sqlite_mailbox; /* finished ops on their way to the loop */
struct sqlite_reader;  /* a thread that reads beside the one that writes */
struct sqlite_backup;

enum sqlite_reads { SQLITE_READS_QUICK, SQLITE_READS_LONG, SQLITE_READS_MAX };

struct sqlite_store {
    struct store base; /* first: a struct store is cast to this */
    struct db *db;     /* the thread's, once it runs */
    char *path;
    bool engine;
    char opener[UUID_TEXT_SIZE]; /* marks the leases of this open store */
    int lock_fd, writers_fd;     /* -1 = none */
    int64_t schema;              /* version of the file */

    struct sqlite_reader *readers[SQLITE_READS_MAX]; /* the engine's; NULL: the one thread reads */
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* of the next four */
    pthread_cond_t wake;
    struct store_op *queue, **queue_end;
    bool stop, watching;

    int64_t data_version; /* the thread's: changes when somebody else has written */
    size_t checkpoint_at; /* pages of log */
    bool erased;          /* somebody may have: the log is to be emptied, once that is possible */
    int64_t emptied_us;   /* after what was erased at that time */
    struct sqlite_backup *backup;
    struct sqlite_mailbox *mailbox;
};

/* A verb runs inside a transaction. A failure is returned; what it has written is then undone. Its
 * reason is the db's, or was set by store_op_fail(). */
typedef enum err (*sqlite_verb_fn)(struct sqlite_store *s, struct store_op *op);

enum err sqlite_insert(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_get(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_show(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_live(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_list(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_cancel(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_retry(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_delete(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_retry_all(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_rescue_foreign(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_worker_open(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_worker_renew(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_worker_version(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_worker_close(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_rescue(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_claim(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_check(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_progress(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_steps(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_follow(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_call_open(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_call_close(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_step_save(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_finish(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_budget(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_hooks_check(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_input(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_run_ended(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_endpoints_set(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_endpoint_drop(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_endpoints(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deliveries_take(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deliveries_note(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deliveries(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deliveries_retry(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_stats(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_places(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_workers(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_scale(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_sweep(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_erase(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_scale_get(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_examine(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_setting_set(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_setting_get(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_invocation_save(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_invocations(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_log_add(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_log(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deployment_add(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deployments(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deployment_get(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deployment_activate(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_deployment_active(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_save(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_remove(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_list(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_list_sql(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_due(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_plan(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_schedule_boot(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_run_take(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_run_end(struct sqlite_store *s, struct store_op *op) MUST_CHECK;
enum err sqlite_runs(struct sqlite_store *s, struct store_op *op) MUST_CHECK;

/* Answers with the unfinished runs that were made after that one (sqlite_runs.c). */
enum err sqlite_runs_after(struct sqlite_store *s, struct store_op *op, int64_t after) MUST_CHECK;

/* The checkpoints of a job's run, oldest first: those after a place, with their texts or without.
 */
struct sqlite_steps_wanted {
    const struct uuid *job;
    int run;
    int64_t after; /* 0 = all */
    bool texts;
};
enum err sqlite_steps_read(struct sqlite_store *s, const struct sqlite_steps_wanted *want,
                           struct arena *a, const struct store_step **ret_steps,
                           size_t *ret_n) MUST_CHECK;
/* A job's row, without position, cost and texts (sqlite_jobs.c). */
enum err sqlite_row(struct sqlite_store *s, const struct uuid *id, struct arena *a,
                    struct store_job *ret_job, bool *ret_found) MUST_CHECK;

/* Claims with a label (sqlite_label.c). Room for more of its jobs; may be 0. */
enum err sqlite_label_room(struct sqlite_store *s, const struct store_claim *claim,
                           size_t *ret_room) MUST_CHECK;
enum err sqlite_label_put(struct sqlite_store *s, const char *label,
                          const struct store_claimed *claimed, size_t n) MUST_CHECK;
enum err sqlite_due_left(struct sqlite_store *s, bool *ret_left) MUST_CHECK;

/* Runs fn for each item. When the database refuses one, the op is run again with care: then each
 * item stands alone, and those refused are STORE_REFUSED in op->result.lost. */
typedef enum err (*sqlite_item_fn)(struct sqlite_store *s, struct store_op *op, size_t i,
                                   enum store_lost *ret_lost);
/* Around one item that stands alone: the end is told how the item did. What a refused one has
 * written is undone; the first one's reason becomes the op's message. */
enum err sqlite_item_begin(struct sqlite_store *s) MUST_CHECK;
enum err sqlite_item_end(struct sqlite_store *s, struct store_op *op, enum err e,
                         bool *ret_refused) MUST_CHECK;
/* A job whose row the database does not let us change waits a minute; nobody works on it. */
enum err sqlite_put_off(struct sqlite_store *s, const char *job, int64_t now_us) MUST_CHECK;
/* The database refuses this very input; others are not concerned. */
bool sqlite_is_refusal(enum err e);
enum err sqlite_each(struct sqlite_store *s, struct store_op *op, sqlite_item_fn fn) MUST_CHECK;

/* Is the job still ours? Reads only. */
enum err sqlite_held(struct sqlite_store *s, const struct uuid *job, int64_t fence,
                     enum store_lost *ret_lost) MUST_CHECK;
/* Gives a job back: the users' row becomes pending, due then. By the id as the row spells it: what
 * a client has written need not be a UUID. */
enum err sqlite_requeue(struct sqlite_store *s, const char *job, int64_t run_at_us, int64_t now_us,
                        bool crashed) MUST_CHECK;
/* Ends a job as failed. */
enum err sqlite_fail(struct sqlite_store *s, const char *job, const char *error,
                     int64_t now_us) MUST_CHECK;
/* Forgets what the job's running step has written so far. */
enum err sqlite_drop_text(struct sqlite_store *s, const struct uuid *job) MUST_CHECK;
enum err sqlite_end_call(struct sqlite_store *s, const struct store_call_end *end,
                         int64_t now_us) MUST_CHECK;
/* Closes the open calls of workers whose lease is gone, as cut. */
enum err sqlite_end_lost_calls(struct sqlite_store *s, int64_t now_us) MUST_CHECK;

/* Around every write: the engine does not move the log meanwhile. */
void sqlite_write_begin(struct sqlite_store *s);
void sqlite_write_end(struct sqlite_store *s);

/* Schema: reads the file's version; ERR_NEWER. Then brings it up to date. */
enum err sqlite_schema_read(struct sqlite_store *s, struct errmsg *msg) MUST_CHECK;
bool sqlite_schema_is_current(const struct sqlite_store *s);
enum err sqlite_schema_migrate(struct sqlite_store *s, struct errmsg *msg) MUST_CHECK;
char *sqlite_schema_plan(const struct sqlite_store *s, struct arena *a);

/* Backup: an op that takes several turns of the thread. */
void sqlite_backup_start(struct sqlite_store *s, struct store_op *op);
struct store_op *sqlite_backup_step(struct sqlite_store *s, bool cancel); /* the op when it ends */

/* The way back to the loop, from any thread. `changed`: the change hint is wanted. */
struct sqlite_mailbox *sqlite_mailbox_new(struct sqlite_store *s);
void sqlite_mailbox_put(struct sqlite_mailbox *m, struct store_op *ops, bool changed);
void sqlite_mailbox_close(struct sqlite_mailbox *m); /* gives back what is in it, then frees it */

/* Readers: each op given in comes back through the mailbox; stop ends after what is queued. */
enum err sqlite_reader_start(const struct sqlite_store *s, struct sqlite_reader **ret_reader,
                             struct errmsg *msg) MUST_CHECK;
void sqlite_reader_submit(struct sqlite_reader *r, struct store_op *op);
void sqlite_reader_stop(struct sqlite_reader *r); /* takes NULL */
/* One transaction of ops that only read, on the view's db. */
void sqlite_run_reads(struct sqlite_store *view, struct store_op *ops);

/* Threads: starts them, or ends them after what is queued. */
enum err sqlite_thread_start(struct sqlite_store *s, struct errmsg *msg) MUST_CHECK;
void sqlite_thread_stop(struct sqlite_store *s); /* all ops are given back when it returns */
void sqlite_thread_submit(struct store *base, struct store_op *op);
void sqlite_thread_watch(struct store *base, bool on);

/* Times as the users' table spells them. */
int64_t
sqlite_time_parse(const char *text); /* RFC 3339 or SQLite's own form; 0 = NULL or neither */

#endif
