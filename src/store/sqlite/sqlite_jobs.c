/* In: what clients ask of jobs. Out: rows of the users' table, written as a client would write
 * them: the triggers keep the queue in step. */
#include "store/sqlite/sqlite.h"

#include "base/clock.h"
#include "store/store_places.h"

/* ---- insert ---- */

static const char sql_key_find[] = "SELECT k.job_id FROM scriptorium_idempotency k JOIN "
                                   "script_generation_jobs j ON j.id = k.job_id"
                                   " WHERE k.user_id = ? AND k.key = ?";
static const char sql_key_keep[] =
    "INSERT OR REPLACE INTO scriptorium_idempotency (user_id, key, job_id, created_at)"
    " VALUES (?, ?, ?, ?)";
static const char sql_job_insert[] =
    "INSERT OR FAIL INTO script_generation_jobs (id, workflow_id, user_id, status, progress, "
    "current_step,"
    " max_retries, priority, generation_params, created_at, updated_at)"
    " VALUES (?, ?, ?, 'pending', 0, 'queued', ?, ?, ?, ?7, ?7)";
static const char sql_queue_delay[] =
    "UPDATE scriptorium_queue SET state = 2, run_at = ? WHERE job_id = ?";

/* The job that this key has made before; false when there is none (any more). */
static bool find_by_key(struct sqlite_store *s, const struct store_new_job *j, struct uuid *ret_id)
{
    struct query *q = db_query(s->db, sql_key_find);
    query_id(q, &j->user_id);
    query_text(q, j->idempotency_key);
    if (!query_next(q))
        return false;
    *ret_id = query_get_id(q, 0);
    query_end(q);
    return true;
}

static enum err insert_row(struct sqlite_store *s, const struct store_new_job *j, const char *now)
{
    struct query *q = db_query(s->db, sql_job_insert);
    query_id(q, &j->id);
    query_id(q, &j->workflow_id);
    query_id(q, &j->user_id);
    query_int(q, j->max_retries);
    query_int(q, j->priority);
    query_borrow(q, j->params);
    query_borrow(q, now);
    return query_run(q);
}

static enum err delay(struct sqlite_store *s, const struct store_new_job *j)
{
    struct query *q = db_query(s->db, sql_queue_delay);
    query_int(q, j->run_at_us);
    query_id(q, &j->id);
    return query_run(q);
}

static enum err keep_key(struct sqlite_store *s, const struct store_new_job *j, int64_t now_us)
{
    struct query *q = db_query(s->db, sql_key_keep);
    query_id(q, &j->user_id);
    query_text(q, j->idempotency_key);
    query_id(q, &j->id);
    query_int(q, now_us);
    return query_run(q);
}

static enum err insert_one(struct sqlite_store *s, struct store_op *op, struct store_new_job *j,
                           const char *now, struct store_inserted *ret)
{
    if (j->idempotency_key != NULL && find_by_key(s, j, &ret->id)) {
        ret->existed = true;
        return OK;
    }
    if (uuid_is_nil(&j->id))
        j->id = uuid_new(op->now_us);
    enum err e = insert_row(s, j, now);
    if (e == OK && j->run_at_us > op->now_us)
        e = delay(s, j);
    if (e == OK && j->idempotency_key != NULL)
        e = keep_key(s, j, op->now_us);
    ret->id = j->id;
    op->changed = true;
    return e == OK ? db_error(s->db) : e;
}

enum err sqlite_insert(struct sqlite_store *s, struct store_op *op)
{
    char now[CLOCK_ISO_SIZE];
    clock_iso(op->now_us, now);
    struct store_inserted *inserted = arena_array(&op->arena, op->n, sizeof *inserted);
    for (size_t i = 0; i < op->n; i++) {
        enum err e = insert_one(s, op, &op->in.insert[i], now, &inserted[i]);
        if (e != OK)
            return e;
    }
    op->result.inserted = inserted;
    op->result.n = op->n;
    return OK;
}

/* ---- look ---- */

#define SMALL_COLUMNS                                                                              \
    "j.id, j.user_id, j.workflow_id, j.status, j.progress, j.current_chunk, j.total_chunks,"       \
    " j.retry_count, j.max_retries, coalesce(j.priority, 5), j.current_step, j.error_message,"     \
    " j.created_at, j.started_at, j.completed_at, j.updated_at,"                                   \
    " coalesce(j.processing_time_seconds, -1), q.job_id IS NOT NULL, q.run_at,"                    \
    " coalesce(r.run, 1)"
#define JOINS                                                                                      \
    " LEFT JOIN scriptorium_queue q ON q.job_id = j.id"                                            \
    " LEFT JOIN scriptorium_run r ON r.job_id = j.id"

static void read_small(struct query *q, struct store_job *j, struct arena *a)
{
    j->id = query_get_id(q, 0);
    j->user_id = query_get_id(q, 1);
    j->workflow_id = query_get_id(q, 2);
    (void)!job_status_parse(query_get_text(q, 3), &j->status); /* the column has a CHECK */
    j->progress = (int)query_get_int(q, 4);
    j->current_chunk = (int)query_get_int(q, 5);
    j->total_chunks = (int)query_get_int(q, 6);
    j->retry_count = (int)query_get_int(q, 7);
    j->max_retries = (int)query_get_int(q, 8);
    j->priority = (int)query_get_int(q, 9);
    j->current_step = query_copy_text(q, 10, a);
    j->error_message = query_copy_text(q, 11, a);
    j->created_us = sqlite_time_parse(query_get_text(q, 12));
    j->started_us = sqlite_time_parse(query_get_text(q, 13));
    j->completed_us = sqlite_time_parse(query_get_text(q, 14));
    j->updated_us = sqlite_time_parse(query_get_text(q, 15));
    j->processing_seconds = query_get_int(q, 16);
    j->queued = query_get_int(q, 17) != 0;
    j->run_at_us = query_get_int(q, 18);
    j->run = (int)query_get_int(q, 19);
}

static const char sql_job_cost[] =
    "SELECT sum(cost), sum(input + cache_read + cache_write_5m + cache_write_1h), sum(output),"
    " sum(cache_read), sum(cache_write_5m + cache_write_1h)"
    " FROM scriptorium_call WHERE job_id = ?";

static enum err read_cost(struct sqlite_store *s, struct store_job *j)
{
    struct query *q = db_query(s->db, sql_job_cost);
    query_id(q, &j->id);
    if (query_next(q)) {
        j->cost_udollar = query_get_int(q, 0);
        j->input_tokens = query_get_int(q, 1);
        j->output_tokens = query_get_int(q, 2);
        j->cache_read = query_get_int(q, 3);
        j->cache_write = query_get_int(q, 4);
        query_end(q);
    }
    return db_error(s->db);
}

/* What get_placed() reads. */
#define PLACE_COLUMNS "q.priority, q.tag, q.user_id, q.state"

/* Of equal tags a claim looks at users in the order of their ids: that of its index. */
static struct store_place get_place(struct query *q, int at)
{
    struct uuid user = query_get_id(q, at + 2);
    int64_t tie = 0;
    for (int i = 0; i < 7; i++)
        tie = tie << 8 | user.bytes[i];
    return (struct store_place){(int)query_get_int(q, at), query_get_int(q, at + 1), tie};
}

/* Of a job that is due, PLACE_COLUMNS from `at` on: `op->placed` has room. */
static void get_placed(struct query *q, int at, struct store_op *op, struct store_job *j)
{
    if (j->queued && query_get_int(q, at + 3) == 0)
        op->placed[op->n_placed++] = (struct store_placed){j, get_place(q, at)};
}

static const char sql_job_get[] = "SELECT " SMALL_COLUMNS ", j.generation_params,"
                                  " j.generated_script, j.script_metadata, " PLACE_COLUMNS
                                  " FROM script_generation_jobs j" JOINS " WHERE j.id = ?";

static enum err not_found(struct store_op *op, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    store_op_fail(op, ERR_NOT_FOUND, "there is no job %s", uuid_text(id, text));
    return ERR_NOT_FOUND;
}

/* `op->placed` has room. */
static enum err get(struct sqlite_store *s, struct store_op *op, const struct uuid *id,
                    struct store_job *j, bool *ret_found)
{
    struct query *q = db_query(s->db, sql_job_get);
    query_id(q, id);
    *ret_found = query_next(q);
    if (!*ret_found)
        return db_error(s->db);
    read_small(q, j, &op->arena);
    j->params = query_copy_text(q, 20, &op->arena);
    j->script = query_copy_text(q, 21, &op->arena);
    j->metadata = query_copy_text(q, 22, &op->arena);
    get_placed(q, 23, op, j);
    query_end(q);
    return read_cost(s, j);
}

enum err sqlite_get(struct sqlite_store *s, struct store_op *op)
{
    struct store_job *j = arena_alloc(&op->arena, sizeof *j);
    bool found = false;
    op->placed = arena_alloc(&op->arena, sizeof *op->placed);
    enum err e = get(s, op, &op->in.id, j, &found);
    if (e == OK && !found)
        return not_found(op, &op->in.id);
    op->result.jobs = j;
    op->result.n = 1;
    return e;
}

static enum err show_steps(struct sqlite_store *s, struct store_op *op, struct store_shown *one)
{
    struct sqlite_steps_wanted want = {.job = &one->job.id, .run = one->job.run};
    return sqlite_steps_read(s, &want, &op->arena, &one->steps, &one->n_steps);
}

enum err sqlite_show(struct sqlite_store *s, struct store_op *op)
{
    struct store_shown *shown = arena_array(&op->arena, op->n, sizeof *shown);
    op->placed = arena_array(&op->arena, op->n, sizeof *op->placed);
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++) {
        bool found = false;
        e = get(s, op, &op->in.ids[i], &shown[i].job, &found);
        shown[i].err = found ? OK : ERR_NOT_FOUND;
        if (e == OK && found)
            e = show_steps(s, op, &shown[i]);
    }
    op->result.shown = shown;
    op->result.n = op->n;
    return e;
}

static const char sql_job_row[] =
    "SELECT " SMALL_COLUMNS " FROM script_generation_jobs j" JOINS " WHERE j.id = ?";

enum err sqlite_row(struct sqlite_store *s, const struct uuid *id, struct arena *a,
                    struct store_job *ret_job, bool *ret_found)
{
    struct query *q = db_query(s->db, sql_job_row);
    query_id(q, id);
    *ret_found = query_next(q);
    if (*ret_found) {
        read_small(q, ret_job, a);
        query_end(q);
    }
    return db_error(s->db);
}

static const char sql_places[] =
    "SELECT priority, tag, user_id FROM scriptorium_queue INDEXED BY scriptorium_queue_due"
    " WHERE state = 0 ORDER BY priority DESC, tag, user_id";

enum err sqlite_places(struct sqlite_store *s, struct store_op *op)
{
    struct places *p = arena_alloc(&op->arena, sizeof *p);
    p->at = arena_array(&op->arena, STORE_PLACES_MAX, sizeof *p->at);
    struct query *q = db_query(s->db, sql_places);
    while (query_next(q))
        places_add(p, get_place(q, 0));
    op->places = p;
    return db_error(s->db);
}

/* Newest first is the order of the rows in the table, and of equal keys in every index. The indexes
 * are the users': none is named, for they may drop them. All four take the same parameters, used or
 * not. */
#define LIST(where)                                                                                \
    "SELECT " SMALL_COLUMNS ", j.rowid, " PLACE_COLUMNS " FROM script_generation_jobs j" JOINS     \
    " WHERE j.rowid < ?1 AND ?2 IS ?2 AND ?3 IS ?3" where " ORDER BY j.rowid DESC LIMIT ?4"

static const char *const sql_list[2][2] = {
    /* [by status][by user] */
    {LIST(""), LIST(" AND j.user_id = ?3")},
    {LIST(" AND j.status = ?2"), LIST(" AND +j.status = ?2 AND j.user_id = ?3")},
};
enum err sqlite_list(struct sqlite_store *s, struct store_op *op)
{
    const struct store_filter *f = &op->in.filter;
    bool by_status = f->status != JOB_STATUS_MAX, by_user = !uuid_is_nil(&f->user_id);
    struct query *q = db_query(s->db, sql_list[by_status][by_user]);
    query_int(q, uuid_is_nil(&f->after) ? INT64_MAX : f->after_at);
    query_text(q, by_status ? job_status_name(f->status) : NULL);
    query_id(q, &f->user_id);
    query_int(q, (int64_t)f->limit);
    struct store_job *jobs = arena_array(&op->arena, f->limit, sizeof *jobs);
    size_t n = 0;
    op->placed = arena_array(&op->arena, f->limit, sizeof *op->placed);
    while (query_next(q)) {
        read_small(q, &jobs[n], &op->arena);
        get_placed(q, 21, op, &jobs[n]);
        jobs[n++].listed_at = query_get_int(q, 20);
    }
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++)
        e = read_cost(s, &jobs[i]);
    op->result.jobs = jobs;
    op->result.n = n;
    return e == OK ? db_error(s->db) : e;
}

/* ---- what a client may do to a row ---- */

static enum err read_status(struct sqlite_store *s, struct store_op *op, enum job_status *ret)
{
    struct query *q = db_query(s->db, "SELECT status FROM script_generation_jobs WHERE id = ?");
    query_id(q, &op->in.id);
    if (!query_next(q))
        return db_error(s->db) != OK ? db_error(s->db) : not_found(op, &op->in.id);
    enum err e = job_status_parse(query_get_text(q, 0), ret);
    query_end(q);
    return e;
}

static enum err refuse(struct store_op *op, enum job_status status, const char *verb)
{
    char text[UUID_TEXT_SIZE];
    store_op_fail(op, ERR_INVALID, "job %s is %s: nothing to %s", uuid_text(&op->in.id, text),
                  job_status_name(status), verb);
    return ERR_INVALID;
}

static enum err write_row(struct sqlite_store *s, struct store_op *op, const char *sql)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q = db_query(s->db, sql);
    query_text(q, clock_iso(op->now_us, now));
    query_id(q, &op->in.id);
    enum err e = query_run(q);
    op->result.count = db_changes(s->db);
    op->changed = true;
    return e;
}

static const char sql_job_cancel[] =
    "UPDATE script_generation_jobs"
    " SET status = 'cancelled', current_step = 'cancelled', updated_at = ? WHERE id = ?";

enum err sqlite_cancel(struct sqlite_store *s, struct store_op *op)
{
    enum job_status status;
    enum err e = read_status(s, op, &status);
    if (e != OK)
        return e;
    if (status != JOB_PENDING && status != JOB_PROCESSING)
        return refuse(op, status, "cancel");
    return write_row(s, op, sql_job_cancel);
}

#define AGAIN                                                                                      \
    "UPDATE script_generation_jobs"                                                                \
    " SET status = 'pending', current_step = 'queued', progress = 0, retry_count = 0,"             \
    " updated_at = ?1 WHERE "

static const char sql_job_again[] = AGAIN "id = ?2";

/* A pending job waits already, and a running one is not paid for again by who asks twice. */
enum err sqlite_retry(struct sqlite_store *s, struct store_op *op)
{
    enum job_status status;
    enum err e = read_status(s, op, &status);
    if (e != OK)
        return e;
    if (status == JOB_PENDING || status == JOB_PROCESSING)
        return refuse(op, status, "retry");
    return write_row(s, op, sql_job_again);
}

enum err sqlite_delete(struct sqlite_store *s, struct store_op *op)
{
    enum job_status status;
    enum err e = read_status(s, op, &status);
    if (e != OK)
        return e;
    return write_row(s, op, "DELETE FROM script_generation_jobs WHERE ?1 = ?1 AND id = ?2");
}

static const char sql_all_again[] =
    AGAIN "status IN ('failed', 'cancelled') AND (?2 IS NULL OR status = ?2)"
          " AND (?3 IS NULL OR user_id = ?3)";

enum err sqlite_retry_all(struct sqlite_store *s, struct store_op *op)
{
    const struct store_filter *f = &op->in.filter;
    char now[CLOCK_ISO_SIZE];
    if (f->status != JOB_STATUS_MAX && f->status != JOB_FAILED && f->status != JOB_CANCELLED) {
        store_op_fail(op, ERR_INVALID, "only failed and cancelled jobs can be run again together");
        return ERR_INVALID;
    }
    struct query *q = db_query(s->db, sql_all_again);
    query_text(q, clock_iso(op->now_us, now));
    query_text(q, f->status == JOB_STATUS_MAX ? NULL : job_status_name(f->status));
    query_id(q, &f->user_id);
    enum err e = query_run(q);
    op->result.count = db_changes(s->db);
    op->changed = op->result.count > 0;
    return e;
}

static const char sql_foreign_again[] =
    AGAIN "id IN (SELECT job_id FROM scriptorium_foreign WHERE since <= ?2)"
          " AND status = 'processing'";

/* How long: since the row was set to processing. */
enum err sqlite_rescue_foreign(struct sqlite_store *s, struct store_op *op)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q = db_query(s->db, sql_foreign_again);
    query_text(q, clock_iso(op->now_us, now));
    query_int(q, op->now_us - op->in.age_us);
    enum err e = query_run(q);
    op->result.count = db_changes(s->db);
    op->changed = op->result.count > 0;
    return e;
}
