/* In: jobs that somebody looks at. Out: parameters of the SQL function, and what has come since. */
#include "store/pg/pg_verbs.h"

#include <string.h>

enum { KIND_JOB, KIND_STEP, KIND_TEXT };

void pg_follow_put(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_UUID, follow, pg_array_uuid(p, &item->job));
    PG_EACH(p, t, PG_INT, follow, pg_array_int(p, item->run));
    PG_EACH(p, t, PG_LONG, follow, pg_array_long(p, item->place));
    PG_EACH(p, t, PG_TEXT, follow, pg_array_text(p, item->step_hash));
    PG_EACH(p, t, PG_UUID, follow, pg_array_uuid(p, &item->call));
    PG_EACH(p, t, PG_LONG, follow, pg_array_long(p, (int64_t)item->offset));
}

static void read_row(struct pg_reader *r, const struct store_follow *item,
                     struct store_followed *out)
{
    struct store_job *j = &out->job;
    out->found = true;
    j->id = item->job;
    pg_get_job_row(r, j);
    j->processing_seconds = -1;
    j->queued = pg_get_bool(r);
    j->run_at_us = pg_get_int(r);
    j->run = (int)pg_get_int(r);
    out->whole = pg_get_bool(r);
}

static void read_step(struct pg_reader *r, struct store_step *step)
{
    pg_skip(r, 12);
    step->started_us = pg_get_int(r);
    step->ended_us = pg_get_int(r);
    pg_skip(r, 5);
    step->key = pg_get_text(r);
    step->input_hash = pg_get_text(r);
    step->place = pg_get_int(r);
    step->output = pg_get_text(r);
    pg_get_step_end(r, step);
}

static void read_text(struct pg_reader *r, struct store_followed *out)
{
    pg_skip(r, 19);
    out->text_step = pg_get_text(r);
    out->text_hash = pg_get_text(r);
    pg_skip(r, 10);
    out->text_call = pg_get_uuid(r);
    out->text_offset = (size_t)pg_get_int(r);
    out->text = pg_get_text(r);
    out->text_len = out->text != NULL ? strlen(out->text) : 0;
}

bool pg_follow_take(struct pg_task *t, struct pg_reader *r)
{
    struct store_op *op = t->op;
    int rows = pg_reader_rows(r);
    struct store_followed *out = arena_array(r->arena, op->n, sizeof *out);
    struct store_step *steps = arena_array(r->arena, (size_t)rows, sizeof *steps);
    for (int i = 0; i < rows && r->err == OK; i++) {
        pg_reader_row(r, i);
        int64_t kind = pg_get_int(r), item = pg_get_int(r);
        if (item < 1 || item > (int64_t)op->n || kind < KIND_JOB || kind > KIND_TEXT) {
            r->err = ERR_PROTOCOL;
            break;
        }
        struct store_followed *one = &out[item - 1];
        if (kind == KIND_JOB) {
            read_row(r, &op->in.follow[item - 1], one);
        } else if (kind == KIND_TEXT) {
            read_text(r, one);
        } else {
            if (one->n_steps++ == 0)
                one->steps = steps;
            read_step(r, steps++);
        }
    }
    op->result.followed = out;
    op->result.n = op->n;
    return false;
}
