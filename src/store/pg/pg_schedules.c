/* In: ops on schedules and their firings. Out: the statements' parameters, and what their rows say.
 */
#include "store/pg/pg_verbs.h"

/* ---- schedules ---- */

void pg_schedules_put_save(struct pg_params *p, struct pg_task *t)
{
    const struct store_schedule *s = &t->op->in.schedule;
    pg_put_text(p, s->name);
    pg_put_text(p, s->expr);
    pg_put_text(p, s->label);
    pg_put_int(p, (int64_t)s->missed);
    pg_put_int(p, s->missed_max);
    pg_put_text(p, s->active ? "true" : "false");
}

void pg_schedules_put_list(struct pg_params *p, struct pg_task *t)
{
    const struct store_schedule_filter *f = &t->op->in.schedules;
    pg_put_text(p, f->name);
    if (t->op->verb == VERB_SCHEDULE_REMOVE)
        return;
    pg_put_long(p, f->after);
    pg_put_int(p, (int64_t)f->limit);
}

static void read_schedule(struct pg_reader *r, struct store_schedule *s)
{
    s->id = pg_get_int(r);
    s->name = pg_get_text(r);
    s->expr = pg_get_text(r);
    s->label = pg_get_text(r);
    s->missed = (enum store_missed)pg_get_int(r);
    s->missed_max = (int)pg_get_int(r);
    s->active = pg_get_bool(r);
    s->rev = pg_get_int(r);
    s->due_us = pg_get_int(r);
    s->planned = pg_get_bool(r);
    s->planned_us = pg_get_int(r);
    s->created_us = pg_get_int(r);
    s->changed_us = pg_get_int(r);
    s->error = pg_get_text(r);
    if (s->id != 0 && r->err == OK &&
        (s->name == NULL || s->expr == NULL || (unsigned)s->missed >= STORE_MISSED_MAX))
        r->err = ERR_PROTOCOL;
}

static struct store_schedule *read_schedules(struct pg_task *t, struct pg_reader *r, size_t n)
{
    struct store_schedule *all = arena_array(r->arena, n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_schedule(r, &all[i]);
    }
    t->op->result.schedules = all;
    t->op->result.n = n;
    return all;
}

bool pg_schedules_take_list(struct pg_task *t, struct pg_reader *r)
{
    const struct store_schedule *all = read_schedules(t, r, (size_t)pg_reader_rows(r));
    if (t->op->verb == VERB_SCHEDULE_SAVE && t->op->result.n == 1)
        t->op->result.count = all[0].rev > 1;
    return false;
}

void pg_schedules_put_due(struct pg_params *p, struct pg_task *t)
{
    pg_put_int(p, (int64_t)t->op->in.plan.max);
}

/* The last row has no schedule, but the times. */
bool pg_schedules_take_due(struct pg_task *t, struct pg_reader *r)
{
    int rows = pg_reader_rows(r);
    if (rows < 1) {
        r->err = ERR_PROTOCOL;
        return false;
    }
    const struct store_schedule *all = read_schedules(t, r, (size_t)rows);
    t->op->result.n--;
    t->op->result.next_due_us = all[rows - 1].due_us;
    t->op->result.now_us = all[rows - 1].planned_us;
    return false;
}

/* ---- planning ---- */

/* Two lists: the plans, and the firings of all of them. */
void pg_schedules_put_plan(struct pg_params *p, struct pg_task *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->op->n; i++)
        n += t->op->in.plan.items[i].n;
#define FIRINGS(type, put)                                                                         \
    do {                                                                                           \
        pg_array_begin(p, (type), n);                                                              \
        for (size_t i = 0; i < t->op->n; i++) {                                                    \
            const struct store_plan *of = &t->op->in.plan.items[i];                                \
            for (size_t k = 0; k < of->n; k++) {                                                   \
                const struct store_firing *f = &of->firings[k];                                    \
                (void)f;                                                                           \
                put;                                                                               \
            }                                                                                      \
        }                                                                                          \
        pg_array_end(p);                                                                           \
    } while (0)
    pg_put_uuid(p, &t->op->in.plan.worker);
    PG_EACH(p, t, PG_LONG, plan.items, pg_array_long(p, item->id));
    PG_EACH(p, t, PG_LONG, plan.items, pg_array_long(p, item->rev));
    PG_EACH(p, t, PG_LONG, plan.items, pg_array_long(p, item->due_us));
    PG_EACH(p, t, PG_TEXT, plan.items, pg_array_text(p, item->error));
    FIRINGS(PG_LONG, pg_array_long(p, of->id));
    FIRINGS(PG_LONG, pg_array_long(p, f->at_us));
    FIRINGS(PG_INT, pg_array_int(p, f->skip));
    FIRINGS(PG_TEXT, pg_array_text(p, f->note));
    pg_put_long(p, t->op->in.plan.keep);
#undef FIRINGS
}

void pg_schedules_put_boot(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.plan.worker);
    if (t->op->verb == VERB_SCHEDULE_BOOT) {
        pg_put_long(p, t->op->in.plan.at_us);
        pg_put_long(p, t->op->in.plan.keep);
    }
}

/* ---- runs ---- */

static void read_run(struct pg_reader *r, struct store_run *run)
{
    run->id = pg_get_int(r);
    run->schedule = pg_get_int(r);
    run->fire_us = pg_get_int(r);
    run->name = pg_get_text(r);
    run->label = pg_get_text(r);
    run->state = (enum store_run_state)pg_get_int(r);
    run->attempt = (int)pg_get_int(r);
    run->claimed_us = pg_get_int(r);
    run->ended_us = pg_get_int(r);
    run->invocation = pg_get_uuid(r);
    run->node = pg_get_text(r);
    run->message = pg_get_text(r);
    if (r->err == OK && (run->name == NULL || (unsigned)run->state >= STORE_RUN_STATE_MAX))
        r->err = ERR_PROTOCOL;
}

bool pg_schedules_take_runs(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_run *all = arena_array(r->arena, n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_run(r, &all[i]);
    }
    t->op->result.runs = all;
    t->op->result.n = n;
    return false;
}

void pg_schedules_put_end(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_LONG, ends, pg_array_long(p, item->id));
    PG_EACH(p, t, PG_INT, ends, pg_array_int(p, item->attempt));
    PG_EACH(p, t, PG_INT, ends, pg_array_int(p, (int64_t)item->state));
    PG_EACH(p, t, PG_UUID, ends, pg_array_uuid(p, &item->invocation));
    PG_EACH(p, t, PG_TEXT, ends, pg_array_text(p, item->message));
}

void pg_schedules_put_runs(struct pg_params *p, struct pg_task *t)
{
    const struct store_run_filter *f = &t->op->in.runs;
    pg_put_text(p, f->name);
    pg_put_long(p, f->before);
    pg_put_int(p, (int64_t)f->limit);
}
