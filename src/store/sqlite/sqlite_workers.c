/* In: workers that live, leave or vanish. Out: their leases, and jobs taken back from the dead. A
 * lease that is gone from the table is dead. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>

#include "base/clock.h"

static enum err lost(struct store_op *op)
{
    store_op_fail(op, ERR_LOST, "the worker's lease is gone");
    return ERR_LOST;
}

static const char sql_open[] =
    "INSERT INTO scriptorium_worker (id, opener, name, lease, held_since, expires)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?5 + ?4)";

enum err sqlite_worker_open(struct sqlite_store *s, struct store_op *op)
{
    const struct store_worker *w = &op->in.worker;
    struct query *q = db_query(s->db, sql_open);
    query_id(q, &w->id);
    query_text(q, s->opener);
    query_text(q, w->name);
    query_int(q, w->lease_us);
    query_int(q, op->now_us);
    return query_run(q);
}

/* A renewal after the end starts a new unbroken span. */
static const char sql_renew[] =
    "UPDATE scriptorium_worker SET"
    " held_since = CASE WHEN ?1 > expires THEN ?1 ELSE held_since END, expires = ?1 + lease"
    " WHERE id = ?2";

enum err sqlite_worker_renew(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_renew);
    query_int(q, op->now_us);
    query_id(q, &op->in.id);
    enum err e = query_run(q);
    if (e == OK && db_changes(s->db) == 0)
        return lost(op);
    return e;
}

/* ---- running jobs without a living worker ---- */

struct orphan {
    struct uuid job;
    int64_t crashes;
};

static const char sql_orphan[] =
    "SELECT job_id, crashes FROM scriptorium_queue"
    " WHERE state = 1 AND job_id IN (SELECT job_id FROM scriptorium_queue"
    " INDEXED BY scriptorium_queue_running WHERE state = 1"
    " AND worker NOT IN (SELECT id FROM scriptorium_worker) LIMIT 1)";

static bool find_orphan(struct sqlite_store *s, struct orphan *ret)
{
    struct query *q = db_query(s->db, sql_orphan);
    if (!query_next(q))
        return false;
    *ret = (struct orphan){query_get_id(q, 0), query_get_int(q, 1)};
    query_end(q);
    return true;
}

static enum err rescue_one(struct sqlite_store *s, struct store_op *op, const struct orphan *o)
{
    static const char poison[] =
        "given up: the process that worked on it ended %d times in a row without any progress";
    if (o->crashes + 1 < JOB_CRASHES_MAX) {
        op->result.count++;
        return sqlite_requeue(s, &o->job, op->now_us, true);
    }
    char error[128];
    (void)snprintf(error, sizeof error, poison, JOB_CRASHES_MAX);
    op->result.failed++;
    return sqlite_fail(s, &o->job, error, op->now_us);
}

static enum err rescue_orphans(struct sqlite_store *s, struct store_op *op)
{
    struct orphan o;
    enum err e = OK;
    while (e == OK && find_orphan(s, &o))
        e = rescue_one(s, op, &o);
    op->changed = op->result.count > 0;
    return e == OK ? db_error(s->db) : e;
}

/* ---- close ---- */

static enum err drop_worker(struct sqlite_store *s, const struct uuid *id)
{
    struct query *q = db_query(s->db, "DELETE FROM scriptorium_worker WHERE id = ?");
    query_id(q, id);
    return query_run(q);
}

static const char sql_own[] =
    "SELECT job_id FROM scriptorium_queue INDEXED BY scriptorium_queue_running"
    " WHERE state = 1 AND worker = ? LIMIT 1";

enum err sqlite_worker_close(struct sqlite_store *s, struct store_op *op)
{
    enum err e = OK;
    while (e == OK) {
        struct query *q = db_query(s->db, sql_own);
        query_id(q, &op->in.id);
        if (!query_next(q))
            break;
        struct uuid job = query_get_id(q, 0);
        query_end(q);
        op->result.count++;
        e = sqlite_requeue(s, &job, op->now_us, false);
    }
    if (e == OK)
        e = db_error(s->db);
    if (e == OK)
        e = drop_worker(s, &op->in.id);
    if (e == OK)
        e = sqlite_end_lost_calls(s, op->now_us);
    op->changed = op->result.count > 0;
    return e;
}

/* ---- rescue ---- */

static const char sql_rescuer[] = "SELECT expires, held_since, lease FROM scriptorium_worker"
                                  " WHERE id = ?";

/* A worker that was away itself must not judge others: after an outage all leases have run out,
 * and those who come back a moment later are not dead. */
static enum err may_rescue(struct sqlite_store *s, struct store_op *op, bool *ret_may)
{
    struct query *q = db_query(s->db, sql_rescuer);
    query_id(q, &op->in.id);
    if (!query_next(q))
        return db_error(s->db) != OK ? db_error(s->db) : lost(op);
    int64_t expires = query_get_int(q, 0), since = query_get_int(q, 1), lease = query_get_int(q, 2);
    query_end(q);
    *ret_may = op->now_us <= expires && op->now_us - since >= lease;
    return OK;
}

static enum err bury(struct sqlite_store *s, struct store_op *op, bool all_older)
{
    struct query *q =
        db_query(s->db, all_older ? "DELETE FROM scriptorium_worker WHERE opener <> ?"
                                  : "DELETE FROM scriptorium_worker WHERE expires < ?");
    if (all_older)
        query_text(q, s->opener);
    else
        query_int(q, op->now_us);
    return query_run(q);
}

enum err sqlite_rescue(struct sqlite_store *s, struct store_op *op)
{
    bool start = uuid_is_nil(&op->in.id), may = start;
    enum err e = start ? OK : may_rescue(s, op, &may);
    if (e != OK || !may)
        return e;
    e = bury(s, op, start);
    if (e == OK)
        e = rescue_orphans(s, op);
    if (e == OK)
        e = sqlite_end_lost_calls(s, op->now_us);
    return e;
}
