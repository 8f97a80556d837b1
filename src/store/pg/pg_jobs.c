/* In: what clients ask of jobs. Out: parameters of the SQL functions, and jobs from their rows. */
#include "store/pg/pg_verbs.h"

void pg_jobs_put_insert(struct pg_params *p, struct pg_task *t)
{
    struct store_op *op = t->op;
    for (size_t i = 0; i < op->n; i++) { /* now: the same ids when it has to be sent again */
        if (uuid_is_nil(&op->in.insert[i].id))
            op->in.insert[i].id = uuid_new(op->now_us);
    }
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->id));
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->user_id));
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->workflow_id));
    PG_EACH(p, t, PG_INT, insert, pg_array_int(p, item->priority));
    PG_EACH(p, t, PG_INT, insert, pg_array_int(p, item->max_retries));
    PG_EACH(p, t, PG_TEXT, insert, pg_array_text(p, item->params));
    PG_EACH(p, t, PG_LONG, insert, pg_array_long(p, item->run_at_us));
    PG_EACH(p, t, PG_TEXT, insert, pg_array_text(p, item->idempotency_key));
}

bool pg_jobs_take_insert(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_inserted *inserted = arena_array(r->arena, n, sizeof *inserted);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        inserted[i].id = pg_get_uuid(r);
        inserted[i].existed = pg_get_bool(r);
    }
    if (n != t->op->n && r->err == OK)
        r->err = ERR_PROTOCOL;
    t->op->result.inserted = inserted;
    t->op->result.n = n;
    return false;
}

void pg_jobs_put_id(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.id);
}

void pg_jobs_put_filter(struct pg_params *p, struct pg_task *t)
{
    const struct store_filter *f = &t->op->in.filter;
    pg_put_text(p, f->status == JOB_STATUS_MAX ? NULL : job_status_name(f->status));
    pg_put_uuid(p, &f->user_id);
    if (t->op->verb == VERB_LIST) {
        pg_put_long(p, f->after_at);
        pg_put_uuid(p, &f->after);
        pg_put_int(p, (int64_t)f->limit);
    }
}

enum job_status pg_get_status(struct pg_reader *r)
{
    enum job_status status = JOB_FAILED;
    const char *name = pg_get_text(r);
    if (name != NULL && job_status_parse(name, &status) != OK)
        status = JOB_FAILED;
    return status;
}

void pg_get_job_row(struct pg_reader *r, struct store_job *j)
{
    j->user_id = pg_get_uuid(r);
    j->workflow_id = pg_get_uuid(r);
    j->status = pg_get_status(r);
    j->progress = (int)pg_get_int(r);
    j->current_chunk = (int)pg_get_int(r);
    j->total_chunks = (int)pg_get_int(r);
    j->retry_count = (int)pg_get_int(r);
    j->max_retries = (int)pg_get_int(r);
    j->priority = (int)pg_get_int(r);
    j->current_step = pg_get_text(r);
    j->error_message = pg_get_text(r);
    j->created_us = pg_get_int(r);
    j->started_us = pg_get_int(r);
    j->completed_us = pg_get_int(r);
    j->updated_us = pg_get_int(r);
}

/* All of it but the id, and its place among what is due: `op->placed` has room. */
static void read_job(struct pg_reader *r, struct store_op *op, struct store_job *j)
{
    pg_get_job_row(r, j);
    j->processing_seconds = pg_get_int(r);
    j->queued = pg_get_bool(r);
    j->run_at_us = pg_get_int(r);
    j->run = (int)pg_get_int(r);
    j->cost_udollar = pg_get_int(r);
    j->input_tokens = pg_get_int(r);
    j->output_tokens = pg_get_int(r);
    j->cache_read = pg_get_int(r);
    j->cache_write = pg_get_int(r);
    j->listed_at = j->created_us;
    j->params = pg_get_text(r);
    j->script = pg_get_text(r);
    j->metadata = pg_get_text(r);
    bool due = !pg_next_is_null(r);
    struct store_place place = pg_get_place(r);
    if (due)
        op->placed[op->n_placed++] = (struct store_placed){j, place};
}

struct store_place pg_get_place(struct pg_reader *r)
{
    struct store_place place = {.priority = (int)pg_get_int(r)};
    place.tag = pg_get_int(r);
    place.tie = pg_get_int(r);
    return place;
}

bool pg_jobs_take(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    bool one = t->op->verb == VERB_GET;
    if (one && n == 0 && r->err == OK) {
        char text[UUID_TEXT_SIZE];
        store_op_fail(t->op, ERR_NOT_FOUND, "there is no job %s", uuid_text(&t->op->in.id, text));
        return false;
    }
    struct store_job *jobs = arena_array(r->arena, n, sizeof *jobs);
    t->op->placed = arena_array(r->arena, n, sizeof *t->op->placed);
    t->op->n_placed = 0;
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        jobs[i].id = pg_get_uuid(r);
        read_job(r, t->op, &jobs[i]);
    }
    t->op->result.jobs = jobs;
    t->op->result.n = n;
    return false;
}

/* ---- jobs with their steps ---- */

void pg_jobs_put_ids(struct pg_params *p, struct pg_task *t)
{
    PG_EACH(p, t, PG_UUID, ids, pg_array_uuid(p, item));
}

static void read_step(struct pg_reader *r, struct store_step *step)
{
    step->key = pg_get_text(r);
    pg_get_step_end(r, step);
    step->started_us = pg_get_int(r);
    step->ended_us = pg_get_int(r);
}

/* The item with that id; NULL: nobody asked for it. */
static struct store_shown *shown_of(const struct store_op *op, struct store_shown *shown,
                                    const struct uuid *id)
{
    for (size_t i = 0; i < op->n; i++) {
        if (uuid_equal(&op->in.ids[i], id))
            return &shown[i];
    }
    return NULL;
}

static void show_row(struct pg_reader *r, struct store_op *op, const struct uuid *id,
                     struct store_shown *one)
{
    one->job.id = *id;
    read_job(r, op, &one->job);
    one->err = OK;
    if (r->err == ERR_TOO_BIG) { /* that row only */
        one->err = ERR_TOO_BIG;
        r->err = OK;
    }
}

static void show_step(struct pg_reader *r, struct store_shown *one, struct store_step *step)
{
    pg_skip(r, PG_JOB_COLUMNS - 1);
    if (one->n_steps++ == 0)
        one->steps = step;
    read_step(r, step);
}

bool pg_jobs_take_shown(struct pg_task *t, struct pg_reader *r)
{
    struct store_op *op = t->op;
    int rows = pg_reader_rows(r);
    struct store_shown *shown = arena_array(r->arena, op->n, sizeof *shown);
    struct store_step *steps = arena_array(r->arena, (size_t)rows, sizeof *steps);
    op->placed = arena_array(r->arena, op->n, sizeof *op->placed);
    op->n_placed = 0;
    for (size_t i = 0; i < op->n; i++)
        shown[i].err = ERR_NOT_FOUND;
    for (int i = 0; i < rows && r->err == OK; i++) {
        pg_reader_row(r, i);
        bool of_step = pg_get_bool(r);
        struct uuid id = pg_get_uuid(r);
        struct store_shown *one = shown_of(op, shown, &id);
        if (one == NULL)
            r->err = ERR_PROTOCOL;
        else if (!of_step)
            show_row(r, op, &id, one);
        else if (one->err == OK)
            show_step(r, one, steps++);
    }
    op->result.shown = shown;
    op->result.n = op->n;
    return false;
}

void pg_jobs_put_age(struct pg_params *p, struct pg_task *t)
{
    pg_put_long(p, t->op->in.age_us);
}
