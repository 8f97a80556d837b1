/* In: how long texts are kept; a user who wants to be forgotten. Out: texts and rows gone, some at
 * a time. Money stays: the ledger loses nothing but its error texts. */
#include "store/sqlite/sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DAY_US ((int64_t)86400 * USEC_PER_SEC)

static enum err run_with(struct sqlite_store *s, const char *sql, const char *text, int64_t *ret_n)
{
    struct query *q = db_query(s->db, sql);
    query_text(q, text);
    enum err e = query_run(q);
    if (e == OK && ret_n != NULL)
        *ret_n += db_changes(s->db);
    return e;
}

/* The row without its texts, when it has any. */
static enum err blank(struct sqlite_store *s, const char *id, int64_t *io_changed)
{
    return run_with(
        s,
        "UPDATE script_generation_jobs SET generation_params = NULL, generated_script = NULL,"
        " script_metadata = NULL, error_message = NULL WHERE id = ? AND"
        " (generation_params IS NOT NULL OR generated_script IS NOT NULL"
        " OR script_metadata IS NOT NULL OR error_message IS NOT NULL)",
        id, io_changed);
}

/* Checkpoints, streamed text and log lines of a job. */
static enum err drop_traces(struct sqlite_store *s, const char *id, int64_t *io_steps,
                            int64_t *io_lines)
{
    enum err e = run_with(s, "DELETE FROM scriptorium_step WHERE job_id = ?", id, io_steps);
    if (e == OK)
        e = run_with(s, "DELETE FROM scriptorium_text WHERE job_id = ?", id, io_steps);
    if (e == OK)
        e = run_with(s, "DELETE FROM scriptorium_log WHERE job_id = ?", id, io_lines);
    return e;
}

/* ---- by age ---- */

static char *setting(struct sqlite_store *s, const char *key, struct arena *a)
{
    char *text = NULL;
    struct query *q = db_query(s->db, "SELECT value FROM scriptorium_setting WHERE key = ?");
    query_text(q, key);
    if (query_next(q)) {
        text = query_copy_text(q, 0, a);
        query_end(q);
    }
    return text;
}

static enum err keep_setting(struct sqlite_store *s, const char *key, const char *value)
{
    struct query *q = db_query(s->db, "INSERT OR REPLACE INTO scriptorium_setting VALUES (?, ?)");
    query_text(q, key);
    query_text(q, value);
    return query_run(q);
}

/* For the engine, which empties the log. */
static enum err note_erased(struct sqlite_store *s, const struct store_op *op)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, op->now_us);
    s->erased = true;
    return keep_setting(s, "erased", text);
}

static bool is_old(const struct store_sweep *want, const char *status, const char *ended,
                   int64_t now_us)
{
    enum job_status st;
    if (job_status_parse(status, &st) != OK || st == JOB_PENDING || st == JOB_PROCESSING)
        return false;
    int64_t at = sqlite_time_parse(ended);
    return want->age_us[st] > 0 && at > 0 && now_us - at > want->age_us[st];
}

static enum err sweep_job(struct sqlite_store *s, const struct store_sweep *want, const char *id,
                          int64_t *io_changed)
{
    int64_t others = 0;
    if (want->rows)
        return run_with(s, "DELETE FROM script_generation_jobs WHERE id = ?", id, io_changed);
    enum err e = blank(s, id, io_changed);
    return e == OK ? drop_traces(s, id, &others, &others) : e;
}

/* The next rows in order of their ids, never all of them. */
static enum err sweep_jobs(struct sqlite_store *s, struct store_op *op)
{
    const struct store_sweep *want = &op->in.sweep;
    const char *last = setting(s, "retention.cursor", &op->arena);
    char **old = arena_array(&op->arena, want->look, sizeof *old);
    size_t n = 0, seen = 0;
    struct query *q = db_query(s->db, "SELECT id, status, coalesce(completed_at, updated_at,"
                                      " created_at) FROM script_generation_jobs WHERE id > ?"
                                      " ORDER BY id LIMIT ?");
    query_text(q, last != NULL ? last : "");
    query_int(q, (int64_t)want->look);
    while (query_next(q)) {
        last = query_copy_text(q, 0, &op->arena);
        if (is_old(want, query_get_text(q, 1), query_get_text(q, 2), op->now_us))
            old[n++] = query_copy_text(q, 0, &op->arena);
        seen++;
    }
    enum err e = db_error(s->db);
    for (size_t i = 0; i < n && e == OK; i++)
        e = sweep_job(s, want, old[i], &op->result.count);
    op->result.due_left = seen == want->look;
    if (e == OK && op->result.count > 0)
        e = note_erased(s, op);
    return e == OK ? keep_setting(s, "retention.cursor", op->result.due_left ? last : "") : e;
}

/* Keys of jobs that are gone, the next in order. */
static enum err sweep_keys(struct sqlite_store *s, struct store_op *op)
{
    static const char sql_last[] =
        "SELECT user_id || ' ' || key FROM (SELECT user_id, key FROM scriptorium_idempotency"
        " WHERE (user_id, key) > (substr(?1, 1, 36), substr(?1, 38)) ORDER BY user_id, key"
        " LIMIT ?2) ORDER BY user_id DESC, key DESC LIMIT 1";
    static const char sql_drop[] =
        "DELETE FROM scriptorium_idempotency WHERE (user_id, key) > (substr(?1, 1, 36),"
        " substr(?1, 38)) AND (user_id, key) <= (substr(?2, 1, 36), substr(?2, 38)) AND NOT EXISTS"
        " (SELECT 1 FROM script_generation_jobs j WHERE j.id = scriptorium_idempotency.job_id)";
    const char *from = setting(s, "retention.keys", &op->arena), *to = NULL;
    struct query *q = db_query(s->db, sql_last);
    query_text(q, from != NULL ? from : "");
    query_int(q, (int64_t)op->in.sweep.look);
    if (query_next(q)) {
        to = query_copy_text(q, 0, &op->arena);
        query_end(q);
    }
    if (db_error(s->db) != OK || to == NULL)
        return db_error(s->db) != OK ? db_error(s->db) : keep_setting(s, "retention.keys", "");
    q = db_query(s->db, sql_drop);
    query_text(q, from != NULL ? from : "");
    query_text(q, to);
    enum err e = query_run(q);
    return e == OK ? keep_setting(s, "retention.keys", to) : e;
}

enum err sqlite_sweep(struct sqlite_store *s, struct store_op *op)
{
    enum err e = sweep_jobs(s, op);
    if (e == OK)
        e = sweep_keys(s, op);
    if (e != OK)
        return e;
    struct query *q =
        db_query(s->db, "DELETE FROM scriptorium_outbox WHERE n IN (SELECT n FROM"
                        " scriptorium_outbox WHERE state <> 0 AND done < ? ORDER BY done LIMIT ?)");
    query_int(q, op->now_us - 30 * DAY_US);
    query_int(q, (int64_t)op->in.sweep.look);
    return query_run(q);
}

/* ---- one user ---- */

/* What belongs to the user and to no job. */
static enum err erase_user(struct sqlite_store *s, struct store_op *op, const char *user,
                           struct store_erased *erased)
{
    char now[CLOCK_ISO_SIZE];
    struct query *q =
        db_query(s->db, "UPDATE script_generation_jobs SET status = 'cancelled',"
                        " current_step = 'cancelled', updated_at = ? WHERE user_id = ?"
                        " AND (status = 'pending' OR status = 'processing')");
    query_text(q, clock_iso(op->now_us, now));
    query_text(q, user);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    erased->cancelled = db_changes(s->db);
    e = run_with(s, "DELETE FROM scriptorium_idempotency WHERE user_id = ?", user, &erased->keys);
    if (e == OK)
        e = run_with(s,
                     "UPDATE scriptorium_call SET error = NULL WHERE user_id = ?"
                     " AND error IS NOT NULL",
                     user, NULL);
    if (e == OK)
        e = run_with(s, "DELETE FROM scriptorium_outbox WHERE user_id = ? AND state <> 0", user,
                     &erased->outbox);
    if (e == OK)
        e = run_with(s,
                     "UPDATE scriptorium_outbox SET error = NULL WHERE user_id = ?"
                     " AND error IS NOT NULL",
                     user, NULL);
    return e;
}

enum err sqlite_erase(struct sqlite_store *s, struct store_op *op)
{
    struct store_erased *erased = arena_alloc(&op->arena, sizeof *erased);
    char user[UUID_TEXT_SIZE], after[UUID_TEXT_SIZE] = "", id[UUID_TEXT_SIZE];
    const struct store_erase *want = &op->in.erase;
    struct uuid *ids = arena_array(&op->arena, want->look, sizeof *ids);
    enum err e = OK;
    op->result.erased = erased;
    op->changed = true;
    uuid_text(&want->user, user);
    if (uuid_is_nil(&want->after))
        e = erase_user(s, op, user, erased);
    else
        uuid_text(&want->after, after);
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, "SELECT id FROM script_generation_jobs WHERE user_id = ?"
                                      " AND id > ? ORDER BY id LIMIT ?");
    query_text(q, user);
    query_text(q, after);
    query_int(q, (int64_t)want->look);
    size_t n = 0;
    while (query_next(q))
        ids[n++] = query_get_id(q, 0);
    e = db_error(s->db);
    for (size_t i = 0; i < n && e == OK; i++) {
        int64_t changed = 0;
        uuid_text(&ids[i], id);
        e = blank(s, id, &changed);
        if (e == OK)
            e = drop_traces(s, id, &erased->steps, &erased->lines);
    }
    erased->jobs = (int64_t)n;
    if (n == want->look)
        erased->last = ids[n - 1];
    return e == OK ? note_erased(s, op) : e;
}
