/* In: rows about the whole. Out: counts, what lives, places, workers, facts, settings. */
#include "store/pg/pg_verbs.h"

#include "base/clock.h"
#include "store/store_places.h"

#define ENDED_KEPT_US (3600 * USEC_PER_SEC) /* by drop_ended() */

void pg_look_put_live(struct pg_params *p, struct pg_task *t)
{
    const struct store_live *ask = &t->op->in.live;
    pg_put_uuid(p, &ask->user_id);
    pg_put_long(p, ask->since_us);
    pg_put_int(p, (int64_t)ask->running);
    pg_put_int(p, (int64_t)ask->waiting);
    pg_put_int(p, (int64_t)ask->ended);
    pg_put_uuid(p, &ask->after);
}

bool pg_look_take_live(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_live_job *live = arena_array(r->arena, n, sizeof *live);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        live[i].id = pg_get_uuid(r);
        live[i].status = pg_get_status(r);
        live[i].ended_us = pg_get_int(r);
    }
    t->op->result.live = live;
    t->op->result.count = t->op->in.live.since_us < t->op->now_us - ENDED_KEPT_US;
    t->op->result.n = n;
    return false;
}

bool pg_look_take_stats(struct pg_task *t, struct pg_reader *r)
{
    struct store_stats *s = arena_alloc(r->arena, sizeof *s);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->count[i] = pg_get_int(r);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->recent[i] = pg_get_int(r);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->recent_seconds[i] = pg_get_double(r);
    s->due = pg_get_int(r);
    s->delayed = pg_get_int(r);
    s->running = pg_get_int(r);
    s->foreign = pg_get_int(r);
    s->oldest_due_us = pg_get_int(r);
    s->usage.input = pg_get_int(r);
    s->usage.output = pg_get_int(r);
    s->usage.cache_read = pg_get_int(r);
    s->usage.cache_write_5m = pg_get_int(r);
    s->usage.cache_write_1h = pg_get_int(r);
    s->calls = pg_get_int(r);
    s->calls_estimated = pg_get_int(r);
    s->cost_udollar = pg_get_int(r);
    s->paused = store_is_paused(pg_get_text(r), &s->paused_since_us);
    s->today_udollar = pg_get_int(r);
    s->today_reserved_udollar = pg_get_int(r);
    t->op->result.stats = s;
    return false;
}

void pg_look_put_places(struct pg_params *p, struct pg_task *t)
{
    (void)t;
    pg_put_int(p, STORE_PLACES_MAX);
}

bool pg_look_take_places(struct pg_task *t, struct pg_reader *r)
{
    struct places *p = arena_alloc(r->arena, sizeof *p);
    int rows = pg_reader_rows(r);
    if (rows > STORE_PLACES_MAX)
        r->err = ERR_PROTOCOL;
    p->at = arena_array(r->arena, (size_t)rows, sizeof *p->at);
    for (int i = 0; i < rows && r->err == OK; i++) {
        pg_reader_row(r, i);
        p->at[p->n++] = pg_get_place(r);
        p->step = pg_get_int(r);
        p->total = pg_get_int(r);
    }
    t->op->places = p;
    return false;
}

bool pg_look_take_workers(struct pg_task *t, struct pg_reader *r)
{
    int rows = pg_reader_rows(r);
    struct store_worker_seen *seen = arena_array(r->arena, (size_t)rows, sizeof *seen);
    for (int i = 0; i < rows; i++) {
        pg_reader_row(r, i);
        seen[i].id = pg_get_uuid(r);
        seen[i].name = pg_get_text(r);
        seen[i].held_since_us = pg_get_int(r);
        seen[i].expires_us = pg_get_int(r);
        seen[i].running = pg_get_int(r);
    }
    t->op->result.workers = seen;
    t->op->result.n = (size_t)rows;
    return false;
}

bool pg_look_take_facts(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_fact *facts = arena_array(r->arena, n, sizeof *facts);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        facts[i].name = pg_get_text(r);
        facts[i].value = pg_get_text(r);
    }
    t->op->result.facts = facts;
    t->op->result.n = n;
    return false;
}

void pg_look_put_setting(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->op->in.setting.key);
    if (t->op->verb == VERB_SETTING_SET)
        pg_put_text(p, t->op->in.setting.value);
}

bool pg_look_take_text(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.text = pg_get_text(r);
    return false;
}
