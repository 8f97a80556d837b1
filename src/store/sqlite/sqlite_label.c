/* In: a claim with a label. Out: how many more jobs its label may run, and who they are claimed
 * for. */
#include "store/sqlite/sqlite.h"

/* Rows of jobs that have ended, were handed back or claimed anew. */
static const char sql_forget[] =
    "DELETE FROM scriptorium_label AS l WHERE NOT EXISTS (SELECT 1 FROM scriptorium_queue q"
    " WHERE q.job_id = l.job_id AND q.state = 1 AND q.fence = l.fence)";

static enum err read_number(struct query *q, struct db *db, int64_t *io_value)
{
    if (query_next(q)) {
        if (!query_is_null(q, 0))
            *io_value = query_get_int(q, 0);
        query_end(q);
    }
    return db_error(db);
}

enum err sqlite_label_room(struct sqlite_store *s, const struct store_claim *claim,
                           size_t *ret_room)
{
    static const char sql_cap[] = "SELECT CAST(value AS INTEGER) FROM scriptorium_setting"
                                  " WHERE key = 'concurrent_limit' AND CAST(value AS INTEGER) > 0";
    int64_t cap = claim->label_cap, running = 0;
    enum err e = query_run(db_query(s->db, sql_forget));
    if (e == OK)
        e = read_number(db_query(s->db, sql_cap), s->db, &cap);
    if (e != OK)
        return e;
    struct query *q = db_query(s->db, "SELECT count(*) FROM scriptorium_label WHERE label = ?");
    query_text(q, claim->label);
    e = read_number(q, s->db, &running);
    if (e != OK)
        return e;
    size_t room = cap > running ? (size_t)(cap - running) : 0;
    *ret_room = room < claim->max ? room : claim->max;
    return OK;
}

enum err sqlite_label_put(struct sqlite_store *s, const char *label,
                          const struct store_claimed *claimed, size_t n)
{
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        struct query *q = db_query(s->db, "INSERT OR REPLACE INTO scriptorium_label"
                                          " (job_id, fence, label) VALUES (?, ?, ?)");
        query_id(q, &claimed[i].id);
        query_int(q, claimed[i].fence);
        query_text(q, label);
        e = query_run(q);
    }
    return e;
}

enum err sqlite_due_left(struct sqlite_store *s, bool *ret_left)
{
    int64_t left = 0;
    enum err e = read_number(db_query(s->db, "SELECT EXISTS (SELECT 1 FROM scriptorium_queue"
                                             " INDEXED BY scriptorium_queue_due WHERE state = 0)"),
                             s->db, &left);
    *ret_left = left != 0;
    return e;
}
