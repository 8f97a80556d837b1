/* In: leases, claims. Out: parameters of the SQL functions, and the jobs that were claimed. */
#include "store/pg/pg_verbs.h"

#define CREATED_COLUMN 9 /* of a claimed job; of the last row: the clock */

void pg_workers_put_open(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.worker.id);
    pg_put_text(p, t->op->in.worker.name);
    pg_put_long(p, t->op->in.worker.lease_us);
    pg_put_int(p, t->op->in.worker.version);
}

bool pg_workers_take_rescue(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.count = pg_get_int(r);
    t->op->result.failed = pg_get_int(r);
    t->op->changed = t->op->result.count > 0;
    return false;
}

void pg_workers_put_claim(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.claim.worker);
    pg_put_int(p, (int64_t)t->op->in.claim.max);
    pg_put_int(p, t->op->in.claim.cap_per_user);
    pg_put_long(p, t->store->claim_epoch);
}

bool pg_workers_is_labelled(const struct pg_task *t)
{
    return t->op->verb == VERB_CLAIM && t->op->in.claim.label != NULL && !t->claim_again;
}

void pg_workers_put_claim_labelled(struct pg_params *p, struct pg_task *t)
{
    pg_workers_put_claim(p, t);
    pg_put_text(p, t->op->in.claim.label);
    pg_put_int(p, t->op->in.claim.label_cap);
}

/* Claimed is claimed: a job that cannot be read is handed out all the same, and fails as itself. */
static const char *read_params(struct pg_reader *r)
{
    bool null = pg_next_is_null(r);
    const char *params = pg_get_text(r);
    if (!null && params == NULL && r->err == ERR_TOO_BIG) {
        r->err = OK;
        return "the text is larger than this program reads";
    }
    return params;
}

static void read_claimed(struct pg_reader *r, struct store_claimed *c)
{
    c->id = pg_get_uuid(r);
    c->user_id = pg_get_uuid(r);
    c->workflow_id = pg_get_uuid(r);
    c->fence = pg_get_int(r);
    c->run = (int)pg_get_int(r);
    c->attempts = (int)pg_get_int(r);
    c->crashes = (int)pg_get_int(r);
    c->max_retries = (int)pg_get_int(r);
    c->priority = (int)pg_get_int(r);
    c->created_us = pg_get_int(r);
    c->waited_us = pg_get_int(r);
    c->params = read_params(r);
}

/* The last row has only the time of the next job. */
bool pg_workers_take_claim(struct pg_task *t, struct pg_reader *r)
{
    struct store_op *op = t->op;
    int rows = pg_reader_rows(r);
    if (rows < 1) {
        r->err = ERR_PROTOCOL;
        return false;
    }
    size_t n = (size_t)rows - 1;
    struct store_claimed *claimed = arena_array(r->arena, n, sizeof *claimed);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_claimed(r, &claimed[i]);
        if (claimed[i].fence > t->store->fence_seen)
            t->store->fence_seen = claimed[i].fence;
    }
    pg_reader_row(r, rows - 1);
    r->col = CREATED_COLUMN;
    op->result.now_us = pg_get_int(r);
    r->col = PQnfields(r->res) - (pg_workers_is_labelled(t) ? 2 : 1);
    if (pg_workers_is_labelled(t))
        op->result.due_left = pg_get_bool(r);
    int64_t due = pg_get_int(r); /* -1: paused */
    op->result.paused = due < 0;
    op->result.next_due_us = due > 0 ? due : 0;
    op->result.claimed = claimed;
    op->result.n = n;
    return false;
}
