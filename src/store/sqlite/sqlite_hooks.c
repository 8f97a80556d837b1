/* In: verbs about functions of the users' own. Out: there are none here. */
#include "store/sqlite/sqlite.h"

enum err sqlite_hooks_check(struct sqlite_store *s, struct store_op *op)
{
    (void)s;
    (void)op;
    return OK;
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
