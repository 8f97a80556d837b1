/* In: who wants to hear of the ends of jobs. Out: they are noted, by triggers. The users' own
 * functions there are none here. */
#include "store/sqlite/sqlite.h"

enum err sqlite_hooks_check(struct sqlite_store *s, struct store_op *op)
{
    if (op->in.watch == STORE_WATCH_KEEP)
        return OK;
    return query_run(db_query(
        s->db, op->in.watch == STORE_WATCH_ALL
                   ? "INSERT OR REPLACE INTO scriptorium_setting VALUES ('outbox.webhook', 'on')"
                   : "DELETE FROM scriptorium_setting WHERE key = 'outbox.webhook'"));
}

enum err sqlite_input(struct sqlite_store *s, struct store_op *op)
{
    enum store_lost *lost = arena_alloc(&op->arena, sizeof *lost);
    op->result.lost = lost;
    op->result.n = 1;
    return sqlite_held(s, &op->in.input.held.job, op->in.input.held.fence, lost);
}

enum err sqlite_run_ended(struct sqlite_store *s, struct store_op *op)
{
    (void)s;
    op->result.count = 0;
    return OK;
}
