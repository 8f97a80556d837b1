/* In: ops from the loop. Out: the same ops with their results, back on the loop. One thread writes
 * the database; what has queued up while it worked becomes one transaction, so that many requests
 * share one wait for the disk. Who only reads goes to the engine's readers, beside it. */
#include "store/sqlite/sqlite.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "store/sqlite/sqlite_files.h"

#define GROUP_MAX        512 /* ops in one transaction */
#define POLL_US          (200 * USEC_PER_MSEC)
#define CHECKPOINT_PAGES 8192 /* 32 MiB of log */

/* ---- one op ---- */

static const struct {
    sqlite_verb_fn fn;
    bool reads; /* only */
    bool items; /* that stand alone: when the database refuses one, it is run again with care */
} verbs[VERB_MAX] = {
    [VERB_INSERT] = {sqlite_insert, false, false},
    [VERB_GET] = {sqlite_get, true, false},
    [VERB_SHOW] = {sqlite_show, true, false},
    [VERB_LIST] = {sqlite_list, true, false},
    [VERB_LIVE] = {sqlite_live, true, false},
    [VERB_CANCEL] = {sqlite_cancel, false, false},
    [VERB_RETRY] = {sqlite_retry, false, false},
    [VERB_DELETE] = {sqlite_delete, false, false},
    [VERB_RETRY_ALL] = {sqlite_retry_all, false, false},
    [VERB_RESCUE_FOREIGN] = {sqlite_rescue_foreign, false, false},
    [VERB_WORKER_OPEN] = {sqlite_worker_open, false, false},
    [VERB_WORKER_RENEW] = {sqlite_worker_renew, false, false},
    [VERB_WORKER_CLOSE] = {sqlite_worker_close, false, true},
    [VERB_RESCUE] = {sqlite_rescue, false, true},
    [VERB_CLAIM] = {sqlite_claim, false, true},
    [VERB_CHECK] = {sqlite_check, true, false},
    [VERB_PROGRESS] = {sqlite_progress, false, true},
    [VERB_STEPS] = {sqlite_steps, true, false},
    [VERB_FOLLOW] = {sqlite_follow, true, false},
    [VERB_CALL_OPEN] = {sqlite_call_open, false, false},
    [VERB_CALL_CLOSE] = {sqlite_call_close, false, false},
    [VERB_STEP_SAVE] = {sqlite_step_save, false, false},
    [VERB_FINISH] = {sqlite_finish, false, true},
    [VERB_HOOKS_CHECK] = {sqlite_hooks_check, true, false},
    [VERB_BUDGET] = {sqlite_budget, true, false},
    [VERB_INPUT] = {sqlite_input, true, false},
    [VERB_RUN_ENDED] = {sqlite_run_ended, true, false},
    [VERB_ENDPOINTS_SET] = {sqlite_endpoints_set, false, false},
    [VERB_ENDPOINT_DROP] = {sqlite_endpoint_drop, false, false},
    [VERB_ENDPOINTS] = {sqlite_endpoints, true, false},
    [VERB_DELIVERIES_TAKE] = {sqlite_deliveries_take, false, false},
    [VERB_DELIVERIES_NOTE] = {sqlite_deliveries_note, false, false},
    [VERB_DELIVERIES] = {sqlite_deliveries, true, false},
    [VERB_DELIVERIES_RETRY] = {sqlite_deliveries_retry, false, false},
    [VERB_STATS] = {sqlite_stats, true, false},
    [VERB_PLACES] = {sqlite_places, true, false},
    [VERB_WORKERS] = {sqlite_workers, true, false},
    [VERB_SCALE] = {sqlite_scale, false, false},
    [VERB_SWEEP] = {sqlite_sweep, false, false},
    [VERB_ERASE] = {sqlite_erase, false, false},
    [VERB_SCALE_GET] = {sqlite_scale_get, true, false},
    [VERB_EXAMINE] = {sqlite_examine, true, false},
    [VERB_SETTING_SET] = {sqlite_setting_set, false, false},
    [VERB_SETTING_GET] = {sqlite_setting_get, true, false},
    [VERB_READY] = {sqlite_setting_get, true, false}, /* that it answers is enough */
    [VERB_INVOCATION_SAVE] = {sqlite_invocation_save, false, false},
    [VERB_INVOCATIONS] = {sqlite_invocations, true, false},
    [VERB_LOG_ADD] = {sqlite_log_add, false, false},
    [VERB_LOG] = {sqlite_log, true, false},
    [VERB_WORKER_VERSION] = {sqlite_worker_version, false, false},
    [VERB_DEPLOYMENT_ADD] = {sqlite_deployment_add, false, false},
    [VERB_DEPLOYMENTS] = {sqlite_deployments, true, false},
    [VERB_DEPLOYMENT_GET] = {sqlite_deployment_get, true, false},
    [VERB_DEPLOYMENT_ACTIVATE] = {sqlite_deployment_activate, false, false},
    [VERB_DEPLOYMENT_ACTIVE] = {sqlite_deployment_active, true, false},
    [VERB_SCHEDULE_SAVE] = {sqlite_schedule_save, false, false},
    [VERB_SCHEDULE_REMOVE] = {sqlite_schedule_remove, false, false},
    [VERB_SCHEDULE_LIST] = {sqlite_schedule_list, true, false},
    [VERB_SCHEDULE_LIST_SQL] = {sqlite_schedule_list_sql, true, false},
    [VERB_SCHEDULE_DUE] = {sqlite_schedule_due, true, false},
    [VERB_SCHEDULE_PLAN] = {sqlite_schedule_plan, false, false},
    [VERB_SCHEDULE_BOOT] = {sqlite_schedule_boot, false, false},
    [VERB_RUN_TAKE] = {sqlite_run_take, false, false},
    [VERB_RUN_END] = {sqlite_run_end, false, false},
    [VERB_RUNS] = {sqlite_runs, true, false},
};

static enum err run(struct db *db, const char *sql)
{
    return query_run(db_query(db, sql));
}

/* Runs the op. True: go on. False: it failed after it had written something, which must be undone
 * with the rest of the transaction; run the others again. */
static bool run_op(struct sqlite_store *s, struct store_op *op)
{
    struct db *db = s->db;
    int64_t written = db_total_changes(db);
    db_clear(db);
    op->result = (struct store_result){0};
    op->n_placed = 0;
    op->why = NULL;
    op->changed = false;
    enum err e = verbs[op->verb].fn(s, op);
    /* Clean: it succeeded, or a verb said no before it wrote anything. */
    bool clean = e == OK || (db_error(db) == OK && db_total_changes(db) == written);
    if (e != OK && !clean && !op->careful && sqlite_is_refusal(e) && verbs[op->verb].items)
        op->careful = true;
    else if (e != OK)
        store_op_fail(op, e, "%s", db_message(db));
    db_clear(db);
    return clean;
}

/* ---- one transaction ---- */

void sqlite_write_begin(struct sqlite_store *s)
{
    if (!s->engine)
        sqlite_files_share_writers(s->writers_fd);
}

void sqlite_write_end(struct sqlite_store *s)
{
    if (!s->engine)
        sqlite_files_unlock_writers(s->writers_fd);
}

static void fail_all(struct store_op *ops, enum err e, const char *message)
{
    for (struct store_op *op = ops; op != NULL; op = op->next)
        store_op_fail(op, e, "%s", message);
}

static bool is_transactional(const struct store_op *op)
{
    return op->verb != VERB_MIGRATE && op->verb != VERB_BACKUP;
}

static void roll_back(struct db *db)
{
    db_clear(db);
    if (db_in_transaction(db))
        (void)!run(db, "ROLLBACK");
    db_clear(db);
}

/* False: an op had to be undone and the transaction with it. That op has its error now, or will
 * take more care; the others are to be run again. */
static bool try_group(struct sqlite_store *s, struct store_op *ops, bool reads)
{
    struct db *db = s->db;
    db_clear(db);
    if (run(db, reads ? "BEGIN" : "BEGIN IMMEDIATE") != OK) {
        fail_all(ops, db_error(db), db_message(db));
        return true;
    }
    for (struct store_op *op = ops; op != NULL; op = op->next) {
        if (op->result.err == OK && !run_op(s, op)) {
            roll_back(db);
            return false;
        }
    }
    if (run(db, "COMMIT") != OK) {
        fail_all(ops, db_error(db), db_message(db));
        roll_back(db);
    }
    return true;
}

static void run_group(struct sqlite_store *s, struct store_op *ops)
{
    bool reads = true;
    for (struct store_op *op = ops; op != NULL; op = op->next)
        reads = reads && verbs[op->verb].reads;
    if (!reads)
        sqlite_write_begin(s);
    while (!try_group(s, ops, reads))
        ;
    if (!reads)
        sqlite_write_end(s);
}

void sqlite_run_reads(struct sqlite_store *view, struct store_op *ops)
{
    while (!try_group(view, ops, true))
        ;
}

static void run_migrate(struct sqlite_store *s, struct store_op *op)
{
    struct errmsg msg = {0};
    db_clear(s->db);
    if ((op->in.migrate & STORE_MIGRATE_CRON) != 0) {
        store_op_fail(op, ERR_UNSUPPORTED,
                      "schedules in SQL are for PostgreSQL; here use `scriptorium cron schedule`");
        return;
    }
    if ((op->in.migrate & STORE_MIGRATE_DRY_RUN) != 0) {
        op->result.text = sqlite_schema_plan(s, &op->arena);
        return;
    }
    sqlite_write_begin(s);
    op->result.err = sqlite_schema_migrate(s, &msg);
    sqlite_write_end(s);
    if (op->result.err != OK)
        op->result.message = arena_strdup(&op->arena, msg.text);
}

static void refuse_old_schema(struct sqlite_store *s, struct store_op *ops)
{
    for (struct store_op *op = ops; op != NULL; op = op->next)
        store_op_fail(op, ERR_UNSUPPORTED,
                      "%s: schema %lld is older than this program's; run `scriptorium migrate`",
                      s->path, (long long)s->schema);
}

/* Takes the head of the list: as many ops as go into one transaction, or a single special one. */
static struct store_op *cut_group(struct store_op **list)
{
    struct store_op *head = *list, *last = head;
    for (int n = 1; is_transactional(head) && last->next != NULL && n < GROUP_MAX &&
                    is_transactional(last->next);
         n++)
        last = last->next;
    *list = last->next;
    last->next = NULL;
    return head;
}

/* ---- the log and other writers ---- */

/* SQLite before 3.51.3 can lose the log when two connections reset it at the same moment, so the
 * engine moves it into the file only while nobody else writes. Those who only read never reset it.
 */
static void checkpoint(struct sqlite_store *s)
{
    if (!s->engine || db_wal_pages(s->db) < s->checkpoint_at ||
        !sqlite_files_lock_writers(s->writers_fd))
        return;
    (void)!db_checkpoint(s->db); /* on failure the log stays: nothing is lost */
    db_clear(s->db);
    s->checkpoint_at = db_wal_pages(s->db) + CHECKPOINT_PAGES;
    sqlite_files_unlock_writers(s->writers_fd);
}

/* What was erased is overwritten in the file, but the log keeps the pages as they were until they
 * are written over. Whoever erases leaves a note of when; only the engine may empty the log. */
static void empty_log(struct sqlite_store *s)
{
    int64_t erased_us = 0;
    if (!s->engine || !s->erased)
        return;
    struct query *q = db_query(s->db, "SELECT value FROM scriptorium_setting WHERE key = 'erased'");
    if (query_next(q)) {
        erased_us = query_get_int(q, 0);
        query_end(q);
    }
    if (erased_us == s->emptied_us) {
        s->erased = false;
    } else if (sqlite_files_lock_writers(s->writers_fd)) {
        s->erased = db_empty_log(s->db) != OK; /* somebody reads: at the next look */
        if (!s->erased)
            s->emptied_us = erased_us;
        sqlite_files_unlock_writers(s->writers_fd);
    }
    db_clear(s->db);
}

static void poll_others(struct sqlite_store *s)
{
    struct query *q = db_query(s->db, "PRAGMA data_version");
    if (query_next(q)) {
        int64_t version = query_get_int(q, 0);
        query_end(q);
        if (s->data_version != 0 && version != s->data_version)
            sqlite_mailbox_put(s->mailbox, NULL, true);
        s->erased = s->erased || (s->engine && version != s->data_version);
        s->data_version = version;
    }
    db_clear(s->db);
    empty_log(s);
}

/* ---- the thread ---- */

static void work(struct sqlite_store *s, struct store_op *list)
{
    while (list != NULL) {
        struct store_op *group = cut_group(&list);
        if (group->verb == VERB_BACKUP && s->backup == NULL) {
            sqlite_backup_start(s, group);
            continue;
        }
        if (group->verb == VERB_BACKUP)
            store_op_fail(group, ERR_BUSY, "a backup is being made already; wait for it");
        else if (group->verb == VERB_MIGRATE)
            run_migrate(s, group);
        else if (!sqlite_schema_is_current(s))
            refuse_old_schema(s, group);
        else
            run_group(s, group);
        bool changed = false;
        for (struct store_op *op = group; op != NULL; op = op->next)
            changed = changed || (op->changed && op->result.err == OK);
        sqlite_mailbox_put(s->mailbox, group, changed);
    }
    checkpoint(s);
}

/* Waits for work; returns it, or NULL after the poll interval. */
static struct store_op *wait_for_work(struct sqlite_store *s, int64_t poll_at, bool *ret_stop)
{
    struct timespec until = {.tv_sec = poll_at / USEC_PER_SEC,
                             .tv_nsec = poll_at % USEC_PER_SEC * 1000};
    int rc = 0;
    pthread_mutex_lock(&s->mutex);
    while (s->queue == NULL && !s->stop && rc == 0 && s->backup == NULL)
        rc = s->watching ? pthread_cond_timedwait(&s->wake, &s->mutex, &until)
                         : pthread_cond_wait(&s->wake, &s->mutex);
    struct store_op *list = s->queue;
    s->queue = NULL;
    s->queue_end = &s->queue;
    *ret_stop = s->stop && list == NULL;
    pthread_mutex_unlock(&s->mutex);
    return list;
}

static void *thread_main(void *ctx)
{
    struct sqlite_store *s = ctx;
    bool stop = false;
    int64_t poll_at = clock_mono() + POLL_US;
    poll_others(s);
    while (!stop) {
        struct store_op *list = wait_for_work(s, poll_at, &stop);
        work(s, list);
        if (s->backup != NULL) {
            struct store_op *ended = sqlite_backup_step(s, stop);
            if (ended != NULL)
                sqlite_mailbox_put(s->mailbox, ended, false);
        }
        if (clock_mono() >= poll_at) {
            poll_others(s);
            poll_at = clock_mono() + POLL_US;
        }
    }
    return NULL;
}

/* By key: a few pages. What may look at many rows does not stand in their way. */
static bool is_quick(enum store_verb verb)
{
    return verb == VERB_GET || verb == VERB_SHOW || verb == VERB_STEPS || verb == VERB_FOLLOW ||
           verb == VERB_CHECK || verb == VERB_SETTING_GET || verb == VERB_READY ||
           verb == VERB_DEPLOYMENT_ACTIVE;
}

static struct sqlite_reader *reader_for(const struct sqlite_store *s, enum store_verb verb)
{
    if (!verbs[verb].reads)
        return NULL;
    return s->readers[is_quick(verb) ? SQLITE_READS_QUICK : SQLITE_READS_LONG];
}

static enum err start_readers(struct sqlite_store *s, struct errmsg *msg)
{
    enum err e = OK;
    /* Whoever is not the engine asks one thing and goes; an old schema answers nothing yet. */
    for (size_t i = 0; i < SQLITE_READS_MAX && e == OK && s->engine; i++)
        e = sqlite_reader_start(s, &s->readers[i], msg);
    return e;
}

enum err sqlite_thread_start(struct sqlite_store *s, struct errmsg *msg)
{
    s->mailbox = sqlite_mailbox_new(s);
    s->queue_end = &s->queue;
    s->checkpoint_at = CHECKPOINT_PAGES;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    enum err e = start_readers(s, msg);
    if (e == OK && pthread_create(&s->thread, NULL, thread_main, s) != 0)
        e = err_set(msg, ERR_IO, "%s: no thread can be started to write with", s->path);
    s->running = e == OK;
    if (e != OK)
        sqlite_thread_stop(s);
    return e;
}

void sqlite_thread_stop(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (s->running)
        pthread_join(s->thread, NULL);
    for (size_t i = 0; i < SQLITE_READS_MAX; i++)
        sqlite_reader_stop(s->readers[i]);
    sqlite_mailbox_close(s->mailbox);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
}

void sqlite_thread_submit(struct store *base, struct store_op *op)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    struct sqlite_reader *reader = reader_for(s, op->verb);
    pthread_mutex_lock(&s->mutex);
    bool closed = s->stop;
    if (!closed && reader != NULL) {
        sqlite_reader_submit(reader, op);
    } else if (!closed) {
        *s->queue_end = op;
        s->queue_end = &op->next;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->mutex);
    if (closed) {
        store_op_fail(op, ERR_CLOSED, "%s: the store is closed", s->path);
        sqlite_mailbox_put(s->mailbox, op, false);
    }
}

void sqlite_thread_watch(struct store *base, bool on)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    pthread_mutex_lock(&s->mutex);
    s->watching = on;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}
