/* In: ops about endpoints and deliveries. Out: the statements for them, and their answers. */
#include <string.h>

#include "store/pg/pg_verbs.h"

static size_t count_ends(const struct pg_task *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->op->n; i++)
        n += (size_t)__builtin_popcount(t->op->in.endpoints[i].ends);
    return n;
}

/* The endpoint's name, or the end's, of each pair. */
static void put_pairs(struct pg_params *p, const struct pg_task *t, bool names)
{
    pg_array_begin(p, PG_TEXT, count_ends(t));
    for (size_t i = 0; i < t->op->n; i++) {
        const struct store_endpoint *e = &t->op->in.endpoints[i];
        for (int end = 0; end < STORE_END_MAX; end++) {
            if ((e->ends & 1u << end) != 0)
                pg_array_text(p, names ? e->name : store_end_name((enum store_end)end));
        }
    }
    pg_array_end(p);
}

void pg_webhooks_put_endpoints(struct pg_params *p, struct pg_task *t)
{
    put_pairs(p, t, true);
    put_pairs(p, t, false);
}

void pg_webhooks_put_drop(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->op->in.endpoint_drop.name);
    pg_put_text(p, t->op->in.endpoint_drop.why);
}

bool pg_webhooks_take_endpoints(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_endpoint_seen *seen = arena_array(r->arena, n, sizeof *seen);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        seen[i].name = pg_get_text(r);
        seen[i].ends = (unsigned)pg_get_int(r);
        seen[i].waiting = pg_get_int(r);
        seen[i].failing = pg_get_int(r);
        seen[i].delivered = pg_get_int(r);
        seen[i].given_up = pg_get_int(r);
        seen[i].oldest_us = pg_get_int(r);
    }
    t->op->result.endpoints = seen;
    t->op->result.n = n;
    return false;
}

void pg_webhooks_put_take(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->op->in.take.endpoint);
    pg_put_int(p, (int64_t)t->op->in.take.max);
    pg_put_long(p, t->op->in.take.lease_us);
}

void pg_webhooks_put_note(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_LONG, noted, pg_array_long(p, item->n));
    PG_EACH(p, t, PG_INT, noted, pg_array_int(p, item->attempts));
    PG_EACH(p, t, PG_INT, noted, pg_array_int(p, item->state));
    PG_EACH(p, t, PG_LONG, noted, pg_array_long(p, item->due_us));
    PG_EACH(p, t, PG_INT, noted, pg_array_int(p, item->http_status));
    PG_EACH(p, t, PG_TEXT, noted, pg_array_text(p, item->error));
}

void pg_webhooks_put_filter(struct pg_params *p, struct pg_task *t)
{
    const struct store_delivery_filter *f = &t->op->in.deliveries;
    static const char *const states[STORE_DELIVERY_MAX] = {"0", "1", "2"};
    pg_put_text(p, f->state < STORE_DELIVERY_MAX ? states[f->state] : NULL);
    pg_put_text(p, f->endpoint);
    pg_put_long(p, f->before);
    pg_put_int(p, (int64_t)f->limit);
}

void pg_webhooks_put_retry(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.redeliver.id);
    pg_put_text(p, t->op->in.redeliver.endpoint);
}

static enum store_end read_end(struct pg_reader *r)
{
    const char *name = pg_get_text(r);
    int end = 0;
    while (end < STORE_END_MAX &&
           (name == NULL || strcmp(name, store_end_name((enum store_end)end)) != 0))
        end++;
    if (end == STORE_END_MAX)
        r->err = ERR_PROTOCOL;
    return (enum store_end)end;
}

static void read_delivery(struct pg_reader *r, struct store_delivery *d)
{
    d->n = pg_get_int(r);
    d->id = pg_get_uuid(r);
    d->endpoint = pg_get_text(r);
    d->job = pg_get_uuid(r);
    d->user_id = pg_get_uuid(r);
    d->run = (int)pg_get_int(r);
    d->end = read_end(r);
    d->ended_us = pg_get_int(r);
    int64_t state = pg_get_int(r);
    if (state < 0 || state >= STORE_DELIVERY_MAX)
        r->err = ERR_PROTOCOL;
    d->state = (enum store_delivery_state)state;
    d->attempts = (int)pg_get_int(r);
    d->since_us = pg_get_int(r);
    d->due_us = pg_get_int(r);
    d->done_us = pg_get_int(r);
    d->http_status = (int)pg_get_int(r);
    d->error = pg_get_text(r);
    d->job_error = pg_get_text(r);
    d->words = pg_get_text(r);
    d->calls = pg_get_int(r);
    d->usage.input = pg_get_int(r);
    d->usage.output = pg_get_int(r);
    d->usage.cache_read = pg_get_int(r);
    d->usage.cache_write_5m = pg_get_int(r);
    d->usage.cache_write_1h = pg_get_int(r);
    d->cost_udollar = pg_get_int(r);
}

bool pg_webhooks_take_deliveries(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_delivery *all = arena_array(r->arena, n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_delivery(r, &all[i]);
    }
    t->op->result.deliveries = all;
    t->op->result.n = n;
    return false;
}
