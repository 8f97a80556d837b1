/* In: the verbs of versions of the pipeline. Out: ops on their way to the driver. */
#include "store/store_deployments.h"

#include "store/store_op.h"

void store_deployment_add(struct store *s, const struct store_deployment *d, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DEPLOYMENT_ADD, fn, ctx);
    struct store_deployment *to = &op->in.deployment;
    *to = *d;
    store_op_need(op, d->hash != NULL && d->name != NULL && d->content != NULL,
                  "a deployment needs a hash, a name and files");
    to->hash = store_op_copy(op, d->hash, STORE_KEY_MAX, "the hash");
    to->name = store_op_copy(op, d->name, STORE_KEY_MAX, "the pipeline's name");
    to->content = store_op_copy_text(op, d->content, "the pipeline");
    to->by = store_op_copy(op, d->by, STORE_KEY_MAX, "the name of who deploys");
    to->program = store_op_copy(op, d->program, STORE_KEY_MAX, "the program's version");
    to->note = store_op_copy(op, d->note, STORE_NOTE_MAX, "the note");
    store_op_submit(s, op);
}

void store_deployments(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_DEPLOYMENTS, fn, ctx));
}

void store_deployment_get(struct store *s, int version, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DEPLOYMENT_GET, fn, ctx);
    op->in.version = version;
    store_op_submit(s, op);
}

void store_deployment_activate(struct store *s, int version, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DEPLOYMENT_ACTIVATE, fn, ctx);
    op->in.version = version;
    store_op_submit(s, op);
}

void store_deployment_active(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_DEPLOYMENT_ACTIVE, fn, ctx));
}
