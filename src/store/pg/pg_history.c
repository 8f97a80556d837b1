/* In: ops on calls of the function endpoint and on the log. Out: the statements' parameters, and
 * what their rows say. */
#include "store/pg/pg_verbs.h"

void pg_history_put_invocation(struct pg_params *p, struct pg_task *t)
{
    const struct store_invocation *i = &t->op->in.invocation.row;
    pg_put_uuid(p, &i->id);
    pg_put_long(p, i->at_us);
    pg_put_long(p, i->duration_us);
    pg_put_int(p, i->status);
    pg_put_int(p, i->processed);
    pg_put_int(p, i->succeeded);
    pg_put_int(p, i->failed);
    pg_put_int(p, i->settled);
    pg_put_text(p, i->caller);
    pg_put_text(p, i->label);
    pg_put_text(p, i->worker);
    pg_put_text(p, i->version);
    pg_put_text(p, i->error);
    pg_put_long(p, t->op->in.invocation.keep);
}

void pg_history_put_page(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.invocations.after);
    pg_put_int(p, (int64_t)t->op->in.invocations.limit);
}

bool pg_history_take_invocations(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_invocation *all = arena_array(r->arena, n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        struct store_invocation *one = &all[i];
        pg_reader_row(r, (int)i);
        one->id = pg_get_uuid(r);
        one->at_us = pg_get_int(r);
        one->duration_us = pg_get_int(r);
        one->status = (int)pg_get_int(r);
        one->processed = (int)pg_get_int(r);
        one->succeeded = (int)pg_get_int(r);
        one->failed = (int)pg_get_int(r);
        one->settled = pg_get_bool(r);
        one->caller = pg_get_text(r);
        one->label = pg_get_text(r);
        one->worker = pg_get_text(r);
        one->version = pg_get_text(r);
        one->error = pg_get_text(r);
    }
    t->op->result.invocations = all;
    t->op->result.n = n;
    return false;
}

void pg_history_put_log(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_LONG, log.items, pg_array_long(p, item->at_us));
    PG_EACH(p, t, PG_UUID, log.items, pg_array_uuid(p, &item->job));
    PG_EACH(p, t, PG_UUID, log.items, pg_array_uuid(p, &item->invocation));
    PG_EACH(p, t, PG_TEXT, log.items, pg_array_text(p, item->level));
    PG_EACH(p, t, PG_TEXT, log.items, pg_array_text(p, item->event));
    PG_EACH(p, t, PG_TEXT, log.items, pg_array_text(p, item->message));
    PG_EACH(p, t, PG_TEXT, log.items, pg_array_text(p, item->details));
    PG_EACH(p, t, PG_TEXT, log.items, pg_array_text(p, item->worker));
    pg_put_long(p, t->op->in.log.keep);
}

void pg_history_put_filter(struct pg_params *p, struct pg_task *t)
{
    const struct store_log_filter *f = &t->op->in.log_filter;
    pg_put_uuid(p, &f->job);
    pg_put_uuid(p, &f->invocation);
    pg_put_long(p, f->after);
    pg_put_int(p, (int64_t)f->limit);
}

bool pg_history_take_lines(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_line *lines = arena_array(r->arena, n, sizeof *lines);
    for (size_t i = 0; i < n; i++) {
        struct store_line *l = &lines[i];
        pg_reader_row(r, (int)i);
        l->n = pg_get_int(r);
        l->at_us = pg_get_int(r);
        l->job = pg_get_uuid(r);
        l->invocation = pg_get_uuid(r);
        l->level = pg_get_text(r);
        l->event = pg_get_text(r);
        l->message = pg_get_text(r);
        l->details = pg_get_text(r);
        l->worker = pg_get_text(r);
    }
    t->op->result.lines = lines;
    t->op->result.n = n;
    return false;
}
