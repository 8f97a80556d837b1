/* In: firings of schedules. Out: carried out by the worker that has them, taken over from the dead,
 * ended, listed. */
#include "store/sqlite/sqlite.h"

#define RUN                                                                                        \
    "SELECT id, schedule_id, fire_at, name, label, state, attempt, claimed, ended, invocation,"    \
    " node, message FROM scriptorium_schedule_run"

static struct store_run read_run(struct query *q, struct arena *a)
{
    return (struct store_run){.id = query_get_int(q, 0),
                              .schedule = query_get_int(q, 1),
                              .fire_us = query_get_int(q, 2),
                              .name = query_copy_text(q, 3, a),
                              .label = query_copy_text(q, 4, a),
                              .state = (enum store_run_state)query_get_int(q, 5),
                              .attempt = (int)query_get_int(q, 6),
                              .claimed_us = query_get_int(q, 7),
                              .ended_us = query_get_int(q, 8),
                              .invocation = query_get_id(q, 9),
                              .node = query_copy_text(q, 10, a),
                              .message = query_copy_text(q, 11, a)};
}

static enum err read_runs(struct sqlite_store *s, struct store_op *op, struct query *q, size_t max)
{
    struct store_run *all = arena_array(&op->arena, max, sizeof *all);
    size_t n = 0;
    while (n < max && query_next(q))
        all[n++] = read_run(q, &op->arena);
    if (n == max)
        query_end(q);
    op->result.runs = all;
    op->result.n = n;
    return db_error(s->db);
}

enum err sqlite_runs_after(struct sqlite_store *s, struct store_op *op, int64_t after)
{
    struct query *q = db_query(s->db, RUN " WHERE id > ?1 AND state = 0 ORDER BY id");
    query_int(q, after);
    return read_runs(s, op, q, STORE_BATCH_MAX);
}

static const char sql_lose[] =
    "UPDATE scriptorium_schedule_run SET state = 4, ended = ?,"
    " message = coalesce(message || '; ', '') || 'its worker ended before it was done'"
    " WHERE state = 0 AND worker NOT IN (SELECT id FROM scriptorium_worker)"
    " AND (missed = 0 OR attempt >= ?)";
static const char sql_take[] =
    "UPDATE scriptorium_schedule_run SET worker = ?1, claimed = ?2, attempt = attempt + 1,"
    " node = (SELECT name FROM scriptorium_worker WHERE id = ?1)"
    " WHERE state = 0 AND worker NOT IN (SELECT id FROM scriptorium_worker)";

enum err sqlite_run_take(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "SELECT 1 FROM scriptorium_worker WHERE id = ?");
    query_id(q, &op->in.plan.worker);
    if (!query_next(q)) {
        if (db_error(s->db) != OK)
            return db_error(s->db);
        store_op_fail(op, ERR_LOST, "the worker's lease is gone");
        return ERR_LOST;
    }
    query_end(q);
    q = db_query(s->db, sql_lose);
    query_int(q, op->now_us);
    query_int(q, STORE_RUN_ATTEMPTS);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, sql_take);
    query_id(q, &op->in.plan.worker);
    query_int(q, op->now_us);
    e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, RUN " WHERE state = 0 AND worker = ? ORDER BY id");
    query_id(q, &op->in.plan.worker);
    return read_runs(s, op, q, STORE_BATCH_MAX);
}

static const char sql_end[] =
    "UPDATE scriptorium_schedule_run SET state = ?3, ended = ?4, invocation = ?5,"
    " message = coalesce(message || '; ' || ?6, ?6, message) WHERE id = ?1 AND attempt = ?2 AND "
    "state = 0";

enum err sqlite_run_end(struct sqlite_store *s, struct store_op *op)
{
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++) {
        const struct store_run_end *end = &op->in.ends[i];
        struct query *q = db_query(s->db, sql_end);
        query_int(q, end->id);
        query_int(q, end->attempt);
        query_int(q, (int64_t)end->state);
        query_int(q, op->now_us);
        query_id(q, &end->invocation);
        query_text(q, end->message);
        e = query_run(q);
        op->result.count += e == OK ? db_changes(s->db) : 0;
    }
    return e;
}

enum err sqlite_runs(struct sqlite_store *s, struct store_op *op)
{
    const struct store_run_filter *f = &op->in.runs;
    struct query *q = db_query(s->db, RUN " WHERE (?1 = 0 OR id < ?1) AND (?2 IS NULL OR name = ?2)"
                                          " ORDER BY id DESC LIMIT ?3");
    query_int(q, f->before);
    query_text(q, f->name);
    query_int(q, (int64_t)f->limit);
    return read_runs(s, op, q, f->limit);
}
