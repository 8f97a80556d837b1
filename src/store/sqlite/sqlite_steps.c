/* In: what a running attempt reports. Out: progress, text and checkpoints, while it is still the
 * one that owns the job. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/* ---- whose is the job? ---- */

static const char sql_fence[] = "SELECT fence FROM scriptorium_queue WHERE job_id = ?";
static const char sql_status[] = "SELECT status FROM script_generation_jobs WHERE id = ?";

static enum err why_lost(struct sqlite_store *s, const struct uuid *job, enum store_lost *ret_lost)
{
    struct query *q = db_query(s->db, sql_status);
    query_id(q, job);
    *ret_lost = STORE_DELETED;
    if (query_next(q)) {
        bool cancelled = strcmp(query_get_text(q, 0), job_status_name(JOB_CANCELLED)) == 0;
        *ret_lost = cancelled ? STORE_CANCELLED : STORE_REPLACED;
        query_end(q);
    }
    return db_error(s->db);
}

enum err sqlite_held(struct sqlite_store *s, const struct uuid *job, int64_t fence,
                     enum store_lost *ret_lost)
{
    struct query *q = db_query(s->db, sql_fence);
    query_id(q, job);
    if (query_next(q)) {
        int64_t now = query_get_int(q, 0);
        query_end(q);
        if (now == fence && fence > 0) {
            *ret_lost = STORE_HELD;
            return OK;
        }
    }
    return why_lost(s, job, ret_lost);
}

enum err sqlite_check(struct sqlite_store *s, struct store_op *op)
{
    enum store_lost *lost = arena_array(&op->arena, op->n, sizeof *lost);
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++)
        e = sqlite_held(s, &op->in.held[i].job, op->in.held[i].fence, &lost[i]);
    op->result.lost = lost;
    op->result.n = op->n;
    return e;
}

/* ---- progress ---- */

static const char sql_calm[] =
    "UPDATE scriptorium_queue SET crashes = 0 WHERE job_id = ? AND crashes > 0";
static const char sql_row_progress[] =
    "UPDATE script_generation_jobs SET current_step = ?, progress = max(coalesce(progress, 0), ?),"
    " current_chunk = ?, total_chunks = ?, updated_at = ? WHERE id = ?";
/* Text that does not go on where the saved text ends is left out: better short than with a hole. */
static const char sql_text_add[] =
    "INSERT INTO scriptorium_text (job_id, step, input_hash, at, text, call)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?4 = 0 OR ?4 ="
    " (SELECT t.at + length(CAST(t.text AS BLOB)) FROM scriptorium_text t WHERE t.job_id = ?1"
    " AND t.step = ?2 AND t.input_hash = ?3 ORDER BY t.n DESC LIMIT 1)";
static const char sql_call_count[] =
    "UPDATE scriptorium_call SET saved_output = max(saved_output, ?), saved_rate = ?"
    " WHERE id = ? AND state = 0";

static enum err calm(struct sqlite_store *s, const struct uuid *job)
{
    struct query *q = db_query(s->db, sql_calm);
    query_id(q, job);
    return query_run(q);
}

static enum err write_row(struct sqlite_store *s, const struct store_progress *p, int64_t now_us)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q = db_query(s->db, sql_row_progress);
    query_text(q, p->step);
    query_int(q, p->progress);
    query_int(q, p->current_chunk);
    query_int(q, p->total_chunks);
    query_text(q, clock_iso(now_us, now));
    query_id(q, &p->job);
    return query_run(q);
}

enum err sqlite_drop_text(struct sqlite_store *s, const struct uuid *job)
{
    struct query *q = db_query(s->db, "DELETE FROM scriptorium_text WHERE job_id = ?");
    query_id(q, job);
    return query_run(q);
}

static enum err add_text(struct sqlite_store *s, const struct store_progress *p)
{
    enum err e = p->text_offset == 0 ? sqlite_drop_text(s, &p->job) : OK;
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, sql_text_add);
    query_id(q, &p->job);
    query_text(q, p->text_step);
    query_text(q, p->text_hash);
    query_int(q, (int64_t)p->text_offset);
    query_bytes(q, p->text, p->text_len);
    query_id(q, &p->call);
    return query_run(q);
}

/* The ledger learns what was produced even when the job is lost. */
static enum err count_call(struct sqlite_store *s, const struct store_progress *p)
{
    struct query *q = db_query(s->db, sql_call_count);
    query_int(q, p->output_tokens);
    query_int(q, p->tokens_per_second);
    query_id(q, &p->call);
    return query_run(q);
}

static enum err progress_one(struct sqlite_store *s, struct store_op *op, size_t i,
                             enum store_lost *ret_lost)
{
    const struct store_progress *p = &op->in.progress[i];
    bool has_text = p->text_step != NULL && p->text_len > 0;
    enum err e = uuid_is_nil(&p->call) ? OK : count_call(s, p);
    if (e == OK)
        e = sqlite_held(s, &p->job, p->fence, ret_lost);
    if (e != OK || *ret_lost != STORE_HELD)
        return e;
    if (has_text)
        e = calm(s, &p->job);
    if (e == OK && p->step != NULL)
        e = write_row(s, p, op->now_us);
    if (e == OK && has_text)
        e = add_text(s, p);
    return e;
}

enum err sqlite_progress(struct sqlite_store *s, struct store_op *op)
{
    return sqlite_each(s, op, progress_one);
}

/* ---- checkpoints ---- */

static const char sql_step_drop[] =
    "DELETE FROM scriptorium_step WHERE job_id = ? AND run = ? AND step = ?";
static const char sql_step_add[] =
    "INSERT INTO scriptorium_step (job_id, run, step, input_hash, stop, model, input, output,"
    " cache_read, cache_write_5m, cache_write_1h, cost, started_at, ended_at, text)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char sql_text_drop[] = "DELETE FROM scriptorium_text WHERE job_id = ? AND step = ?";

static enum err drop_step(struct sqlite_store *s, const struct uuid *job, int run, const char *key)
{
    struct query *q = db_query(s->db, sql_step_drop);
    query_id(q, job);
    query_int(q, run);
    query_text(q, key);
    return query_run(q);
}

static enum err add_step(struct sqlite_store *s, const struct uuid *job, int run,
                         const struct store_step *step)
{
    struct query *q = db_query(s->db, sql_step_add);
    query_id(q, job);
    query_int(q, run);
    query_text(q, step->key);
    query_text(q, step->input_hash);
    query_text(q, step->stop);
    query_text(q, step->model);
    query_int(q, step->usage.input);
    query_int(q, step->usage.output);
    query_int(q, step->usage.cache_read);
    query_int(q, step->usage.cache_write_5m);
    query_int(q, step->usage.cache_write_1h);
    query_int(q, step->cost_udollar);
    query_int(q, step->started_us);
    query_int(q, step->ended_us);
    query_borrow(q, step->output);
    return query_run(q);
}

static enum err drop_text(struct sqlite_store *s, const struct uuid *job, const char *step)
{
    struct query *q = db_query(s->db, sql_text_drop);
    query_id(q, job);
    query_text(q, step);
    return query_run(q);
}

enum err sqlite_step_save(struct sqlite_store *s, struct store_op *op)
{
    const struct uuid *job = &op->in.save.held.job;
    const struct store_step *step = &op->in.save.step;
    enum store_lost *lost = arena_alloc(&op->arena, sizeof *lost);
    enum err e = OK;
    if (op->in.save.end != NULL)
        e = sqlite_end_call(s, op->in.save.end, op->now_us);
    if (e == OK)
        e = sqlite_held(s, job, op->in.save.held.fence, lost);
    if (e == OK && *lost == STORE_HELD) {
        e = calm(s, job);
        if (e == OK)
            e = drop_step(s, job, op->in.save.run, step->key);
        if (e == OK)
            e = add_step(s, job, op->in.save.run, step);
        if (e == OK)
            e = drop_text(s, job, step->key);
    }
    op->result.lost = lost;
    op->result.n = 1;
    return e;
}

/* ---- what a new attempt can build on ---- */

static const char sql_step_count[] =
    "SELECT count(*) FROM scriptorium_step WHERE job_id = ? AND run = ? AND n > ?";
static const char sql_step_read[] =
    "SELECT n, step, input_hash, CASE WHEN ?4 THEN text END, stop, model, input, output, "
    "cache_read,"
    " cache_write_5m, cache_write_1h, cost, started_at, ended_at FROM scriptorium_step"
    " WHERE job_id = ?1 AND run = ?2 AND n > ?3 ORDER BY n";
static const char sql_text_last[] =
    "SELECT step, input_hash FROM scriptorium_text INDEXED BY scriptorium_text_job"
    " WHERE job_id = ? ORDER BY n DESC LIMIT 1";
static const char sql_text_read[] =
    "SELECT text FROM scriptorium_text INDEXED BY scriptorium_text_job"
    " WHERE job_id = ? AND step = ? AND input_hash = ? ORDER BY n";

static struct query *ask(struct sqlite_store *s, const char *sql,
                         const struct sqlite_steps_wanted *want)
{
    struct query *q = db_query(s->db, sql);
    query_id(q, want->job);
    query_int(q, want->run);
    query_int(q, want->after);
    return q;
}

static void read_step(struct query *q, struct arena *a, struct store_step *step)
{
    *step = (struct store_step){
        .place = query_get_int(q, 0),
        .key = query_copy_text(q, 1, a),
        .input_hash = query_copy_text(q, 2, a),
        .output = query_copy_text(q, 3, a),
        .stop = query_copy_text(q, 4, a),
        .model = query_copy_text(q, 5, a),
        .usage = {query_get_int(q, 6), query_get_int(q, 7), query_get_int(q, 8),
                  query_get_int(q, 9), query_get_int(q, 10)},
        .cost_udollar = query_get_int(q, 11),
        .started_us = query_get_int(q, 12),
        .ended_us = query_get_int(q, 13),
    };
}

enum err sqlite_steps_read(struct sqlite_store *s, const struct sqlite_steps_wanted *want,
                           struct arena *a, const struct store_step **ret_steps, size_t *ret_n)
{
    struct query *q = ask(s, sql_step_count, want);
    size_t n = query_next(q) ? (size_t)query_get_int(q, 0) : 0, i = 0;
    query_end(q);
    struct store_step *steps = arena_array(a, n, sizeof *steps);
    *ret_steps = steps;
    *ret_n = 0;
    if (n == 0)
        return db_error(s->db);
    q = ask(s, sql_step_read, want);
    query_int(q, want->texts);
    while (i < n && query_next(q))
        read_step(q, a, &steps[i++]);
    query_end(q);
    *ret_n = i;
    return db_error(s->db);
}

static enum err read_partial(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_text_last);
    query_id(q, &op->in.steps.job);
    if (!query_next(q))
        return db_error(s->db);
    op->result.partial_key = query_copy_text(q, 0, &op->arena);
    op->result.partial_hash = query_copy_text(q, 1, &op->arena);
    query_end(q);
    struct buf text = BUF_INIT(STORE_TEXT_MAX);
    q = db_query(s->db, sql_text_read);
    query_id(q, &op->in.steps.job);
    query_text(q, op->result.partial_key);
    query_text(q, op->result.partial_hash);
    enum err e = OK;
    while (e == OK && query_next(q))
        e = buf_adds(&text, query_get_text(q, 0));
    query_end(q);
    op->result.partial = arena_strndup(&op->arena, buf_str(&text), text.len);
    buf_free(&text);
    return e == OK ? db_error(s->db) : e;
}

static enum err read_version(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "SELECT version FROM scriptorium_queue WHERE job_id = ?");
    query_id(q, &op->in.steps.job);
    op->result.version = -1;
    if (query_next(q)) {
        if (!query_is_null(q, 0))
            op->result.version = (int)query_get_int(q, 0);
        query_end(q);
    }
    return db_error(s->db);
}

static const char sql_spent[] =
    "SELECT sum(cost) FROM scriptorium_call WHERE job_id = ? AND run = ?";

static enum err read_spent(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_spent);
    query_id(q, &op->in.steps.job);
    query_int(q, op->in.steps.run);
    if (query_next(q)) {
        op->result.spent_udollar = query_get_int(q, 0);
        query_end(q);
    }
    return db_error(s->db);
}

enum err sqlite_steps(struct sqlite_store *s, struct store_op *op)
{
    enum err e = read_version(s, op);
    struct sqlite_steps_wanted want = {
        .job = &op->in.steps.job, .run = op->in.steps.run, .texts = true};
    if (e == OK)
        e = sqlite_steps_read(s, &want, &op->arena, &op->result.steps, &op->result.n);
    if (e == OK)
        e = read_spent(s, op);
    return e == OK ? read_partial(s, op) : e;
}
