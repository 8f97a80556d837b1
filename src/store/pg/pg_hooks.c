/* In: which functions of the users' there are. Out: the statements that call them, and their
 * answers.
 */
#include <string.h>

#include "store/pg/pg_verbs.h"

void pg_hooks_put_check(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->store->input_hook);
    pg_put_text(p, t->store->hook);
    pg_put_text(p, t->store->ended_hook);
    pg_put_text(p, t->op->in.watch ? "true" : "false");
}

void pg_hooks_put_input(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.input.held.job);
    pg_put_long(p, t->op->in.input.held.fence);
    pg_put_int(p, t->op->in.input.run);
    pg_put_text(p, t->store->input_hook);
}

bool pg_hooks_take_input(struct pg_task *t, struct pg_reader *r)
{
    struct store_op *op = t->op;
    enum store_lost *lost = arena_alloc(r->arena, sizeof *lost);
    int64_t code = pg_get_int(r);
    const char *state = pg_get_text(r), *why = pg_get_text(r);
    op->result.text = pg_get_text(r);
    if (code == LOST_BUSY)
        return true;
    if (code < 0 || code >= STORE_LOST_MAX) {
        r->err = ERR_PROTOCOL;
        return false;
    }
    *lost = (enum store_lost)code;
    op->result.lost = lost;
    op->result.n = 1;
    op->result.for_good = state != NULL && strcmp(state, "SC001") == 0;
    if (code == STORE_REFUSED)
        store_op_refused(op, 0, why != NULL ? why : "");
    return false;
}

void pg_hooks_put_ended(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->store->ended_hook);
    pg_put_int(p, (int64_t)t->op->in.max);
}

bool pg_hooks_take_ended(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.count = pg_get_int(r);
    t->op->result.failed = pg_get_int(r);
    return false;
}
