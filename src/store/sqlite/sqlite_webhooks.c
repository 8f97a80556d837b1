/* In: endpoints, and how deliveries to them went. Out: the ends of runs that triggers have noted
 * for them, leased one after the other. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/clock.h"

#define KEPT_US    (7 * 86400 * USEC_PER_SEC)
#define ABANDON_US (86400 * USEC_PER_SEC)

/* ---- endpoints ---- */

static enum err run(struct sqlite_store *s, const char *sql)
{
    return query_run(db_query(s->db, sql));
}

static enum err subscribe(struct sqlite_store *s, const struct store_endpoint *e)
{
    enum err err = OK;
    for (int end = 0; end < STORE_END_MAX && err == OK; end++) {
        if ((e->ends & 1u << end) == 0)
            continue;
        struct query *q = db_query(s->db, "INSERT INTO scriptorium_webhook VALUES (?, ?)");
        query_text(q, store_end_name((enum store_end)end));
        query_text(q, e->name);
        err = query_run(q);
    }
    return err;
}

enum err sqlite_endpoints_set(struct sqlite_store *s, struct store_op *op)
{
    enum err e = run(s, "DELETE FROM scriptorium_webhook");
    for (size_t i = 0; i < op->n && e == OK; i++)
        e = subscribe(s, &op->in.endpoints[i]);
    if (e != OK)
        return e;
    struct query *q =
        db_query(s->db, "UPDATE scriptorium_outbox SET state = 2, done = ?1,"
                        " error = 'the endpoint is not configured any more'"
                        " WHERE state = 0 AND tried_since < ?2"
                        " AND endpoint NOT IN (SELECT endpoint FROM scriptorium_webhook)");
    query_int(q, op->now_us);
    query_int(q, op->now_us - ABANDON_US);
    e = query_run(q);
    op->result.count = db_changes(s->db);
    return e;
}

enum err sqlite_endpoint_drop(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "DELETE FROM scriptorium_webhook WHERE endpoint = ?");
    query_text(q, op->in.endpoint_drop.name);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, "UPDATE scriptorium_outbox SET state = 2, done = ?, error = ?"
                        " WHERE state = 0 AND endpoint = ?");
    query_int(q, op->now_us);
    query_text(q, op->in.endpoint_drop.why);
    query_text(q, op->in.endpoint_drop.name);
    e = query_run(q);
    op->result.count = db_changes(s->db);
    return e;
}

#define NAMES_MAX 1000 /* endpoints of the past among them */

static const char sql_endpoints[] =
    "SELECT e.endpoint,"
    " (SELECT coalesce(sum(CASE w.outcome WHEN 'completed' THEN 1 WHEN 'failed' THEN 2"
    "  WHEN 'cancelled' THEN 4 ELSE 8 END), 0)"
    "  FROM scriptorium_webhook w WHERE w.endpoint = e.endpoint),"
    " count(o.n) FILTER (WHERE o.state = 0),"
    " count(o.n) FILTER (WHERE o.state = 0 AND o.error IS NOT NULL),"
    " count(o.n) FILTER (WHERE o.state = 1), count(o.n) FILTER (WHERE o.state = 2),"
    " coalesce(min(o.tried_since) FILTER (WHERE o.state = 0), 0)"
    " FROM (SELECT endpoint FROM scriptorium_webhook"
    "       UNION SELECT endpoint FROM scriptorium_outbox) e"
    " LEFT JOIN scriptorium_outbox o ON o.endpoint = e.endpoint"
    " GROUP BY e.endpoint ORDER BY e.endpoint LIMIT ?";

enum err sqlite_endpoints(struct sqlite_store *s, struct store_op *op)
{
    struct store_endpoint_seen *seen = arena_array(&op->arena, NAMES_MAX, sizeof *seen);
    struct query *q = db_query(s->db, sql_endpoints);
    query_int(q, NAMES_MAX);
    size_t n = 0;
    while (query_next(q))
        seen[n++] = (struct store_endpoint_seen){.name = query_copy_text(q, 0, &op->arena),
                                                 .ends = (unsigned)query_get_int(q, 1),
                                                 .waiting = query_get_int(q, 2),
                                                 .failing = query_get_int(q, 3),
                                                 .delivered = query_get_int(q, 4),
                                                 .given_up = query_get_int(q, 5),
                                                 .oldest_us = query_get_int(q, 6)};
    op->result.endpoints = seen;
    op->result.n = n;
    return db_error(s->db);
}

/* ---- deliveries ---- */

#define DELIVERY                                                                                   \
    "SELECT o.n, o.id, o.endpoint, o.job_id, o.user_id, o.run, o.outcome, o.ended, o.state,"       \
    " o.attempts, o.tried_since, o.due, o.done, o.http_status, o.error,"                           \
    " CASE WHEN o.outcome = 'failed' THEN j.error_message END,"                                    \
    " CASE WHEN o.outcome = 'completed' THEN json_extract(j.script_metadata, '$.words') END,"      \
    " c.calls, c.input, c.output, c.cache_read, c.cache_write_5m, c.cache_write_1h, c.cost"

static const char sql_one[] =
    DELIVERY " FROM scriptorium_outbox o"
             " LEFT JOIN script_generation_jobs j ON j.id = o.job_id AND j.status = o.outcome"
             " LEFT JOIN (SELECT count(*) AS calls, total(input) AS input, total(output) AS output,"
             "  total(cache_read) AS cache_read, total(cache_write_5m) AS cache_write_5m,"
             "  total(cache_write_1h) AS cache_write_1h, total(cost) AS cost FROM scriptorium_call"
             "  WHERE job_id = (SELECT job_id FROM scriptorium_outbox WHERE n = ?1)"
             "  AND run = (SELECT run FROM scriptorium_outbox WHERE n = ?1)) c"
             " WHERE o.n = ?1";

static enum store_end end_of(const char *name)
{
    int end = 0;
    while (end < STORE_END_MAX - 1 &&
           (name == NULL || strcmp(name, store_end_name((enum store_end)end)) != 0))
        end++;
    return (enum store_end)end;
}

static void read_delivery(struct query *q, struct arena *a, struct store_delivery *d)
{
    *d = (struct store_delivery){.n = query_get_int(q, 0),
                                 .id = query_get_id(q, 1),
                                 .endpoint = query_copy_text(q, 2, a),
                                 .job = query_get_id(q, 3),
                                 .user_id = query_get_id(q, 4),
                                 .run = (int)query_get_int(q, 5),
                                 .end = end_of(query_get_text(q, 6)),
                                 .ended_us = query_get_int(q, 7),
                                 .state = (enum store_delivery_state)query_get_int(q, 8),
                                 .attempts = (int)query_get_int(q, 9),
                                 .since_us = query_get_int(q, 10),
                                 .due_us = query_get_int(q, 11),
                                 .done_us = query_get_int(q, 12),
                                 .http_status = (int)query_get_int(q, 13),
                                 .error = query_copy_text(q, 14, a),
                                 .job_error = query_copy_text(q, 15, a),
                                 .words = query_copy_text(q, 16, a),
                                 .calls = query_get_int(q, 17),
                                 .usage = {.input = query_get_int(q, 18),
                                           .output = query_get_int(q, 19),
                                           .cache_read = query_get_int(q, 20),
                                           .cache_write_5m = query_get_int(q, 21),
                                           .cache_write_1h = query_get_int(q, 22)},
                                 .cost_udollar = query_get_int(q, 23)};
}

/* Fills in the rows whose numbers are in `ns`. */
static enum err read_deliveries(struct sqlite_store *s, struct store_op *op, const int64_t *ns,
                                size_t n)
{
    struct store_delivery *all = arena_array(&op->arena, n, sizeof *all);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        struct query *q = db_query(s->db, sql_one);
        query_int(q, ns[i]);
        if (query_next(q)) {
            read_delivery(q, &op->arena, &all[found++]);
            query_end(q);
        }
    }
    op->result.deliveries = all;
    op->result.n = found;
    return db_error(s->db);
}

static size_t read_numbers(struct query *q, int64_t *ns)
{
    size_t n = 0;
    while (query_next(q))
        ns[n++] = query_get_int(q, 0);
    return n;
}

static const char sql_due[] = "SELECT n FROM scriptorium_outbox"
                              " WHERE endpoint = ? AND state = 0 AND due <= ? ORDER BY due, n"
                              " LIMIT ?";
static const char sql_lease[] = "UPDATE scriptorium_outbox SET attempts = attempts + 1, due = ?"
                                " WHERE n = ?";

enum err sqlite_deliveries_take(struct sqlite_store *s, struct store_op *op)
{
    int64_t *ns = arena_array(&op->arena, op->in.take.max, sizeof *ns);
    struct query *q = db_query(s->db, sql_due);
    query_text(q, op->in.take.endpoint);
    query_int(q, op->now_us);
    query_int(q, (int64_t)op->in.take.max);
    size_t n = read_numbers(q, ns);
    enum err e = db_error(s->db);
    for (size_t i = 0; i < n && e == OK; i++) {
        q = db_query(s->db, sql_lease);
        query_int(q, op->now_us + op->in.take.lease_us);
        query_int(q, ns[i]);
        e = query_run(q);
    }
    return e == OK ? read_deliveries(s, op, ns, n) : e;
}

static const char sql_note[] =
    "UPDATE scriptorium_outbox SET state = ?1, due = coalesce(nullif(?2, 0), due),"
    " http_status = ?3, error = ?4, done = CASE WHEN ?1 <> 0 THEN ?5 ELSE 0 END"
    " WHERE n = ?6 AND state = 0 AND attempts = ?7";
static const char sql_forget[] =
    "DELETE FROM scriptorium_outbox WHERE n IN (SELECT n FROM scriptorium_outbox"
    " WHERE state <> 0 AND done < ? ORDER BY done LIMIT 200)";

enum err sqlite_deliveries_note(struct sqlite_store *s, struct store_op *op)
{
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++) {
        const struct store_delivery_end *d = &op->in.noted[i];
        struct query *q = db_query(s->db, sql_note);
        query_int(q, d->state);
        query_int(q, d->due_us);
        query_int(q, d->http_status);
        query_text(q, d->error);
        query_int(q, op->now_us);
        query_int(q, d->n);
        query_int(q, d->attempts);
        e = query_run(q);
        op->result.count += db_changes(s->db);
    }
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, sql_forget);
    query_int(q, op->now_us - KEPT_US);
    return query_run(q);
}

static const char sql_list[] = "SELECT n FROM scriptorium_outbox"
                               " WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR endpoint = ?2)"
                               " AND (?3 = 0 OR n < ?3) ORDER BY n DESC LIMIT ?4";

enum err sqlite_deliveries(struct sqlite_store *s, struct store_op *op)
{
    const struct store_delivery_filter *f = &op->in.deliveries;
    int64_t *ns = arena_array(&op->arena, f->limit, sizeof *ns);
    struct query *q = db_query(s->db, sql_list);
    if (f->state < STORE_DELIVERY_MAX)
        query_int(q, f->state);
    else
        query_text(q, NULL);
    query_text(q, f->endpoint);
    query_int(q, f->before);
    query_int(q, (int64_t)f->limit);
    size_t n = read_numbers(q, ns);
    enum err e = db_error(s->db);
    return e == OK ? read_deliveries(s, op, ns, n) : e;
}

static const char sql_again[] =
    "UPDATE scriptorium_outbox SET state = 0, attempts = 0, due = 0, tried_since = ?1, done = 0"
    " WHERE (id = ?2 OR (?2 IS NULL AND state = 2)) AND (?3 IS NULL OR endpoint = ?3)";

enum err sqlite_deliveries_retry(struct sqlite_store *s, struct store_op *op)
{
    const struct uuid *id = &op->in.redeliver.id;
    char text[UUID_TEXT_SIZE];
    struct query *q = db_query(s->db, sql_again);
    query_int(q, op->now_us);
    query_id(q, id);
    query_text(q, op->in.redeliver.endpoint);
    enum err e = query_run(q);
    op->result.count = db_changes(s->db);
    if (e == OK && op->result.count == 0 && !uuid_is_nil(id)) {
        store_op_fail(op, ERR_NOT_FOUND, "there is no delivery %s", uuid_text(id, text));
        return ERR_NOT_FOUND;
    }
    return e;
}
