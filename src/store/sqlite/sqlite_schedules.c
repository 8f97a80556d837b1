/* In: schedules, and plans for those that are due. Out: kept, listed, fired once: who plans names
 * the revision that it saw, and the first is believed. */
#include <stdint.h>
#include <string.h>

#include "store/sqlite/sqlite.h"

#define NEVER INT64_MAX

/* ---- kept and listed ---- */

#define SCHEDULE                                                                                   \
    "SELECT id, name, expr, label, missed, missed_max, active, rev, due, planned, created, "       \
    "changed,"                                                                                     \
    " error FROM scriptorium_schedule"

static struct store_schedule read_schedule(struct query *q, struct arena *a)
{
    int64_t due = query_get_int(q, 8);
    return (struct store_schedule){.id = query_get_int(q, 0),
                                   .name = query_copy_text(q, 1, a),
                                   .expr = query_copy_text(q, 2, a),
                                   .label = query_copy_text(q, 3, a),
                                   .missed = (enum store_missed)query_get_int(q, 4),
                                   .missed_max = (int)query_get_int(q, 5),
                                   .active = query_get_int(q, 6) != 0,
                                   .rev = query_get_int(q, 7),
                                   .due_us = due == NEVER ? 0 : due,
                                   .planned = due != 0,
                                   .planned_us = query_get_int(q, 9),
                                   .created_us = query_get_int(q, 10),
                                   .changed_us = query_get_int(q, 11),
                                   .error = query_copy_text(q, 12, a)};
}

/* Up to max more, after those that are there. */
static void read_schedules(struct store_op *op, struct query *q, struct store_schedule *all,
                           size_t max)
{
    while (op->result.n < max && query_next(q))
        all[op->result.n++] = read_schedule(q, &op->arena);
    if (op->result.n == max)
        query_end(q);
    op->result.schedules = all;
}

static const char sql_save[] =
    "INSERT INTO scriptorium_schedule AS s (name, expr, label, missed, missed_max, active, created,"
    " changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"
    " ON CONFLICT (name) DO UPDATE SET expr = excluded.expr, label = excluded.label,"
    " missed = excluded.missed, missed_max = excluded.missed_max, active = excluded.active,"
    " rev = s.rev + 1,"
    " due = iif(s.expr = excluded.expr AND s.active = excluded.active, s.due, 0),"
    " changed = iif(s.expr = excluded.expr AND s.active = excluded.active, s.changed,"
    " excluded.changed)";

enum err sqlite_schedule_save(struct sqlite_store *s, struct store_op *op)
{
    const struct store_schedule *in = &op->in.schedule;
    struct query *q = db_query(s->db, sql_save);
    query_text(q, in->name);
    query_text(q, in->expr);
    query_text(q, in->label);
    query_int(q, (int64_t)in->missed);
    query_int(q, in->missed_max);
    query_int(q, in->active);
    query_int(q, op->now_us);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    struct store_schedule *saved = arena_alloc(&op->arena, sizeof *saved);
    q = db_query(s->db, SCHEDULE " WHERE name = ?");
    query_text(q, in->name);
    read_schedules(op, q, saved, 1);
    op->result.count = saved->rev > 1;
    op->changed = true;
    return db_error(s->db);
}

/* The runs of schedules that are gone stay for a while, by number. */
static const char sql_trim_gone[] =
    "DELETE FROM scriptorium_schedule_run WHERE id IN (SELECT r.id FROM scriptorium_schedule_run r"
    " WHERE r.state <> 0 AND r.schedule_id NOT IN (SELECT id FROM scriptorium_schedule)"
    " ORDER BY r.id DESC LIMIT -1 OFFSET 10000)";

enum err sqlite_schedule_remove(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "DELETE FROM scriptorium_schedule WHERE name = ?");
    query_text(q, op->in.schedules.name);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    op->result.count = db_changes(s->db);
    if (op->result.count == 0) {
        store_op_fail(op, ERR_NOT_FOUND, "there is no schedule %s", op->in.schedules.name);
        return ERR_NOT_FOUND;
    }
    return query_run(db_query(s->db, sql_trim_gone));
}

enum err sqlite_schedule_list(struct sqlite_store *s, struct store_op *op)
{
    const struct store_schedule_filter *f = &op->in.schedules;
    struct store_schedule *all = arena_array(&op->arena, f->limit, sizeof *all);
    struct query *q = db_query(s->db, SCHEDULE " WHERE id > ?1 AND (?2 IS NULL OR name = ?2)"
                                               " ORDER BY id LIMIT ?3");
    query_int(q, f->after);
    query_text(q, f->name);
    query_int(q, (int64_t)f->limit);
    read_schedules(op, q, all, f->limit);
    return db_error(s->db);
}

/* No clients schedule in here by themselves. */
enum err sqlite_schedule_list_sql(struct sqlite_store *s, struct store_op *op)
{
    (void)s;
    op->result.n = 0;
    return OK;
}

/* ---- planning ---- */

enum err sqlite_schedule_due(struct sqlite_store *s, struct store_op *op)
{
    size_t max = op->in.plan.max;
    struct store_schedule *all = arena_array(&op->arena, max, sizeof *all);
    struct query *q =
        db_query(s->db, SCHEDULE " WHERE active = 1 AND due <= ?1 ORDER BY due LIMIT ?2");
    query_int(q, op->now_us);
    query_int(q, (int64_t)max);
    read_schedules(op, q, all, max);
    if (op->result.n < max) {
        q = db_query(s->db, SCHEDULE " WHERE active = 1 AND planned > ?1 AND due > ?2 LIMIT ?3");
        query_int(q, op->now_us + STORE_CLOCK_BACK_US);
        query_int(q, op->now_us);
        query_int(q, (int64_t)max);
        read_schedules(op, q, all, max);
    }
    q = db_query(s->db, "SELECT due FROM scriptorium_schedule"
                        " WHERE active = 1 AND due > ? ORDER BY due LIMIT 1");
    query_int(q, op->now_us);
    if (query_next(q)) {
        int64_t due = query_get_int(q, 0);
        op->result.next_due_us = due == NEVER ? 0 : due;
        query_end(q);
    }
    op->result.now_us = op->now_us;
    return db_error(s->db);
}

/* ---- firing ---- */

static const char sql_fire[] =
    "INSERT INTO scriptorium_schedule_run (schedule_id, seq, fire_at, name, label, missed,"
    " state, worker, node, claimed, ended, message)"
    " SELECT s.id, s.runs + 1, ?2, s.name, s.label, s.missed, ?3, ?4, ?5, ?6, iif(?3 <> 0, ?6, "
    "NULL), ?7 FROM scriptorium_schedule s"
    " WHERE s.id = ?1"
    " ON CONFLICT (schedule_id, fire_at) DO NOTHING";
static const char sql_fired[] = "UPDATE scriptorium_schedule SET runs = runs + 1 WHERE id = ?";
static const char sql_trim[] =
    "DELETE FROM scriptorium_schedule_run WHERE schedule_id = ?1 AND state <> 0"
    " AND seq <= (SELECT runs FROM scriptorium_schedule WHERE id = ?1) - ?2";

struct firing_worker {
    const struct uuid *id;
    const char *name;
};

static enum err fire(struct sqlite_store *s, struct store_op *op, const struct firing_worker *w,
                     int64_t schedule, const struct store_firing *f)
{
    struct query *q = db_query(s->db, sql_fire);
    query_int(q, schedule);
    query_int(q, f->at_us);
    query_int(q, f->skip ? STORE_RUN_SKIPPED : STORE_RUN_RUNNING);
    query_id(q, w->id);
    query_text(q, w->name);
    query_int(q, op->now_us);
    query_text(q, f->note);
    enum err e = query_run(q);
    if (e != OK || db_changes(s->db) == 0)
        return e;
    q = db_query(s->db, sql_fired);
    query_int(q, schedule);
    e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, sql_trim);
    query_int(q, schedule);
    query_int(q, op->in.plan.keep);
    return query_run(q);
}

static const char sql_plan[] =
    "UPDATE scriptorium_schedule SET rev = rev + 1, due = ?3, planned = ?4, error = ?5"
    " WHERE id = ?1 AND rev = ?2 AND active = 1";

static enum err plan_one(struct sqlite_store *s, struct store_op *op, const struct firing_worker *w,
                         const struct store_plan *p)
{
    struct query *q = db_query(s->db, sql_plan);
    query_int(q, p->id);
    query_int(q, p->rev);
    query_int(q, p->due_us > 0 ? p->due_us : NEVER);
    query_int(q, op->now_us);
    query_text(q, p->error);
    enum err e = query_run(q);
    if (e != OK || db_changes(s->db) == 0)
        return e;
    for (size_t i = 0; i < p->n && e == OK; i++)
        e = fire(s, op, w, p->id, &p->firings[i]);
    return e;
}

static enum err worker_of(struct sqlite_store *s, struct store_op *op, struct firing_worker *ret)
{
    struct query *q = db_query(s->db, "SELECT name FROM scriptorium_worker WHERE id = ?");
    query_id(q, &op->in.plan.worker);
    if (!query_next(q)) {
        if (db_error(s->db) != OK)
            return db_error(s->db);
        store_op_fail(op, ERR_LOST, "the worker's lease is gone");
        return ERR_LOST;
    }
    *ret = (struct firing_worker){&op->in.plan.worker, query_copy_text(q, 0, &op->arena)};
    query_end(q);
    return OK;
}

static int64_t last_run(struct sqlite_store *s)
{
    int64_t last = 0;
    struct query *q =
        db_query(s->db, "SELECT seq FROM sqlite_sequence WHERE name = 'scriptorium_schedule_run'");
    if (query_next(q)) {
        last = query_get_int(q, 0);
        query_end(q);
    }
    return last;
}

enum err sqlite_schedule_plan(struct sqlite_store *s, struct store_op *op)
{
    struct firing_worker w;
    int64_t before = last_run(s);
    enum err e = worker_of(s, op, &w);
    for (size_t i = 0; i < op->n && e == OK; i++)
        e = plan_one(s, op, &w, &op->in.plan.items[i]);
    return e == OK ? sqlite_runs_after(s, op, before) : e;
}

enum err sqlite_schedule_boot(struct sqlite_store *s, struct store_op *op)
{
    struct firing_worker w;
    int64_t ids[STORE_BATCH_MAX], before = last_run(s);
    size_t n = 0;
    enum err e = worker_of(s, op, &w);
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, "SELECT id FROM scriptorium_schedule WHERE active = 1"
                                      " AND rtrim(expr, ' ' || char(9)) LIKE '%@reboot'"
                                      " ORDER BY id LIMIT 1000");
    while (n < STORE_BATCH_MAX && query_next(q))
        ids[n++] = query_get_int(q, 0);
    if (n == STORE_BATCH_MAX)
        query_end(q);
    e = db_error(s->db);
    for (size_t i = 0; i < n && e == OK; i++)
        e = fire(s, op, &w, ids[i], &(struct store_firing){.at_us = op->in.plan.at_us});
    return e == OK ? sqlite_runs_after(s, op, before) : e;
}
