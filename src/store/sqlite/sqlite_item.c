/* In: an op with many items, some of which the database may refuse. Out: each item's fate; a
 * refused one does not disturb the others. */
#include "store/sqlite/sqlite.h"

#include "base/clock.h"

#define REFUSED_WAIT_US (60 * USEC_PER_SEC)

bool sqlite_is_refusal(enum err e)
{
    return e == ERR_INVALID || e == ERR_EXISTS || e == ERR_TOO_BIG;
}

static enum err run(struct db *db, const char *sql)
{
    return query_run(db_query(db, sql));
}

enum err sqlite_item_begin(struct sqlite_store *s)
{
    return run(s->db, "SAVEPOINT item");
}

enum err sqlite_item_end(struct sqlite_store *s, struct store_op *op, enum err e, bool *ret_refused)
{
    *ret_refused = sqlite_is_refusal(e);
    if (e != OK && !*ret_refused)
        return e;
    if (*ret_refused) {
        if (op->result.message == NULL)
            op->result.message = arena_strdup(&op->arena, db_message(s->db));
        db_clear(s->db);
        e = run(s->db, "ROLLBACK TO item");
    }
    return e == OK ? run(s->db, "RELEASE item") : e;
}

static const char sql_put_off[] = "UPDATE scriptorium_queue SET state = 2, run_at = ?, fence = 0,"
                                  " worker = NULL WHERE job_id = ?";

enum err sqlite_put_off(struct sqlite_store *s, const char *job, int64_t now_us)
{
    struct query *q = db_query(s->db, sql_put_off);
    query_int(q, now_us + REFUSED_WAIT_US);
    query_borrow(q, job);
    return query_run(q);
}

static enum err one_carefully(struct sqlite_store *s, struct store_op *op, sqlite_item_fn fn,
                              size_t i, enum store_lost *ret_lost)
{
    bool refused = false;
    const char *first = op->result.message;
    op->result.message = NULL;
    enum err e = sqlite_item_begin(s);
    if (e == OK)
        e = sqlite_item_end(s, op, fn(s, op, i, ret_lost), &refused);
    if (refused) {
        *ret_lost = STORE_REFUSED;
        store_op_refused(op, i, op->result.message);
    }
    if (first != NULL)
        op->result.message = first;
    return e;
}

/* Savepoints for every item would cost more than the items, so they come only after a refusal. */
enum err sqlite_each(struct sqlite_store *s, struct store_op *op, sqlite_item_fn fn)
{
    enum store_lost *lost = arena_array(&op->arena, op->n, sizeof *lost);
    op->result.lost = lost;
    op->result.n = op->n;
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++)
        e = op->careful ? one_carefully(s, op, fn, i, &lost[i]) : fn(s, op, i, &lost[i]);
    return e;
}
