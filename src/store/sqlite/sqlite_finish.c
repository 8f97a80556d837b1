/* In: how attempts ended. Out: the queue row first, then the users' row, so that the triggers find
 * nothing left to do. */
#include "store/sqlite/sqlite.h"

#include "base/clock.h"

struct held { /* what the queue row knew */
    int64_t attempts, claimed_us;
};

static const char sql_queue_held[] =
    "SELECT attempts, claimed_at FROM scriptorium_queue WHERE job_id = ? AND fence = ?";
static const char sql_queue_drop[] = "DELETE FROM scriptorium_queue WHERE job_id = ?";
static const char sql_queue_back[] =
    "UPDATE scriptorium_queue SET state = ?, fence = 0, worker = NULL, run_at = ?,"
    " attempts = attempts + ?, crashes = crashes + ? WHERE job_id = ?";

static enum err drop_queue(struct sqlite_store *s, const char *job)
{
    struct query *q = db_query(s->db, sql_queue_drop);
    query_borrow(q, job);
    return query_run(q);
}

static enum err back_to_queue(struct sqlite_store *s, const char *job, int64_t run_at_us,
                              int64_t now_us, bool burn, bool crash)
{
    bool later = run_at_us > now_us;
    struct query *q = db_query(s->db, sql_queue_back);
    query_int(q, later ? 2 : 0);
    query_int(q, later ? run_at_us : now_us);
    query_int(q, burn);
    query_int(q, crash);
    query_borrow(q, job);
    return query_run(q);
}

/* ---- the users' row ----
 * OR FAIL: a failure ends the transaction anyway, so no statement needs a journal of its own, which
 * would copy every page it touches. */

#define CHUNKS                                                                                     \
    "coalesce(CASE WHEN json_valid(?4) THEN json_extract(?4, '$.chunks') END, total_chunks)"

/* What was done in the last second was not reported: all chunks are. */
static const char sql_row_complete[] =
    "UPDATE OR FAIL script_generation_jobs SET status = 'completed', progress = 100,"
    " current_step = 'completed', error_message = NULL, completed_at = ?1, updated_at = ?1,"
    " current_chunk = " CHUNKS ", total_chunks = " CHUNKS ","
    " processing_time_seconds = ?2, generated_script = ?3, script_metadata = ?4 WHERE id = ?5";
static const char sql_row_fail[] =
    "UPDATE OR FAIL script_generation_jobs SET status = 'failed', current_step = 'failed',"
    " error_message = ?1, updated_at = ?2, processing_time_seconds = ?3 WHERE id = ?4";
static const char sql_row_back[] =
    "UPDATE OR FAIL script_generation_jobs SET status = 'pending', progress = 0, current_step = ?1,"
    " error_message = coalesce(?2, error_message), retry_count = coalesce(?3, retry_count),"
    " updated_at = ?4 WHERE id = ?5";

static int64_t seconds_since(int64_t then_us, int64_t now_us)
{
    return now_us > then_us ? (now_us - then_us + USEC_PER_SEC / 2) / USEC_PER_SEC : 0;
}

static enum err complete(struct sqlite_store *s, const struct store_finish *f, const char *job,
                         const struct held *held, int64_t now_us)
{
    char now[CLOCK_ISO_SIZE];
    enum err e = drop_queue(s, job);
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, sql_row_complete);
    query_text(q, clock_iso(now_us, now));
    query_int(q, seconds_since(held->claimed_us, now_us));
    query_borrow(q, f->script);
    query_borrow(q, f->metadata);
    query_borrow(q, job);
    e = query_run(q);
    return e == OK ? sqlite_drop_text(s, &f->job) : e;
}

static enum err fail_row(struct sqlite_store *s, const char *job, const char *error,
                         int64_t claimed_us, int64_t now_us)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q = db_query(s->db, sql_row_fail);
    query_text(q, error);
    query_text(q, clock_iso(now_us, now));
    query_int(q, seconds_since(claimed_us, now_us));
    query_borrow(q, job);
    return query_run(q);
}

static enum err row_back(struct sqlite_store *s, const char *job, const char *step,
                         const char *error, const int64_t *retry_count, int64_t now_us)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q = db_query(s->db, sql_row_back);
    query_text(q, step);
    query_text(q, error);
    if (retry_count != NULL)
        query_int(q, *retry_count);
    else
        query_text(q, NULL);
    query_text(q, clock_iso(now_us, now));
    query_borrow(q, job);
    return query_run(q);
}

enum err sqlite_requeue(struct sqlite_store *s, const char *job, int64_t run_at_us, int64_t now_us,
                        bool crashed)
{
    enum err e = back_to_queue(s, job, run_at_us, now_us, false, crashed);
    return e == OK ? row_back(s, job, "queued", NULL, NULL, now_us) : e;
}

static bool read_held(struct sqlite_store *s, const char *job, int64_t fence, struct held *ret)
{
    struct query *q = db_query(s->db, sql_queue_held);
    query_borrow(q, job);
    query_int(q, fence);
    if (!query_next(q))
        return false;
    *ret = (struct held){query_get_int(q, 0), query_get_int(q, 1)};
    query_end(q);
    return true;
}

enum err sqlite_fail(struct sqlite_store *s, const char *job, const char *error, int64_t now_us)
{
    int64_t claimed_us = now_us;
    struct query *q = db_query(s->db, "SELECT claimed_at FROM scriptorium_queue WHERE job_id = ?");
    query_borrow(q, job);
    if (query_next(q)) {
        claimed_us = query_get_int(q, 0);
        query_end(q);
    }
    enum err e = drop_queue(s, job);
    return e == OK ? fail_row(s, job, error, claimed_us, now_us) : e;
}

/* ---- one item ---- */

static enum err finish_held(struct sqlite_store *s, const struct store_finish *f, const char *job,
                            const struct held *held, int64_t now_us)
{
    enum err e = OK;
    int64_t retries = held->attempts + 1;
    switch (f->outcome) {
    case STORE_COMPLETE:
        return complete(s, f, job, held, now_us);
    case STORE_FAIL:
        e = drop_queue(s, job);
        return e == OK ? fail_row(s, job, f->error, held->claimed_us, now_us) : e;
    case STORE_RETRY:
        e = back_to_queue(s, job, f->run_at_us, now_us, true, false);
        return e == OK ? row_back(s, job, "retry_queued", f->error, &retries, now_us) : e;
    case STORE_RELEASE:
    case STORE_OUTCOME_MAX:
        break;
    }
    e = back_to_queue(s, job, f->run_at_us, now_us, false, false);
    return e == OK ? row_back(s, job, "queued", f->error, NULL, now_us) : e;
}

static enum err finish_one(struct sqlite_store *s, struct store_op *op, size_t i,
                           enum store_lost *ret_lost)
{
    const struct store_finish *f = &op->in.finish[i];
    struct held held;
    char job[UUID_TEXT_SIZE];
    *ret_lost = STORE_HELD;
    if (f->fence > 0 && read_held(s, uuid_text(&f->job, job), f->fence, &held))
        return finish_held(s, f, job, &held, op->now_us);
    if (db_error(s->db) != OK)
        return db_error(s->db);
    return sqlite_held(s, &f->job, f->fence, ret_lost);
}

enum err sqlite_finish(struct sqlite_store *s, struct store_op *op)
{
    return sqlite_each(s, op, finish_one);
}
