/* In: what running attempts report, ask and finish, and their model calls. Out: parameters of the
 * SQL functions, and what became of each item. */
#include "store/pg/pg_verbs.h"

#include <string.h>

/* A completion that lost against another transaction is sent again so often before it counts as
 * refused: its hook may write what others write. */
#define CONFLICTS_MAX 4

static bool is_passing(const char *state)
{
    return state != NULL && (strncmp(state, "40", 2) == 0 || strncmp(state, "08", 2) == 0 ||
                             strncmp(state, "53", 2) == 0);
}

/* (lost int, [columns,] message text): into the places of the items that were sent. */
static bool take_lost(struct pg_task *t, struct pg_reader *r, int between)
{
    struct store_op *op = t->op;
    size_t n = pg_item_count(t), busy = 0;
    if (t->lost == NULL)
        t->lost = arena_array(&op->arena, op->n, sizeof *t->lost);
    op->result.lost = t->lost;
    op->result.n = op->n;
    if ((size_t)pg_reader_rows(r) != n) {
        r->err = r->err == OK ? ERR_PROTOCOL : r->err;
        return false;
    }
    size_t *left = arena_array(&op->arena, n, sizeof *left);
    bool conflict = false;
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        int64_t lost = pg_get_int(r);
        if (lost == LOST_BUSY)
            left[busy++] = pg_item_at(t, i);
        else if (lost < 0 || lost >= STORE_LOST_MAX)
            r->err = ERR_PROTOCOL;
        else
            t->lost[pg_item_at(t, i)] = (enum store_lost)lost;
        if (lost != STORE_REFUSED || between < 0)
            continue;
        const char *state = between > 0 ? pg_get_text(r) : NULL, *why = pg_get_text(r);
        if (is_passing(state) && t->conflicts < CONFLICTS_MAX) {
            left[busy++] = pg_item_at(t, i);
            conflict = true;
        } else {
            store_op_refused(op, pg_item_at(t, i), why != NULL ? why : "");
        }
    }
    if (r->err != OK)
        return false; /* it may be another's answer, and all are asked for again */
    t->conflicts += conflict;
    t->left = left;
    t->n_left = busy;
    return busy > 0;
}

void pg_attempt_put_check(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_UUID, held, pg_array_uuid(p, &item->job));
    PG_EACH(p, t, PG_LONG, held, pg_array_long(p, item->fence));
}

bool pg_attempt_take_check(struct pg_task *t, struct pg_reader *r)
{
    return take_lost(t, r, -1);
}

/* ---- attempts ---- */

/* What a client's open transaction keeps us from showing is left out in the end: text and progress
 * of all other jobs go on meanwhile. */
#define SHOW_TRIES 3

static bool has_text(const struct store_progress *p)
{
    return p->text_step != NULL && p->text_len > 0;
}

void pg_attempt_put_progress(struct pg_params *p, struct pg_task *t)
{
    bool show = t->tries < SHOW_TRIES;
    PG_EACH(p, t, PG_UUID, progress, pg_array_uuid(p, &item->job));
    PG_EACH(p, t, PG_LONG, progress, pg_array_long(p, item->fence));
    PG_EACH(p, t, PG_TEXT, progress, pg_array_text(p, show ? item->step : NULL));
    PG_EACH(p, t, PG_INT, progress, pg_array_int(p, item->progress));
    PG_EACH(p, t, PG_INT, progress, pg_array_int(p, item->current_chunk));
    PG_EACH(p, t, PG_INT, progress, pg_array_int(p, item->total_chunks));
    PG_EACH(p, t, PG_TEXT, progress, pg_array_text(p, has_text(item) ? item->text_step : NULL));
    PG_EACH(p, t, PG_TEXT, progress, pg_array_text(p, has_text(item) ? item->text_hash : NULL));
    PG_EACH(p, t, PG_LONG, progress, pg_array_long(p, (int64_t)item->text_offset));
    PG_EACH(p, t, PG_BYTES, progress,
            pg_array_bytes(p, has_text(item) ? item->text : NULL, item->text_len));
    PG_EACH(p, t, PG_UUID, progress, pg_array_uuid(p, &item->call));
    PG_EACH(p, t, PG_LONG, progress, pg_array_long(p, item->output_tokens));
    PG_EACH(p, t, PG_LONG, progress, pg_array_long(p, item->tokens_per_second));
}

bool pg_attempt_take_progress(struct pg_task *t, struct pg_reader *r)
{
    return take_lost(t, r, 0);
}

static void put_usage(struct pg_params *p, const struct usage *u)
{
    pg_put_long(p, u->input);
    pg_put_long(p, u->output);
    pg_put_long(p, u->cache_read);
    pg_put_long(p, u->cache_write_5m);
    pg_put_long(p, u->cache_write_1h);
}

static void put_call_end(struct pg_params *p, const struct store_call_end *end)
{
    pg_put_uuid(p, &end->id);
    pg_put_int(p, end->state);
    put_usage(p, &end->usage);
    pg_put_long(p, end->cost_udollar);
    pg_put_text(p, end->served_model);
    pg_put_text(p, end->request_id);
    pg_put_text(p, end->error);
    pg_put_int(p, end->http_status);
}

void pg_attempt_put_save(struct pg_params *p, struct pg_task *t)
{
    static const struct store_call_end none = {.state = CALL_OPEN};
    const struct store_op *op = t->op;
    const struct store_step *step = &op->in.save.step;
    pg_put_uuid(p, &op->in.save.held.job);
    pg_put_long(p, op->in.save.held.fence);
    pg_put_int(p, op->in.save.run);
    pg_put_text(p, step->key);
    pg_put_text(p, step->input_hash);
    pg_put_text(p, step->output);
    pg_put_text(p, step->stop);
    pg_put_text(p, step->model);
    put_usage(p, &step->usage);
    pg_put_long(p, step->cost_udollar);
    pg_put_long(p, step->started_us);
    pg_put_long(p, step->ended_us);
    put_call_end(p, op->in.save.end != NULL ? op->in.save.end : &none);
}

bool pg_attempt_take_save(struct pg_task *t, struct pg_reader *r)
{
    t->op->n = 1;
    return take_lost(t, r, -1);
}

void pg_attempt_put_steps(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.steps.job);
    pg_put_int(p, t->op->in.steps.run);
}

void pg_get_step_end(struct pg_reader *r, struct store_step *step)
{
    step->stop = pg_get_text(r);
    step->model = pg_get_text(r);
    step->usage.input = pg_get_int(r);
    step->usage.output = pg_get_int(r);
    step->usage.cache_read = pg_get_int(r);
    step->usage.cache_write_5m = pg_get_int(r);
    step->usage.cache_write_1h = pg_get_int(r);
    step->cost_udollar = pg_get_int(r);
}

/* A row with the last column is the text of a cut call instead of a step; one without a key holds
 * the version of the job. */
bool pg_attempt_take_steps(struct pg_task *t, struct pg_reader *r)
{
    struct store_result *result = &t->op->result;
    int rows = pg_reader_rows(r);
    struct store_step *steps = arena_array(r->arena, (size_t)rows, sizeof *steps);
    for (int i = 0; i < rows; i++) {
        struct store_step *step = &steps[result->n];
        pg_reader_row(r, i);
        step->key = pg_get_text(r);
        step->input_hash = pg_get_text(r);
        step->output = pg_get_text(r);
        pg_get_step_end(r, step);
        step->started_us = pg_get_int(r);
        step->ended_us = pg_get_int(r);
        if (step->key == NULL) {
            result->version = (int)step->usage.input;
            result->spent_udollar = step->cost_udollar;
            continue;
        }
        if (pg_next_is_null(r)) {
            result->n++;
            continue;
        }
        result->partial_key = step->key;
        result->partial_hash = step->input_hash;
        result->partial = pg_get_text(r);
    }
    result->steps = steps;
    return false;
}

void pg_attempt_put_finish(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_UUID, finish, pg_array_uuid(p, &item->job));
    PG_EACH(p, t, PG_LONG, finish, pg_array_long(p, item->fence));
    PG_EACH(p, t, PG_INT, finish, pg_array_int(p, item->outcome));
    PG_EACH(p, t, PG_TEXT, finish, pg_array_text(p, item->script));
    PG_EACH(p, t, PG_TEXT, finish, pg_array_text(p, item->metadata));
    PG_EACH(p, t, PG_TEXT, finish, pg_array_text(p, item->error));
    PG_EACH(p, t, PG_LONG, finish, pg_array_long(p, item->run_at_us));
    pg_put_text(p, t->store->hook);
}

bool pg_attempt_take_finish(struct pg_task *t, struct pg_reader *r)
{
    return take_lost(t, r, 1);
}

/* ---- the ledger ---- */

void pg_attempt_put_call_open(struct pg_params *p, struct pg_task *t)
{
    const struct store_call *c = &t->op->in.call;
    pg_put_uuid(p, &c->id);
    pg_put_uuid(p, &c->job);
    pg_put_uuid(p, &c->user_id);
    pg_put_uuid(p, &c->worker);
    pg_put_int(p, c->run);
    pg_put_int(p, c->attempt);
    pg_put_text(p, c->step);
    pg_put_text(p, c->provider);
    pg_put_text(p, c->model);
    pg_put_long(p, c->estimated_input);
    pg_put_long(p, c->price_input);
    pg_put_long(p, c->price_output);
    pg_put_long(p, c->reserved_udollar);
    pg_put_long(p, c->day_cap_udollar);
    pg_put_long(p, c->user_day_cap_udollar);
}

bool pg_attempt_take_call_open(struct pg_task *t, struct pg_reader *r)
{
    int64_t cap = pg_get_int(r);
    if (cap < 0 || cap >= STORE_CAP_MAX)
        r->err = ERR_PROTOCOL;
    else
        t->op->result.cap = (enum store_cap)cap;
    return false;
}

void pg_attempt_put_call_close(struct pg_params *p, struct pg_task *t)
{
    put_call_end(p, &t->op->in.call_end);
}
