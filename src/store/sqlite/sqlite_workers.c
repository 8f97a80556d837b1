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
    "INSERT INTO scriptorium_worker (id, opener, name, lease, held_since, expires, version)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?5 + ?4, nullif(?6, -1))";

enum err sqlite_worker_open(struct sqlite_store *s, struct store_op *op)
{
    const struct store_worker *w = &op->in.worker;
    struct query *q = db_query(s->db, sql_open);
    query_id(q, &w->id);
    query_text(q, s->opener);
    query_text(q, w->name);
    query_int(q, w->lease_us);
    query_int(q, op->now_us);
    query_int(q, w->version);
    return query_run(q);
}

enum err sqlite_worker_version(struct sqlite_store *s, struct store_op *op)
{
    struct query *q =
        db_query(s->db, "UPDATE scriptorium_worker SET version = nullif(?1, -1) WHERE id = ?2");
    query_int(q, op->in.worker.version);
    query_id(q, &op->in.worker.id);
    enum err e = query_run(q);
    if (e == OK && db_changes(s->db) == 0)
        return lost(op);
    return e;
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
    struct orphan *next;
    const char *job; /* the id as the row spells it */
    struct job_model model;
    bool in_call;
};

#define ORPHAN                                                                                     \
    "SELECT q.job_id, q.fence, q.crashes, EXISTS (SELECT 1 FROM scriptorium_call c"                \
    " INDEXED BY scriptorium_call_job"                                                             \
    " WHERE c.job_id = q.job_id AND c.worker = q.worker AND c.state = 0)"                          \
    " FROM scriptorium_queue q INDEXED BY scriptorium_queue_running WHERE q.state = 1"
static const char sql_orphans[] = ORPHAN " AND q.worker NOT IN (SELECT id FROM scriptorium_worker)";
static const char sql_own[] = ORPHAN " AND q.worker = ?";

/* All of them, before the first is changed. */
static struct orphan *read_orphans(struct store_op *op, struct query *q)
{
    struct orphan *first = NULL;
    while (query_next(q)) {
        struct orphan *o = arena_alloc(&op->arena, sizeof *o);
        *o = (struct orphan){.next = first,
                             .job = query_copy_text(q, 0, &op->arena),
                             .model = {.state = STATE_RUNNING,
                                       .fence = query_get_int(q, 1),
                                       .crashes = (int)query_get_int(q, 2)},
                             .in_call = query_get_int(q, 3) != 0};
        first = o;
    }
    return first;
}

typedef enum err (*orphan_fn)(struct sqlite_store *s, struct store_op *op, const struct orphan *o);

/* After a refusal each stands alone; what the users' table does not let go is put off. */
static enum err orphan_carefully(struct sqlite_store *s, struct store_op *op, orphan_fn fn,
                                 const struct orphan *o)
{
    bool refused = false;
    const struct store_result before = op->result;
    enum err e = sqlite_item_begin(s);
    if (e == OK)
        e = sqlite_item_end(s, op, fn(s, op, o), &refused);
    if (!refused || e != OK)
        return e;
    op->result.count = before.count;
    op->result.failed = before.failed;
    return sqlite_put_off(s, o->job, op->now_us);
}

static enum err each_orphan(struct sqlite_store *s, struct store_op *op, struct query *q,
                            orphan_fn fn)
{
    const struct orphan *o = read_orphans(op, q);
    enum err e = db_error(s->db);
    for (; o != NULL && e == OK; o = o->next)
        e = op->careful ? orphan_carefully(s, op, fn, o) : fn(s, op, o);
    op->changed = op->result.count > 0;
    return e;
}

static enum err rescue_one(struct sqlite_store *s, struct store_op *op, const struct orphan *o)
{
    static const char poison[] =
        "given up: the process that worked on it ended %d times in a row without any progress";
    const struct job_event_args args = {
        .now_us = op->now_us, .fence = o->model.fence, .in_call = o->in_call};
    struct job_model next;
    unsigned effects;
    enum err e = job_apply(&o->model, EVENT_RESCUE, &args, &next, &effects);
    if (e != OK)
        return e;
    if (next.state == STATE_WAITING) {
        op->result.count++;
        return sqlite_requeue(s, o->job, next.run_at_us, op->now_us,
                              next.crashes > o->model.crashes);
    }
    char error[128];
    (void)snprintf(error, sizeof error, poison, JOB_CRASHES_MAX);
    op->result.failed++;
    return sqlite_fail(s, o->job, error, op->now_us);
}

static enum err give_back_one(struct sqlite_store *s, struct store_op *op, const struct orphan *o)
{
    op->result.count++;
    return sqlite_requeue(s, o->job, op->now_us, op->now_us, false);
}

/* ---- close ---- */

static enum err drop_worker(struct sqlite_store *s, const struct uuid *id)
{
    struct query *q = db_query(s->db, "DELETE FROM scriptorium_worker WHERE id = ?");
    query_id(q, id);
    return query_run(q);
}

enum err sqlite_worker_close(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_own);
    query_id(q, &op->in.id);
    enum err e = each_orphan(s, op, q, give_back_one);
    if (e == OK)
        e = drop_worker(s, &op->in.id);
    if (e == OK)
        e = sqlite_end_lost_calls(s, op->now_us);
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

/* Calls of the function endpoint that were made by those who have died: nobody will tell how their
 * jobs ended. */
static const char sql_settle[] =
    "UPDATE scriptorium_invocation SET settled = 1,"
    " error = coalesce(error, 'the process that was called ended before its jobs')"
    " WHERE settled = 0 AND worker NOT IN"
    " (SELECT name FROM scriptorium_worker WHERE name IS NOT NULL)";

static enum err bury(struct sqlite_store *s, struct store_op *op, bool all_older)
{
    struct query *q =
        db_query(s->db, all_older ? "DELETE FROM scriptorium_worker WHERE opener <> ?"
                                  : "DELETE FROM scriptorium_worker WHERE expires < ?");
    if (all_older)
        query_text(q, s->opener);
    else
        query_int(q, op->now_us);
    enum err e = query_run(q);
    return e == OK && db_changes(s->db) > 0 ? query_run(db_query(s->db, sql_settle)) : e;
}

enum err sqlite_rescue(struct sqlite_store *s, struct store_op *op)
{
    bool start = uuid_is_nil(&op->in.id), may = start;
    enum err e = start ? OK : may_rescue(s, op, &may);
    if (e != OK || !may)
        return e;
    e = bury(s, op, start);
    if (e == OK)
        e = each_orphan(s, op, db_query(s->db, sql_orphans), rescue_one);
    if (e == OK)
        e = sqlite_end_lost_calls(s, op->now_us);
    return e;
}
