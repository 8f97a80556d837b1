/* In: how the whole is to be run. Out: the statements that change it or look at it, and their
 * answers.
 */
#include "store/pg/pg_verbs.h"

/* ---- scale ---- */

void pg_control_put_scale(struct pg_params *p, struct pg_task *t)
{
    const struct store_scale_change *c = &t->op->in.scale_change;
    pg_put_int(p, c->workers);
    pg_put_int(p, c->concurrency);
    pg_put_int(p, c->fallback);
    pg_put_int(p, c->undo);
}

void pg_control_put_scale_look(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.scale_look.worker);
    pg_put_int(p, t->op->in.scale_look.counted);
}

bool pg_control_take_scale(struct pg_task *t, struct pg_reader *r)
{
    struct store_scale *s = arena_alloc(r->arena, sizeof *s);
    s->workers = (int)pg_get_int(r);
    s->concurrency = (int)pg_get_int(r);
    s->can_undo = pg_get_bool(r);
    s->schedules = (int)pg_get_int(r);
    s->processes = (int)pg_get_int(r);
    s->place = (int)pg_get_int(r);
    s->due = pg_get_int(r);
    s->running = pg_get_int(r);
    s->paused = pg_get_bool(r);
    t->op->result.scale = s;
    return false;
}

/* ---- retention ---- */

void pg_control_put_sweep(struct pg_params *p, struct pg_task *t)
{
    const struct store_sweep *s = &t->op->in.sweep;
    pg_put_long(p, s->age_us[JOB_COMPLETED]);
    pg_put_long(p, s->age_us[JOB_FAILED]);
    pg_put_long(p, s->age_us[JOB_CANCELLED]);
    pg_put_int(p, s->rows);
    pg_put_int(p, (int64_t)s->look);
}

bool pg_control_take_sweep(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.count = pg_get_int(r);
    t->op->result.due_left = pg_get_bool(r);
    return false;
}

void pg_control_put_erase(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.erase.user);
    pg_put_uuid(p, &t->op->in.erase.after);
    pg_put_int(p, (int64_t)t->op->in.erase.look);
}

bool pg_control_take_erase(struct pg_task *t, struct pg_reader *r)
{
    struct store_erased *e = arena_alloc(r->arena, sizeof *e);
    e->last = pg_get_uuid(r);
    e->cancelled = pg_get_int(r);
    e->jobs = pg_get_int(r);
    e->steps = pg_get_int(r);
    e->lines = pg_get_int(r);
    e->keys = pg_get_int(r);
    e->outbox = pg_get_int(r);
    e->requests = pg_get_int(r);
    t->op->result.erased = e;
    return false;
}
