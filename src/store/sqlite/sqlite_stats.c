/* In: questions about the whole. Out: counts, sums, settings. */
#include "store/sqlite/sqlite.h"

#include "base/clock.h"

/* ---- counts ---- */

static const char sql_count[] = "SELECT status, count(*) FROM script_generation_jobs"
                                " GROUP BY status";
static const char sql_recent[] =
    "SELECT status, count(*), coalesce(avg(processing_time_seconds), -1)"
    " FROM script_generation_jobs WHERE created_at >= ? GROUP BY status";
static const char sql_due[] = "SELECT count(*), coalesce(min(run_at), 0) FROM scriptorium_queue"
                              " INDEXED BY scriptorium_queue_due WHERE state = 0";
static const char sql_later[] =
    "SELECT count(*), coalesce(sum(run_at <= ?1), 0),"
    " coalesce(min(run_at) FILTER (WHERE run_at <= ?1), 0)"
    " FROM scriptorium_queue INDEXED BY scriptorium_queue_later WHERE state = 2";
static const char sql_busy[] = "SELECT count(*), (SELECT count(*) FROM scriptorium_foreign)"
                               " FROM scriptorium_queue"
                               " INDEXED BY scriptorium_queue_running WHERE state = 1";
static const char sql_total[] = "SELECT calls, estimated, input, output, cache_read,"
                                " cache_write_5m, cache_write_1h, cost FROM scriptorium_total";

static enum err read_counts(struct sqlite_store *s, struct store_stats *st)
{
    struct query *q = db_query(s->db, sql_count);
    while (query_next(q)) {
        enum job_status status;
        if (job_status_parse(query_get_text(q, 0), &status) == OK)
            st->count[status] = query_get_int(q, 1);
    }
    return db_error(s->db);
}

static enum err read_recent(struct sqlite_store *s, struct store_stats *st, int64_t now_us)
{
    char since[CLOCK_ISO_SIZE];
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        st->recent_seconds[i] = -1;
    struct query *q = db_query(s->db, sql_recent);
    query_text(q, clock_iso(now_us - 3600 * USEC_PER_SEC, since));
    while (query_next(q)) {
        enum job_status status;
        if (job_status_parse(query_get_text(q, 0), &status) != OK)
            continue;
        st->recent[status] = query_get_int(q, 1);
        st->recent_seconds[status] = query_get_double(q, 2);
    }
    return db_error(s->db);
}

/* A delayed row whose time has come is due, though no claim has moved it yet. */
static enum err read_queue(struct sqlite_store *s, struct store_stats *st, int64_t now_us)
{
    struct query *q = db_query(s->db, sql_due);
    if (query_next(q)) {
        st->due = query_get_int(q, 0);
        st->oldest_due_us = query_get_int(q, 1);
        query_end(q);
    }
    q = db_query(s->db, sql_later);
    query_int(q, now_us);
    if (query_next(q)) {
        int64_t ripe = query_get_int(q, 1), oldest = query_get_int(q, 2);
        st->delayed = query_get_int(q, 0) - ripe;
        st->due += ripe;
        if (ripe > 0 && (st->oldest_due_us == 0 || oldest < st->oldest_due_us))
            st->oldest_due_us = oldest;
        query_end(q);
    }
    q = db_query(s->db, sql_busy);
    if (query_next(q)) {
        st->running = query_get_int(q, 0);
        st->foreign = query_get_int(q, 1);
        query_end(q);
    }
    return db_error(s->db);
}

static enum err read_today(struct sqlite_store *s, struct store_stats *st, int64_t now_us)
{
    struct query *q = db_query(s->db, "SELECT cost, reserved FROM scriptorium_spend"
                                      " WHERE day = ? AND user_id = ''");
    query_int(q, now_us / (86400 * USEC_PER_SEC));
    if (query_next(q)) {
        st->today_udollar = query_get_int(q, 0);
        st->today_reserved_udollar = query_get_int(q, 1);
        query_end(q);
    }
    return db_error(s->db);
}

static enum err read_total(struct sqlite_store *s, struct store_stats *st)
{
    struct query *q = db_query(s->db, sql_total);
    if (query_next(q)) {
        st->calls = query_get_int(q, 0);
        st->calls_estimated = query_get_int(q, 1);
        st->usage = (struct usage){.input = query_get_int(q, 2),
                                   .output = query_get_int(q, 3),
                                   .cache_read = query_get_int(q, 4),
                                   .cache_write_5m = query_get_int(q, 5),
                                   .cache_write_1h = query_get_int(q, 6)};
        st->cost_udollar = query_get_int(q, 7);
        query_end(q);
    }
    return db_error(s->db);
}

static enum err read_paused(struct sqlite_store *s, struct store_stats *st)
{
    struct query *q = db_query(s->db, "SELECT value FROM scriptorium_setting WHERE key = 'paused'");
    if (query_next(q)) {
        st->paused = store_is_paused(query_get_text(q, 0), &st->paused_since_us);
        query_end(q);
    }
    return db_error(s->db);
}

enum err sqlite_stats(struct sqlite_store *s, struct store_op *op)
{
    struct store_stats *st = arena_alloc(&op->arena, sizeof *st);
    enum err e = read_counts(s, st);
    if (e == OK)
        e = read_recent(s, st, op->now_us);
    if (e == OK)
        e = read_queue(s, st, op->now_us);
    if (e == OK)
        e = read_total(s, st);
    if (e == OK)
        e = read_today(s, st, op->now_us);
    if (e == OK)
        e = read_paused(s, st);
    op->result.stats = st;
    return e;
}

/* ---- workers ---- */

static const char sql_workers[] =
    "SELECT w.id, w.name, w.held_since, w.expires, coalesce(r.n, 0) FROM scriptorium_worker w"
    " LEFT JOIN (SELECT worker, count(*) AS n FROM scriptorium_queue"
    " INDEXED BY scriptorium_queue_running WHERE state = 1 GROUP BY worker) r ON r.worker = w.id"
    " ORDER BY w.held_since, w.id LIMIT ?";

enum err sqlite_workers(struct sqlite_store *s, struct store_op *op)
{
    struct store_worker_seen *seen = arena_array(&op->arena, STORE_BATCH_MAX, sizeof *seen);
    struct query *q = db_query(s->db, sql_workers);
    size_t n = 0;
    query_int(q, STORE_BATCH_MAX);
    while (query_next(q))
        seen[n++] = (struct store_worker_seen){.id = query_get_id(q, 0),
                                               .name = query_copy_text(q, 1, &op->arena),
                                               .held_since_us = query_get_int(q, 2),
                                               .expires_us = query_get_int(q, 3),
                                               .running = query_get_int(q, 4)};
    op->result.workers = seen;
    op->result.n = n;
    return db_error(s->db);
}

/* ---- settings ---- */

enum err sqlite_setting_set(struct sqlite_store *s, struct store_op *op)
{
    bool remove = op->in.setting.value == NULL;
    struct query *q = db_query(
        s->db, remove ? "DELETE FROM scriptorium_setting WHERE key = ?"
                      : "INSERT OR REPLACE INTO scriptorium_setting (key, value) VALUES (?, ?)");
    query_text(q, op->in.setting.key);
    if (!remove)
        query_text(q, op->in.setting.value);
    op->changed = true;
    return query_run(q);
}

enum err sqlite_setting_get(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "SELECT value FROM scriptorium_setting WHERE key = ?");
    query_text(q, op->in.setting.key);
    if (query_next(q)) {
        op->result.text = query_copy_text(q, 0, &op->arena);
        query_end(q);
    }
    return db_error(s->db);
}
