/* In: a worker that has room. Out: the jobs it may run next, fenced, in fair order. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/clock.h"
#include "job/fair.h"

/* A window is about three times what is wanted. When users at their cap fill it, a larger one is
 * looked at, and what that holds of theirs gets a later tag: the next claim sees further. */
#define WINDOW_MIN  64
#define WINDOW_WIDE 4096
#define PROMOTE_MAX 10000 /* delayed jobs that become due in one claim */

struct window {
    struct fair_item *items;
    const char **ids; /* job ids */
    size_t n, max;
    size_t *order; /* indexes of the taken ones */
    size_t taken;
};

/* ---- what is due ---- */

static const char sql_promote[] =
    "UPDATE scriptorium_queue SET state = 0 WHERE job_id IN ("
    " SELECT job_id FROM scriptorium_queue INDEXED BY scriptorium_queue_later"
    " WHERE state = 2 AND run_at <= ? ORDER BY run_at LIMIT ?)";
static const char sql_next_due[] =
    "SELECT run_at FROM scriptorium_queue INDEXED BY scriptorium_queue_later"
    " WHERE state = 2 ORDER BY run_at LIMIT 1";

static int64_t next_due(struct sqlite_store *s)
{
    int64_t at = 0;
    struct query *q = db_query(s->db, sql_next_due);
    if (query_next(q)) {
        at = query_get_int(q, 0);
        query_end(q);
    }
    return at;
}

static enum err promote(struct sqlite_store *s, int64_t now_us)
{
    int64_t due = next_due(s);
    if (due == 0 || due > now_us)
        return db_error(s->db);
    struct query *q = db_query(s->db, sql_promote);
    query_int(q, now_us);
    query_int(q, PROMOTE_MAX);
    return query_run(q);
}

/* ---- the window ---- */

static const char sql_window[] = "SELECT job_id, user_id, priority, tag"
                                 " FROM scriptorium_queue INDEXED BY scriptorium_queue_due"
                                 " WHERE state = 0 ORDER BY priority DESC, tag LIMIT ?";
static const char sql_running[] =
    "SELECT user_id, count(*) FROM scriptorium_queue INDEXED BY scriptorium_queue_running"
    " WHERE state = 1 GROUP BY user_id";

static enum err read_window(struct sqlite_store *s, struct arena *a, struct window *w)
{
    w->items = arena_array(a, w->max, sizeof *w->items);
    w->ids = arena_array(a, w->max, sizeof *w->ids);
    w->order = arena_array(a, w->max, sizeof *w->order);
    w->n = 0;
    struct query *q = db_query(s->db, sql_window);
    query_int(q, (int64_t)w->max);
    while (query_next(q)) {
        w->ids[w->n] = query_copy_text(q, 0, a);
        w->items[w->n] = (struct fair_item){.user_id = query_get_id(q, 1),
                                            .priority = (int)query_get_int(q, 2),
                                            .tag = query_get_int(q, 3)};
        w->n++;
    }
    return db_error(s->db);
}

/* Fills in how many jobs each user runs. Few run at a time: all of them are read. */
static enum err read_running(struct sqlite_store *s, struct window *w)
{
    struct query *q = db_query(s->db, sql_running);
    while (query_next(q)) {
        struct uuid user = query_get_id(q, 0);
        int running = (int)query_get_int(q, 1);
        for (size_t i = 0; i < w->n; i++) {
            if (uuid_equal(&w->items[i].user_id, &user))
                w->items[i].running = running;
        }
    }
    return db_error(s->db);
}

static enum err look(struct sqlite_store *s, struct store_op *op, size_t wanted, size_t max,
                     struct window *w)
{
    *w = (struct window){.max = max};
    enum err e = read_window(s, &op->arena, w);
    if (e == OK && w->n > 0)
        e = read_running(s, w);
    if (e == OK)
        w->taken = fair_pick(w->items, w->n, wanted, op->in.claim.cap_per_user, w->order);
    return e;
}

static bool hides_others(const struct window *w, size_t wanted)
{
    return w->n == w->max && w->taken < wanted;
}

#define PRIORITY_MAX 10

static enum err read_times(struct sqlite_store *s, int64_t *times)
{
    struct query *q = db_query(s->db, "SELECT priority, virtual_time FROM scriptorium_fair"
                                      " WHERE priority BETWEEN 1 AND 10");
    while (query_next(q))
        times[query_get_int(q, 0)] = query_get_int(q, 1);
    return db_error(s->db);
}

/* A user at the cap falls behind the virtual time, and a pile of old tags would stand before
 * everybody else. Every other user's first job is at most one cost past the virtual time, so that
 * is where the pile goes: behind them, in its old order. */
static enum err push_back(struct sqlite_store *s, const struct window *w)
{
    int64_t times[PRIORITY_MAX + 1] = {0};
    enum err e = read_times(s, times);
    for (size_t i = 0, later = 0; i < w->n && e == OK; i++) {
        const struct fair_item *item = &w->items[i];
        int64_t now = times[item->priority];
        if (item->taken != -1 || item->tag >= now)
            continue;
        struct query *q = db_query(s->db, "UPDATE scriptorium_queue SET tag = ? WHERE job_id = ?");
        query_int(q, now + FAIR_COST * (int64_t)(2 + later++));
        query_text(q, w->ids[i]);
        e = query_run(q);
    }
    return e;
}

/* ---- taking ---- */

static const char sql_job_read[] =
    "SELECT j.rowid, j.user_id, j.workflow_id, j.created_at, j.max_retries, j.generation_params,"
    " q.attempts, q.crashes, q.run_at, q.priority, coalesce(r.run, 1)"
    " FROM scriptorium_queue q CROSS JOIN script_generation_jobs j ON j.id = q.job_id"
    " LEFT JOIN scriptorium_run r ON r.job_id = q.job_id WHERE q.job_id = ?";
static const char sql_queue_take[] =
    "UPDATE scriptorium_queue SET state = 1, fence = ?1, worker = ?2, claimed_at = ?3,"
    " version = coalesce(version, (SELECT w.version FROM scriptorium_worker w WHERE w.id = ?2))"
    " WHERE job_id = ?4";
static const char sql_job_take[] =
    "UPDATE OR FAIL script_generation_jobs SET status = 'processing', current_step = "
    "'initializing',"
    " progress = 5, retry_count = ?, started_at = ?3, updated_at = ?3, completed_at = NULL,"
    " processing_time_seconds = NULL WHERE rowid = ?2";

/* False: the users' row is not there, or an error. */
static bool read_job(struct sqlite_store *s, struct store_op *op, const char *id,
                     struct store_claimed *c, int64_t *ret_rowid)
{
    struct query *q = db_query(s->db, sql_job_read);
    query_borrow(q, id);
    if (!query_next(q))
        return false;
    *ret_rowid = query_get_int(q, 0);
    c->user_id = query_get_id(q, 1);
    c->workflow_id = query_get_id(q, 2);
    c->created_us = sqlite_time_parse(query_get_text(q, 3));
    c->max_retries = (int)query_get_int(q, 4);
    c->params = query_copy_text(q, 5, &op->arena);
    c->attempts = (int)query_get_int(q, 6);
    c->crashes = (int)query_get_int(q, 7);
    int64_t waited = op->now_us - query_get_int(q, 8);
    c->waited_us = waited > 0 ? waited : 0;
    c->priority = (int)query_get_int(q, 9);
    c->run = (int)query_get_int(q, 10);
    query_end(q);
    return true;
}

/* The CHECK of the column keeps such ids out, but a client can turn it off. */
static const char bad_id[] = "the id is not a UUID in lower case: insert the job again with one";

static enum err take(struct sqlite_store *s, struct store_op *op, const char *id, const char *now,
                     struct store_claimed *c, bool *ret_taken)
{
    int64_t rowid;
    if (!read_job(s, op, id, c, &rowid))
        return db_error(s->db);
    if (uuid_parse(id, strlen(id), &c->id) != OK || uuid_is_nil(&c->id))
        return sqlite_fail(s, id, bad_id, op->now_us);
    struct query *q = db_query(s->db, sql_queue_take);
    query_int(q, c->fence);
    query_id(q, &op->in.claim.worker);
    query_int(q, op->now_us);
    query_borrow(q, id);
    enum err e = query_run(q);
    if (e != OK)
        return e;
    q = db_query(s->db, sql_job_take);
    query_int(q, c->attempts);
    query_int(q, rowid);
    query_borrow(q, now);
    *ret_taken = true;
    return query_run(q);
}

static enum err next_fences(struct sqlite_store *s, size_t n, int64_t *ret_first)
{
    struct query *q =
        db_query(s->db, "UPDATE scriptorium_seq SET fence = fence + ? RETURNING fence");
    query_int(q, (int64_t)n);
    if (query_next(q)) {
        *ret_first = query_get_int(q, 0) - (int64_t)n + 1;
        return query_run(q);
    }
    return db_error(s->db);
}

static enum err advance_time(struct sqlite_store *s, const struct window *w)
{
    static const char sql[] = "UPDATE scriptorium_fair SET virtual_time = ?1"
                              " WHERE priority = ?2 AND virtual_time < ?1";
    enum err e = OK;
    for (int priority = 1; priority <= PRIORITY_MAX && e == OK; priority++) {
        int64_t last = -1;
        for (size_t i = 0; i < w->taken; i++) {
            const struct fair_item *item = &w->items[w->order[i]];
            if (item->priority == priority && item->tag > last)
                last = item->tag;
        }
        if (last < 0)
            continue;
        struct query *q = db_query(s->db, sql);
        query_int(q, last);
        query_int(q, priority);
        e = query_run(q);
    }
    return e;
}

/* After a refusal each job is taken on its own. A row that a trigger of the users' does not let run
 * steps back, so that it does not stand before the others at each claim. */
static enum err take_carefully(struct sqlite_store *s, struct store_op *op, const char *id,
                               const char *now, struct store_claimed *c, bool *ret_taken)
{
    bool refused = false;
    enum err e = sqlite_item_begin(s);
    if (e == OK)
        e = sqlite_item_end(s, op, take(s, op, id, now, c, ret_taken), &refused);
    if (!refused)
        return e;
    *ret_taken = false;
    return e == OK ? sqlite_put_off(s, id, op->now_us) : e;
}

static enum err take_all(struct sqlite_store *s, struct store_op *op, const struct window *w)
{
    char now[CLOCK_ISO_SIZE];
    clock_iso(op->now_us, now);
    int64_t fence = 0;
    struct store_claimed *claimed = arena_array(&op->arena, w->taken, sizeof *claimed);
    size_t n = 0;
    enum err e = next_fences(s, w->taken, &fence);
    for (size_t i = 0; i < w->taken && e == OK; i++) {
        bool taken = false;
        claimed[n].fence = fence++;
        e = (op->careful ? take_carefully : take)(s, op, w->ids[w->order[i]], now, &claimed[n],
                                                  &taken);
        n += taken;
    }
    op->result.claimed = claimed;
    op->result.n = n;
    return e == OK ? advance_time(s, w) : e;
}

/* Only a worker that nobody has declared dead may claim. */
static enum err check_worker(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, "SELECT 1 FROM scriptorium_worker WHERE id = ?");
    query_id(q, &op->in.claim.worker);
    bool alive = query_next(q);
    query_end(q);
    if (db_error(s->db) != OK || alive)
        return db_error(s->db);
    store_op_fail(op, ERR_LOST, "the worker's lease is gone");
    return ERR_LOST;
}

static enum err read_paused(struct sqlite_store *s, bool *ret_paused)
{
    int64_t since;
    struct query *q = db_query(s->db, "SELECT value FROM scriptorium_setting WHERE key = 'paused'");
    if (query_next(q)) {
        *ret_paused = store_is_paused(query_get_text(q, 0), &since);
        query_end(q);
    }
    return db_error(s->db);
}

enum err sqlite_claim(struct sqlite_store *s, struct store_op *op)
{
    struct window w = {0};
    const struct store_claim *claim = &op->in.claim;
    size_t wanted = claim->max;
    enum err e = check_worker(s, op);
    if (e == OK)
        e = promote(s, op->now_us);
    if (e == OK)
        e = read_paused(s, &op->result.paused);
    if (e == OK && op->result.paused)
        return claim->label != NULL ? sqlite_due_left(s, &op->result.due_left) : OK;
    if (e == OK && claim->label != NULL)
        e = sqlite_label_room(s, claim, &wanted);
    size_t first = wanted * 3 > WINDOW_MIN ? wanted * 3 : WINDOW_MIN;
    if (e == OK && wanted > 0)
        e = look(s, op, wanted, first, &w);
    if (e == OK && hides_others(&w, wanted)) {
        e = look(s, op, wanted, WINDOW_WIDE, &w);
        if (e == OK && hides_others(&w, wanted))
            e = push_back(s, &w);
    }
    if (e == OK && w.taken > 0)
        e = take_all(s, op, &w);
    if (e == OK && claim->label != NULL)
        e = op->result.n > 0 ? sqlite_label_put(s, claim->label, op->result.claimed, op->result.n)
                             : sqlite_due_left(s, &op->result.due_left);
    op->result.next_due_us = next_due(s);
    return e == OK ? db_error(s->db) : e;
}
