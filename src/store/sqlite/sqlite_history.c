/* In: calls of the function endpoint, lines of the log. Out: the newest of them, kept and listed.
 */
#include "store/sqlite/sqlite.h"

/* ---- invocations ---- */

static const char sql_save[] =
    "INSERT INTO scriptorium_invocation (id, at, duration, status, processed, succeeded, failed,"
    " settled, caller, label, worker, version, error)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET duration = excluded.duration, status = excluded.status,"
    " processed = excluded.processed, succeeded = excluded.succeeded, failed = excluded.failed,"
    " settled = excluded.settled, error = excluded.error";
static const char sql_trim_invocations[] =
    "DELETE FROM scriptorium_invocation"
    " WHERE n <= (SELECT max(n) FROM scriptorium_invocation) - ?";

static enum err trim(struct sqlite_store *s, const char *sql, int64_t keep)
{
    struct query *q = db_query(s->db, sql);
    query_int(q, keep);
    return query_run(q);
}

enum err sqlite_invocation_save(struct sqlite_store *s, struct store_op *op)
{
    const struct store_invocation *i = &op->in.invocation.row;
    struct query *q = db_query(s->db, sql_save);
    query_id(q, &i->id);
    query_int(q, i->at_us);
    query_int(q, i->duration_us);
    query_int(q, i->status);
    query_int(q, i->processed);
    query_int(q, i->succeeded);
    query_int(q, i->failed);
    query_int(q, i->settled);
    query_text(q, i->caller);
    query_text(q, i->label);
    query_text(q, i->worker);
    query_text(q, i->version);
    query_text(q, i->error);
    enum err e = query_run(q);
    return e == OK ? trim(s, sql_trim_invocations, op->in.invocation.keep) : e;
}

static const char sql_list[] =
    "SELECT id, at, duration, status, processed, succeeded, failed, settled, caller, label, worker,"
    " version, error FROM scriptorium_invocation"
    " WHERE ?1 IS NULL OR n < (SELECT n FROM scriptorium_invocation WHERE id = ?1)"
    " ORDER BY n DESC LIMIT ?2";

enum err sqlite_invocations(struct sqlite_store *s, struct store_op *op)
{
    struct arena *a = &op->arena;
    struct store_invocation *all = arena_array(a, op->in.invocations.limit, sizeof *all);
    struct query *q = db_query(s->db, sql_list);
    query_id(q, &op->in.invocations.after);
    query_int(q, (int64_t)op->in.invocations.limit);
    size_t n = 0;
    while (query_next(q)) {
        all[n++] = (struct store_invocation){.id = query_get_id(q, 0),
                                             .at_us = query_get_int(q, 1),
                                             .duration_us = query_get_int(q, 2),
                                             .status = (int)query_get_int(q, 3),
                                             .processed = (int)query_get_int(q, 4),
                                             .succeeded = (int)query_get_int(q, 5),
                                             .failed = (int)query_get_int(q, 6),
                                             .settled = query_get_int(q, 7) != 0,
                                             .caller = query_copy_text(q, 8, a),
                                             .label = query_copy_text(q, 9, a),
                                             .worker = query_copy_text(q, 10, a),
                                             .version = query_copy_text(q, 11, a),
                                             .error = query_copy_text(q, 12, a)};
    }
    op->result.invocations = all;
    op->result.n = n;
    return db_error(s->db);
}

/* ---- the log ---- */

static const char sql_add[] =
    "INSERT INTO scriptorium_log (at, job_id, invocation, level, event, message, details, worker)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
static const char sql_trim_log[] =
    "DELETE FROM scriptorium_log WHERE n <= (SELECT max(n) FROM scriptorium_log) - ?";

enum err sqlite_log_add(struct sqlite_store *s, struct store_op *op)
{
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++) {
        const struct store_line *l = &op->in.log.items[i];
        struct query *q = db_query(s->db, sql_add);
        query_int(q, l->at_us);
        query_id(q, &l->job);
        query_id(q, &l->invocation);
        query_text(q, l->level);
        query_text(q, l->event);
        query_text(q, l->message);
        query_text(q, l->details);
        query_text(q, l->worker);
        e = query_run(q);
    }
    return e == OK ? trim(s, sql_trim_log, op->in.log.keep) : e;
}

#define LINE "n, at, job_id, invocation, level, event, message, details, worker"
#define LOG(column)                                                                                \
    "SELECT " LINE " FROM scriptorium_log WHERE " column " = ?1 AND n > ?2 ORDER BY n LIMIT ?3"
#define NEWEST(column)                                                                             \
    "SELECT * FROM (SELECT " LINE " FROM scriptorium_log WHERE " column " = ?1 AND n > ?2"         \
    " ORDER BY n DESC LIMIT ?3) ORDER BY n"

/* Which lines: all, a job's, an invocation's; the next, or the newest. */
static struct query *log_query(struct sqlite_store *s, const struct store_log_filter *f)
{
    static const char all[] =
        "SELECT " LINE " FROM scriptorium_log WHERE ?1 IS NULL AND n > ?2 ORDER BY n LIMIT ?3";
    static const char newest[] = "SELECT * FROM (SELECT " LINE " FROM scriptorium_log"
                                 " WHERE ?1 IS NULL AND n > ?2 ORDER BY n DESC LIMIT ?3)"
                                 " ORDER BY n";
    static const char of_job[] = LOG("job_id"), newest_of_job[] = NEWEST("job_id");
    static const char of_call[] = LOG("invocation"), newest_of_call[] = NEWEST("invocation");
    bool next = f->after != 0, job = !uuid_is_nil(&f->job), call = !uuid_is_nil(&f->invocation);
    const char *sql = next ? all : newest;
    if (job)
        sql = next ? of_job : newest_of_job;
    else if (call)
        sql = next ? of_call : newest_of_call;
    struct query *q = db_query(s->db, sql);
    query_id(q, job ? &f->job : &f->invocation);
    query_int(q, next ? f->after : 0);
    query_int(q, (int64_t)f->limit);
    return q;
}

enum err sqlite_log(struct sqlite_store *s, struct store_op *op)
{
    struct arena *a = &op->arena;
    struct store_line *lines = arena_array(a, op->in.log_filter.limit, sizeof *lines);
    struct query *q = log_query(s, &op->in.log_filter);
    size_t n = 0;
    while (query_next(q)) {
        struct store_line *line = &lines[n++];
        line->n = query_get_int(q, 0);
        line->at_us = query_get_int(q, 1);
        line->job = query_get_id(q, 2);
        line->invocation = query_get_id(q, 3);
        line->level = query_copy_text(q, 4, a);
        line->event = query_copy_text(q, 5, a);
        line->message = query_copy_text(q, 6, a);
        line->details = query_copy_text(q, 7, a);
        line->worker = query_copy_text(q, 8, a);
    }
    op->result.lines = lines;
    op->result.n = n;
    return db_error(s->db);
}
