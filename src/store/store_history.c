/* In: the verbs of what happened. Out: ops on their way to the driver. */
#include "store/store_history.h"

#include "store/store_op.h"

void store_invocation_save(struct store *s, const struct store_invocation *invocation, int64_t keep,
                           store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_INVOCATION_SAVE, fn, ctx);
    struct store_invocation *to = &op->in.invocation.row;
    *to = *invocation;
    op->in.invocation.keep = keep;
    store_op_need(op, !uuid_is_nil(&to->id), "an invocation needs an id");
    store_op_need(op, keep >= 1, "at least one invocation is kept");
    to->caller = store_op_copy(op, to->caller, STORE_LABEL_MAX, "the caller");
    to->label = store_op_copy(op, to->label, STORE_LABEL_MAX, "the worker id");
    to->worker = store_op_copy_text(op, to->worker, "the worker's name");
    to->version = store_op_copy_text(op, to->version, "the version");
    to->error = store_op_copy_text(op, to->error, "the error");
    store_op_submit(s, op);
}

void store_invocations(struct store *s, const struct uuid *after, size_t limit, store_fn fn,
                       void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_INVOCATIONS, fn, ctx);
    op->in.invocations.after = *after;
    op->in.invocations.limit = limit;
    store_op_need(op, limit >= 1 && limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    store_op_submit(s, op);
}

void store_log_add(struct store *s, const struct store_line *lines, size_t n, int64_t keep,
                   store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_LOG_ADD, fn, ctx);
    op->in.log.items = store_op_copy_items(op, lines, n, sizeof *lines);
    op->in.log.keep = keep;
    store_op_need(op, keep >= 1, "at least one line is kept");
    for (size_t i = 0; i < op->n; i++) {
        struct store_line *l = &op->in.log.items[i];
        store_op_need(op, l->level != NULL && l->event != NULL && l->message != NULL,
                      "a line needs a level, an event and a message");
        l->level = store_op_copy_text(op, l->level, "the level");
        l->event = store_op_copy_text(op, l->event, "the event");
        l->message = store_op_copy_text(op, l->message, "the message");
        l->details = store_op_copy_text(op, l->details, "the details");
        l->worker = store_op_copy_text(op, l->worker, "the worker's name");
    }
    store_op_submit(s, op);
}

void store_log(struct store *s, const struct store_log_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_LOG, fn, ctx);
    op->in.log_filter = *filter;
    store_op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX,
                  "limit must be 1 to 1000");
    store_op_submit(s, op);
}
