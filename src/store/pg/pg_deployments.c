/* In: ops about versions of the pipeline, rows. Out: their SQL functions' parameters, and results.
 */
#include "store/pg/pg_verbs.h"

void pg_deployments_put_add(struct pg_params *p, struct pg_task *t)
{
    const struct store_deployment *d = &t->op->in.deployment;
    pg_put_text(p, d->hash);
    pg_put_text(p, d->name);
    pg_put_text(p, d->content);
    pg_put_text(p, d->by);
    pg_put_text(p, d->program);
    pg_put_text(p, d->note);
}

bool pg_deployments_take_add(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.version = (int)pg_get_int(r);
    t->op->result.count = !pg_get_bool(r);
    return false;
}

void pg_deployments_put_version(struct pg_params *p, struct pg_task *t)
{
    pg_put_int(p, t->op->in.version);
}

void pg_deployments_put_which(struct pg_params *p, struct pg_task *t)
{
    if (t->op->verb == VERB_DEPLOYMENT_GET)
        pg_put_int(p, t->op->in.version);
}

bool pg_deployments_take(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_deployment *all = arena_array(r->arena, n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        struct store_deployment *d = &all[i];
        pg_reader_row(r, (int)i);
        d->version = (int)pg_get_int(r);
        d->hash = pg_get_text(r);
        d->name = pg_get_text(r);
        d->content = pg_get_text(r);
        d->at_us = pg_get_int(r);
        d->by = pg_get_text(r);
        d->program = pg_get_text(r);
        d->note = pg_get_text(r);
        d->replaced = (int)pg_get_int(r);
        d->active = pg_get_bool(r);
    }
    if (t->op->verb == VERB_DEPLOYMENT_GET && n == 0 && r->err == OK)
        store_op_fail(t->op, ERR_NOT_FOUND, "there is no version %d of the pipeline",
                      t->op->in.version);
    t->op->result.deployments = all;
    t->op->result.n = n;
    return false;
}

bool pg_deployments_take_version(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.version = (int)pg_get_int(r);
    return false;
}

void pg_deployments_put_worker(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.worker.id);
    pg_put_int(p, t->op->in.worker.version);
}
