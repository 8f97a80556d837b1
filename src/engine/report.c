/* In: phases and text of all running jobs. Out: their rows and text deltas, written together: text
 * within text_save_us, with hundreds of jobs less often, a row at most once a second. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/impl.h"

#define ROW_INTERVAL_US USEC_PER_SEC
#define REFUSED_US      (60 * USEC_PER_SEC)

static void flush(void *ctx);

/* Each piece is a row of its own, with its index entry: of all jobs together so many a second. */
int64_t report_pause_us(int64_t text_save_us, size_t running)
{
    int64_t pieces = running < STORE_BATCH_MAX ? (int64_t)running : STORE_BATCH_MAX;
    return tokens_save_tick_us(pieces, text_save_us);
}

static void flush_soon(struct engine *e)
{
    int64_t pause = report_pause_us(e->config.text_save_us, engine_running(e));
    timer_set(e->loop, &e->report_timer, loop_now(e->loop) + pause, flush, e);
}

static void mark(struct run *r)
{
    struct engine *e = r->engine;
    if (!r->in_dirty) {
        r->in_dirty = true;
        DL_APPEND2(e->dirty, r, dirty_prev, dirty_next);
    }
    if (!timer_is_set(&e->report_timer))
        flush_soon(e);
}

void report_forget(struct run *r)
{
    if (!r->in_dirty)
        return;
    r->in_dirty = false;
    DL_DELETE2(r->engine->dirty, r, dirty_prev, dirty_next);
}

static void update_progress(struct run *r)
{
    double f = 0;
    int wanted = r->want.written_words + r->want.expected_words;
    if (r->stage == RUN_CALLING && wanted > 0)
        f = (double)(r->want.written_words + r->call.words) / (double)wanted;
    int p = plan_progress(r->phase, r->chunk, r->chunks, f < 1 ? f : 1);
    if (p > r->shown_progress) { /* never backwards within an attempt */
        r->shown_progress = p;
        r->row_dirty = true;
    }
}

void report_phase(struct run *r, enum phase phase, int chunk, int chunks)
{
    r->phase = phase;
    r->chunk = chunk;
    r->chunks = chunks;
    r->row_dirty = true;
    update_progress(r);
    run_tell(r, ENGINE_JOB_PROGRESS, NULL);
    mark(r);
}

void report_text(struct run *r)
{
    mark(r);
}

/* ---- writing ---- */

struct sent {
    struct run *run;
    struct uuid call;
    size_t from; /* of the call's text */
    bool row;
};

struct batch {
    struct engine *engine;
    size_t n;
    struct sent items[];
};

/* Of a call that ended, the text is a checkpoint or of no use. */
static bool has_text(const struct run *r)
{
    return r->stage == RUN_CALLING && r->call.sent < r->call.text.len;
}

/* Again with the next round, from where this one began. */
static void send_again(struct run *r, const struct sent *sent)
{
    struct call *c = &r->call;
    if (uuid_equal(&sent->call, &c->id) && c->sent > sent->from)
        c->sent = sent->from;
    r->row_dirty = r->row_dirty || sent->row;
    if (r->row_dirty || has_text(r))
        mark(r);
}

static void take(struct run *r, const struct sent *sent, bool failed, enum store_lost how)
{
    if (r->stage == RUN_GONE || r->stage == RUN_FINISHING)
        return; /* its end answers for it */
    if (failed) {
        send_again(r, sent);
    } else if (how == STORE_REFUSED && sent->row) {
        /* A user's trigger does not want to see progress: the text goes without, for a while. */
        r->row_written_us = loop_now(r->engine->loop) + REFUSED_US;
        send_again(r, sent);
    } else if (how != STORE_HELD && how != STORE_REFUSED) {
        run_lost(r, how);
    }
}

static void on_written(void *ctx, const struct store_result *result)
{
    struct batch *batch = ctx;
    struct engine *e = batch->engine;
    bool failed = engine_store_failed(e, result);
    e->reporting--;
    for (size_t i = 0; i < batch->n; i++) {
        struct sent *sent = &batch->items[i];
        take(sent->run, sent, failed, failed ? STORE_HELD : result->lost[i]);
        run_op_done(sent->run);
    }
    free(batch);
    engine_op_done(e);
}

static void fill(struct run *r, bool row, char *step_name, struct store_progress *item,
                 struct sent *sent)
{
    struct engine *e = r->engine;
    struct call *c = &r->call;
    *item = (struct store_progress){.job = r->id, .fence = r->held.fence};
    *sent = (struct sent){.run = r, .call = c->id, .from = c->sent, .row = row};
    if (row) {
        item->step = plan_step_name(r->phase, r->chunk, r->chunks, step_name);
        item->progress = r->shown_progress;
        item->current_chunk = r->chunk;
        item->total_chunks = r->chunks;
        r->row_dirty = false;
        r->row_written_us = loop_now(e->loop);
    }
    if (!has_text(r))
        return;
    item->text_step = r->want.key;
    item->text_hash = r->want.input_hash;
    item->text_offset = c->sent;
    item->text = c->text.data + c->sent;
    item->text_len = c->text.len - c->sent;
    item->call = c->id;
    item->output_tokens = ledger_output_tokens(e, c);
    item->tokens_per_second = ledger_output_rate(e, c);
    c->sent = c->text.len;
}

static void write_some(struct engine *e)
{
    char(*names)[PLAN_STEP_SIZE] = mem_array(STORE_BATCH_MAX, PLAN_STEP_SIZE);
    struct store_progress *items = mem_array(STORE_BATCH_MAX, sizeof *items);
    struct batch *batch = mem_alloc(sizeof *batch + STORE_BATCH_MAX * sizeof *batch->items);
    batch->engine = e;
    int64_t now = loop_now(e->loop);
    bool waits = false;
    struct run *r, *next;
    DL_FOREACH_SAFE2(e->dirty, r, next, dirty_next)
    {
        if (batch->n == STORE_BATCH_MAX) {
            waits = true;
            break;
        }
        update_progress(r);
        bool row = r->row_dirty && now - r->row_written_us >= ROW_INTERVAL_US;
        if (row || has_text(r)) {
            fill(r, row, names[batch->n], &items[batch->n], &batch->items[batch->n]);
            run_op_begin(r);
            batch->n++;
        }
        if (r->row_dirty)
            waits = true;
        else
            report_forget(r);
    }
    if (waits)
        flush_soon(e);
    if (batch->n > 0) {
        e->reporting++;
        e->ops++;
        store_progress(e->store, items, batch->n, on_written, batch);
    } else {
        free(batch);
    }
    free(items);
    free(names);
}

static void tell_progress(struct engine *e)
{
    struct run *r, *next;
    DL_FOREACH_SAFE2(e->dirty, r, next, dirty_next) run_tell(r, ENGINE_JOB_PROGRESS, NULL);
}

static void flush(void *ctx)
{
    struct engine *e = ctx;
    tell_progress(e);
    /* One batch at a time: should it fail, nothing that comes behind it is under way already, and a
     * slow store is not given more than it can take. */
    if (e->reporting == 0)
        write_some(e);
    else
        flush_soon(e);
}

void report_flush(struct run *r)
{
    while (r->in_dirty && has_text(r))
        write_some(r->engine);
}
