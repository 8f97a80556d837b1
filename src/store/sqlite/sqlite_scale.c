/* In: how many workers, each with how many jobs at a time. Out: settings, the schedules of the
 * workers rewritten to fit, and both remembered so that it can be undone. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#define SINGLE       "process-script-generation-jobs"
#define WORKER       "process-script-jobs-worker-" /* and its number */
#define KEPT_CHANGES 100
#define NAME_SIZE    64

/* The schedules that drive workers, numbered; the single one is 0. */
#define DRIVING                                                                                    \
    "(SELECT id, name, expr, label, missed, missed_max, active,"                                   \
    " CASE name WHEN '" SINGLE "' THEN 0 ELSE CAST(substr(name, 28) AS INTEGER) END AS number"     \
    " FROM scriptorium_schedule WHERE (name = '" SINGLE "'"                                        \
    " OR (name GLOB '" WORKER "[1-9]*' AND length(name) < 34"                                      \
    " AND substr(name, 28) NOT GLOB '*[^0-9]*')))"

/* ---- what is ---- */

static const char sql_settings[] =
    "SELECT key, CAST(value AS INTEGER) FROM scriptorium_setting"
    " WHERE key IN ('workers', 'concurrent_limit') AND CAST(value AS INTEGER) > 0";
static const char sql_pause[] = "SELECT value FROM scriptorium_setting WHERE key = 'paused'";
static const char sql_workers[] =
    "SELECT id FROM scriptorium_worker WHERE expires >= ? ORDER BY id";
static const char sql_counts[] =
    "SELECT (SELECT count(*) FROM scriptorium_queue INDEXED BY scriptorium_queue_due"
    " WHERE state = 0) + (SELECT count(*) FROM scriptorium_queue INDEXED BY scriptorium_queue_later"
    " WHERE state = 2 AND run_at <= ?),"
    " (SELECT count(*) FROM scriptorium_queue INDEXED BY scriptorium_queue_running"
    " WHERE state = 1)";

static int64_t number(struct sqlite_store *s, const char *sql)
{
    struct query *q = db_query(s->db, sql);
    int64_t n = 0;
    if (query_next(q)) {
        n = query_get_int(q, 0);
        query_end(q);
    }
    return n;
}

static enum err read_settings(struct sqlite_store *s, struct store_scale *scale)
{
    struct query *q = db_query(s->db, sql_settings);
    while (query_next(q)) {
        bool workers = strcmp(query_get_text(q, 0), "workers") == 0;
        *(workers ? &scale->workers : &scale->concurrency) = (int)query_get_int(q, 1);
    }
    q = db_query(s->db, sql_pause);
    if (query_next(q)) {
        int64_t since;
        scale->paused = store_is_paused(query_get_text(q, 0), &since);
        query_end(q);
    }
    q = db_query(s->db, "SELECT 1 FROM scriptorium_scale LIMIT 1");
    scale->can_undo = query_next(q);
    query_end(q);
    return db_error(s->db);
}

static enum err read_workers(struct sqlite_store *s, const struct uuid *who, int64_t now_us,
                             struct store_scale *scale)
{
    struct query *q = db_query(s->db, sql_workers);
    query_int(q, now_us);
    while (query_next(q)) {
        struct uuid id = query_get_id(q, 0);
        scale->processes++;
        if (uuid_equal(&id, who))
            scale->place = scale->processes;
    }
    return db_error(s->db);
}

static enum err read_counts(struct sqlite_store *s, int64_t now_us, struct store_scale *scale)
{
    struct query *q = db_query(s->db, sql_counts);
    query_int(q, now_us);
    if (query_next(q)) {
        scale->due = query_get_int(q, 0);
        scale->running = query_get_int(q, 1);
        query_end(q);
    }
    scale->schedules = (int)number(s, "SELECT count(*) FROM " DRIVING " WHERE active = 1");
    return db_error(s->db);
}

static enum err look(struct sqlite_store *s, struct store_op *op, const struct uuid *who,
                     bool counted, struct store_scale *scale)
{
    *scale = (struct store_scale){0};
    enum err e = read_settings(s, scale);
    if (e == OK)
        e = read_workers(s, who, op->now_us, scale);
    return e == OK && counted ? read_counts(s, op->now_us, scale) : e;
}

enum err sqlite_scale_get(struct sqlite_store *s, struct store_op *op)
{
    struct store_scale *scale = arena_alloc(&op->arena, sizeof *scale);
    op->result.scale = scale;
    return look(s, op, &op->in.scale_look.worker, op->in.scale_look.counted, scale);
}

/* ---- the schedules ---- */

static const char sql_put[] =
    "INSERT INTO scriptorium_schedule (name, expr, label, missed, missed_max, active, created,"
    " changed) VALUES (?, ?, ?, ?, ?, ?, ?7, ?7)";

/* "worker-1" -> "worker-3" */
static char *label_for(const char *label, int number, struct arena *a)
{
    if (label == NULL || label[0] == '\0')
        label = "worker";
    size_t n = strlen(label);
    while (n > 0 && label[n - 1] >= '0' && label[n - 1] <= '9')
        n--;
    return arena_printf(a, "%.*s%s%d", (int)n, label, label[n] == '\0' ? "-" : "", number);
}

struct base { /* the schedule that the others are made like */
    char *expr, *label;
    int64_t missed, missed_max, active;
};

static bool read_base(struct sqlite_store *s, struct arena *a, struct base *base)
{
    struct query *q = db_query(s->db, "SELECT expr, label, missed, missed_max, active FROM " DRIVING
                                      " ORDER BY number = 0, number LIMIT 1");
    if (!query_next(q))
        return false;
    base->expr = query_copy_text(q, 0, a);
    base->label = query_copy_text(q, 1, a);
    base->missed = query_get_int(q, 2);
    base->missed_max = query_get_int(q, 3);
    base->active = query_get_int(q, 4);
    query_end(q);
    return true;
}

static enum err put(struct sqlite_store *s, struct store_op *op, const struct base *base,
                    int number)
{
    char name[NAME_SIZE] = SINGLE;
    if (number > 0)
        (void)snprintf(name, sizeof name, WORKER "%d", number);
    struct query *q = db_query(s->db, "SELECT 1 FROM scriptorium_schedule"
                                      " WHERE name = ?");
    query_text(q, name);
    if (query_next(q)) {
        query_end(q);
        return OK;
    }
    q = db_query(s->db, sql_put);
    query_text(q, name);
    query_text(q, base->expr);
    query_text(q, number > 0 ? label_for(base->label, number, &op->arena) : base->label);
    query_int(q, base->missed);
    query_int(q, base->missed_max);
    query_int(q, base->active);
    query_int(q, op->now_us);
    return query_run(q);
}

static enum err rewrite(struct sqlite_store *s, struct store_op *op, int workers)
{
    static const char sql_drop[] =
        "DELETE FROM scriptorium_schedule WHERE id IN (SELECT id FROM " DRIVING
        " WHERE CASE ?1 WHEN 1 THEN number > 0 ELSE number NOT BETWEEN 1 AND ?1 END)";
    struct base base;
    if (!read_base(s, &op->arena, &base))
        return db_error(s->db);
    enum err e = OK;
    for (int n = workers == 1 ? 0 : 1; n <= (workers == 1 ? 0 : workers) && e == OK; n++)
        e = put(s, op, &base, n);
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, sql_drop);
    query_int(q, workers);
    return query_run(q);
}

/* ---- remembered and undone ---- */

static const char sql_remember[] =
    "INSERT INTO scriptorium_scale (at, workers, concurrency, schedules) VALUES (?,"
    " (SELECT value FROM scriptorium_setting WHERE key = 'workers'),"
    " (SELECT value FROM scriptorium_setting WHERE key = 'concurrent_limit'), ?)";
static const char sql_snapshot[] =
    "SELECT json_group_array(json_object('name', name, 'expr', expr, 'label', label, 'missed',"
    " missed, 'missed_max', missed_max, 'active', active)) FROM " DRIVING;

static enum err remember(struct sqlite_store *s, struct store_op *op)
{
    const char *schedules = "[]";
    struct query *q = db_query(s->db, sql_snapshot);
    if (query_next(q)) {
        schedules = query_copy_text(q, 0, &op->arena);
        query_end(q);
    }
    q = db_query(s->db, sql_remember);
    query_int(q, op->now_us);
    query_text(q, schedules);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, "DELETE FROM scriptorium_scale"
                        " WHERE n <= (SELECT max(n) FROM scriptorium_scale) - ?");
    query_int(q, KEPT_CHANGES);
    return query_run(q);
}

/* With a NULL text the setting is removed. */
static enum err set(struct sqlite_store *s, const char *key, const char *text)
{
    struct query *q =
        db_query(s->db, text == NULL ? "DELETE FROM scriptorium_setting WHERE key = ?"
                                     : "INSERT OR REPLACE INTO scriptorium_setting VALUES (?, ?)");
    query_text(q, key);
    if (text != NULL)
        query_text(q, text);
    return query_run(q);
}

static enum err set_number(struct sqlite_store *s, const char *key, int value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", value);
    return set(s, key, text);
}

static int first_of(int a, int b, int c, int d)
{
    return a > 0 ? a : b > 0 ? b : c > 0 ? c : d;
}

static enum err change(struct sqlite_store *s, struct store_op *op)
{
    const struct store_scale_change *want = &op->in.scale_change;
    struct store_scale is;
    enum err e = look(s, op, &(struct uuid){0}, true, &is);
    int workers = first_of(want->workers, is.workers, is.schedules, 1);
    int concurrency = first_of(want->concurrency, is.concurrency, want->fallback, 1);
    if (e == OK)
        e = remember(s, op);
    if (e == OK)
        e = rewrite(s, op, workers);
    if (e == OK)
        e = set_number(s, "workers", workers);
    return e == OK ? set_number(s, "concurrent_limit", concurrency) : e;
}

/* As they were: those that have changed or gone are written again, others stay untouched. */
static enum err restore(struct sqlite_store *s, const char *was, int64_t now_us)
{
    static const char sql_gone[] =
        "DELETE FROM scriptorium_schedule WHERE id IN (SELECT id FROM " DRIVING
        " WHERE name NOT IN (SELECT value ->> 'name' FROM json_each(?)))";
    static const char sql_back[] =
        "INSERT INTO scriptorium_schedule (name, expr, label, missed, missed_max, active, created,"
        " changed) SELECT value ->> 'name', value ->> 'expr', value ->> 'label',"
        " value ->> 'missed', value ->> 'missed_max', value ->> 'active', ?2, ?2 FROM json_each(?1)"
        " WHERE true ON CONFLICT (name) DO UPDATE SET expr = excluded.expr,"
        " label = excluded.label, missed = excluded.missed, missed_max = excluded.missed_max,"
        " active = excluded.active, rev = rev + 1, due = 0, changed = excluded.changed"
        " WHERE (expr, label, missed, missed_max, active) IS NOT (excluded.expr, excluded.label,"
        " excluded.missed, excluded.missed_max, excluded.active)";
    struct query *q = db_query(s->db, sql_gone);
    query_text(q, was);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, sql_back);
    query_text(q, was);
    query_int(q, now_us);
    return query_run(q);
}

static enum err undo(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "SELECT n, workers, concurrency, schedules"
                                      " FROM scriptorium_scale ORDER BY n DESC LIMIT 1");
    if (!query_next(q)) {
        if (db_error(s->db) == OK)
            store_op_fail(op, ERR_INVALID,
                          "there is nothing to undo: scale has changed nothing yet");
        return db_error(s->db) != OK ? db_error(s->db) : ERR_INVALID;
    }
    int64_t n = query_get_int(q, 0);
    char *workers = query_copy_text(q, 1, &op->arena);
    char *concurrency = query_copy_text(q, 2, &op->arena);
    char *schedules = query_copy_text(q, 3, &op->arena);
    query_end(q);
    enum err e = restore(s, schedules, op->now_us);
    if (e == OK)
        e = set(s, "workers", workers);
    if (e == OK)
        e = set(s, "concurrent_limit", concurrency);
    if (e != OK)
        return e;
    q = db_query(s->db, "DELETE FROM scriptorium_scale WHERE n = ?");
    query_int(q, n);
    return query_run(q);
}

enum err sqlite_scale(struct sqlite_store *s, struct store_op *op)
{
    struct store_scale *scale = arena_alloc(&op->arena, sizeof *scale);
    op->result.scale = scale;
    op->changed = true;
    enum err e = op->in.scale_change.undo ? undo(s, op) : change(s, op);
    return e == OK ? look(s, op, &(struct uuid){0}, true, scale) : e;
}
