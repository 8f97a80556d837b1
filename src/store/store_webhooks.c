/* In: the verbs of webhooks. Out: ops on their way to the driver. */
#include "store/store_webhooks.h"

#include "store/store_op.h"

const char *store_end_name(enum store_end end)
{
    static const char *const names[STORE_END_MAX] = {"completed", "failed", "cancelled", "deleted"};
    return (unsigned)end < STORE_END_MAX ? names[end] : "unknown";
}

static const char *copy_endpoint(struct store_op *op, const char *name)
{
    return store_op_copy(op, name, STORE_ENDPOINT_NAME, "the endpoint's name");
}

void store_endpoints_set(struct store *s, const struct store_endpoint *endpoints, size_t n,
                         store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_ENDPOINTS_SET, fn, ctx);
    store_op_need(op, n <= STORE_ENDPOINT_MAX, "too many endpoints; at most 32");
    op->in.endpoints = store_op_copy_items(op, endpoints, n, sizeof *endpoints);
    for (size_t i = 0; i < op->n; i++) {
        struct store_endpoint *e = &op->in.endpoints[i];
        store_op_need(op, e->name != NULL && e->name[0] != '\0', "an endpoint needs a name");
        store_op_need(op, e->ends < 1u << STORE_END_MAX, "no such end");
        e->name = copy_endpoint(op, e->name);
    }
    store_op_submit(s, op);
}

void store_endpoint_drop(struct store *s, const char *name, const char *why, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_ENDPOINT_DROP, fn, ctx);
    op->in.endpoint_drop.name = copy_endpoint(op, name);
    op->in.endpoint_drop.why = store_op_copy_text(op, why, "the reason");
    store_op_submit(s, op);
}

void store_endpoints(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_ENDPOINTS, fn, ctx));
}

void store_deliveries_take(struct store *s, const char *endpoint, size_t max, int64_t lease_us,
                           store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DELIVERIES_TAKE, fn, ctx);
    op->in.take.endpoint = copy_endpoint(op, endpoint);
    op->in.take.max = max;
    op->in.take.lease_us = lease_us;
    store_op_need(op, max >= 1 && max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    store_op_submit(s, op);
}

void store_deliveries_note(struct store *s, const struct store_delivery_end *ends, size_t n,
                           store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DELIVERIES_NOTE, fn, ctx);
    op->in.noted = store_op_copy_items(op, ends, n, sizeof *ends);
    for (size_t i = 0; i < op->n; i++) {
        store_op_need(op, (unsigned)ends[i].state < STORE_DELIVERY_MAX, "no such state");
        op->in.noted[i].error = store_op_copy_text(op, ends[i].error, "the error");
    }
    store_op_submit(s, op);
}

void store_deliveries(struct store *s, const struct store_delivery_filter *filter, store_fn fn,
                      void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DELIVERIES, fn, ctx);
    op->in.deliveries = *filter;
    op->in.deliveries.endpoint = copy_endpoint(op, filter->endpoint);
    store_op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX,
                  "limit must be 1 to 1000");
    store_op_submit(s, op);
}

void store_deliveries_retry(struct store *s, const struct uuid *id, const char *endpoint,
                            store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_DELIVERIES_RETRY, fn, ctx);
    op->in.redeliver.id = *id;
    op->in.redeliver.endpoint = copy_endpoint(op, endpoint);
    store_op_submit(s, op);
}
