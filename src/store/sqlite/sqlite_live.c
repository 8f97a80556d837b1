/* In: who looks at all jobs. Out: which run, wait, and have ended lately, from tables of our own:
 * the history is not read. */
#include "store/sqlite/sqlite.h"

#define ENDED_KEPT 10000 /* by the trigger */

/* All take the same parameters: the user or NULL, and how many. */
#define OURS "(?1 IS NULL OR user_id = ?1)"

static const char sql_running[] =
    "SELECT job_id FROM scriptorium_queue INDEXED BY scriptorium_queue_running"
    " WHERE state = 1 AND " OURS " ORDER BY claimed_at DESC LIMIT ?2";
static const char sql_foreign[] =
    "SELECT f.job_id FROM scriptorium_foreign f WHERE ?1 IS NULL OR EXISTS"
    " (SELECT 1 FROM script_generation_jobs j WHERE j.id = f.job_id AND j.user_id = ?1)"
    " ORDER BY f.since DESC LIMIT ?2";
static const char sql_some_wait[] =
    "SELECT job_id FROM scriptorium_queue INDEXED BY scriptorium_queue_user"
    " WHERE state <> 1 AND " OURS " LIMIT ?2";

/* Of one user by that user's part of the index, of all by the order of claims. */
#define LINE(index, where, order, back)                                                            \
    {                                                                                              \
        "SELECT job_id FROM scriptorium_queue INDEXED BY " index " WHERE " where                   \
        " ORDER BY " order " LIMIT ?2",                                                            \
            "SELECT job_id FROM scriptorium_queue INDEXED BY " index " WHERE " where               \
            " ORDER BY " back " LIMIT ?2"                                                          \
    }
static const char *const sql_line[2][2] = {
    /* [of one user][from its end] */
    LINE("scriptorium_queue_due", "state = 0 AND ?1 IS NULL", "priority DESC, tag, user_id, run_at",
         "priority, tag DESC, user_id DESC, run_at DESC"),
    LINE("scriptorium_queue_user", "state <> 1 AND user_id = ?1", "priority, tag",
         "priority DESC, tag DESC"),
};

static const char sql_ended[] =
    "SELECT e.job_id, j.status, e.at FROM scriptorium_ended e"
    " JOIN script_generation_jobs j ON j.id = e.job_id"
    " WHERE e.at >= ?3 AND (?4 IS NULL OR e.at > ?3 OR e.job_id > ?4)"
    " AND (?1 IS NULL OR e.user_id = ?1) AND j.status <> 'pending' AND j.status <> 'processing'"
    " ORDER BY e.at, e.job_id LIMIT ?2";
/* The trigger has taken some that ended since. */
static const char sql_forgotten[] = "SELECT min(at) > ?1 AND count(*) >= ?2 FROM scriptorium_ended";

struct list {
    struct sqlite_store *s;
    const struct uuid *user;
    struct store_live_job *jobs;
    size_t n;
};

static bool has(const struct list *l, size_t from, const struct uuid *id)
{
    for (size_t i = from; i < l->n; i++) {
        if (uuid_equal(&l->jobs[i].id, id))
            return true;
    }
    return false;
}

/* Up to so many more, none twice from there on. */
static enum err add(struct list *l, const char *sql, enum job_status status, size_t most,
                    size_t unlike_from)
{
    struct query *q = db_query(l->s->db, sql);
    query_id(q, l->user);
    query_int(q, (int64_t)most);
    while (query_next(q)) {
        struct uuid id = query_get_id(q, 0);
        if (!has(l, unlike_from, &id))
            l->jobs[l->n++] = (struct store_live_job){.id = id, .status = status};
    }
    return db_error(l->s->db);
}

static enum err add_waiting(struct list *l, size_t most)
{
    size_t from = l->n, half = (most + 1) / 2;
    enum err e = add(l, sql_some_wait, JOB_PENDING, most + 1, from);
    if (e != OK || l->n - from <= most)
        return e;
    const char *const *line = sql_line[!uuid_is_nil(l->user)];
    l->n = from;
    e = add(l, line[0], JOB_PENDING, half, from);
    return e == OK ? add(l, line[1], JOB_PENDING, most - half, from) : e;
}

static enum err add_ended(struct list *l, const struct store_live *ask)
{
    struct query *q = db_query(l->s->db, sql_ended);
    query_id(q, l->user);
    query_int(q, (int64_t)ask->ended);
    query_int(q, ask->since_us);
    query_id(q, &ask->after);
    while (query_next(q)) {
        struct store_live_job *j = &l->jobs[l->n++];
        j->id = query_get_id(q, 0);
        (void)!job_status_parse(query_get_text(q, 1), &j->status); /* the column has a CHECK */
        j->ended_us = query_get_int(q, 2);
    }
    return db_error(l->s->db);
}

static enum err look_for_forgotten(struct sqlite_store *s, int64_t since_us, int64_t *ret_count)
{
    struct query *q = db_query(s->db, sql_forgotten);
    query_int(q, since_us);
    query_int(q, ENDED_KEPT);
    if (query_next(q)) {
        *ret_count = query_get_int(q, 0);
        query_end(q);
    }
    return db_error(s->db);
}

enum err sqlite_live(struct sqlite_store *s, struct store_op *op)
{
    const struct store_live *ask = &op->in.live;
    struct list l = {.s = s, .user = &ask->user_id};
    l.jobs = arena_array(&op->arena, ask->running + ask->waiting + 1 + ask->ended, sizeof *l.jobs);
    enum err e = add(&l, sql_running, JOB_PROCESSING, ask->running, 0);
    if (e == OK)
        e = add(&l, sql_foreign, JOB_PROCESSING, ask->running - l.n, 0);
    if (e == OK)
        e = add_waiting(&l, ask->waiting);
    if (e == OK)
        e = add_ended(&l, ask);
    if (e == OK)
        e = look_for_forgotten(s, ask->since_us, &op->result.count);
    op->result.live = l.jobs;
    op->result.n = l.n;
    return e;
}
