/* In: the verbs of schedules. Out: ops on their way to the driver. */
#include "store/store_schedules.h"

#include "store/store_op.h"

void store_schedule_save(struct store *s, const struct store_schedule *schedule, store_fn fn,
                         void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_SAVE, fn, ctx);
    struct store_schedule *to = &op->in.schedule;
    *to = *schedule;
    store_op_need(op, to->name != NULL && to->name[0] != '\0' && to->expr != NULL,
                  "a schedule needs a name and an expression");
    store_op_need(op, (unsigned)to->missed < STORE_MISSED_MAX, "no such policy for missed firings");
    if (to->missed != STORE_MISSED_ALL)
        to->missed_max = 1;
    store_op_need(op, to->missed_max >= 1 && to->missed_max <= STORE_MISSED_LIMIT,
                  "all may make up for 1 to 100 missed firings");
    to->name = store_op_copy(op, to->name, STORE_LABEL_MAX, "the schedule's name");
    to->expr = store_op_copy(op, to->expr, STORE_LABEL_MAX, "the expression");
    to->label = store_op_copy(op, to->label, STORE_LABEL_MAX, "the worker id");
    store_op_submit(s, op);
}

static void copy_schedule_filter(struct store_op *op, const struct store_schedule_filter *f)
{
    op->in.schedules = *f;
    op->in.schedules.name = store_op_copy(op, f->name, STORE_LABEL_MAX, "the schedule's name");
    store_op_need(op, f->limit >= 1 && f->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
}

void store_schedule_remove(struct store *s, const char *name, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_REMOVE, fn, ctx);
    copy_schedule_filter(op, &(struct store_schedule_filter){name, 0, 1});
    store_op_need(op, name != NULL, "which schedule?");
    store_op_submit(s, op);
}

void store_schedule_list(struct store *s, const struct store_schedule_filter *filter, store_fn fn,
                         void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_LIST, fn, ctx);
    copy_schedule_filter(op, filter);
    store_op_submit(s, op);
}

void store_schedule_list_sql(struct store *s, const struct store_schedule_filter *filter,
                             store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_LIST_SQL, fn, ctx);
    copy_schedule_filter(op, filter);
    store_op_submit(s, op);
}

void store_schedule_due(struct store *s, size_t max, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_DUE, fn, ctx);
    op->in.plan.max = max;
    store_op_need(op, max >= 1 && max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    store_op_submit(s, op);
}

static size_t copy_plan(struct store_op *op, struct store_plan *p)
{
    struct store_firing *firings = arena_array(&op->arena, p->n, sizeof *firings);
    for (size_t i = 0; i < p->n; i++) {
        firings[i] = p->firings[i];
        firings[i].note = store_op_copy_text(op, firings[i].note, "the note");
    }
    p->firings = firings;
    p->error = store_op_copy_text(op, p->error, "the error");
    return p->n;
}

void store_schedule_plan(struct store *s, const struct uuid *worker, const struct store_plan *plans,
                         size_t n, int64_t keep, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_PLAN, fn, ctx);
    size_t firings = 0;
    op->in.plan.worker = *worker;
    op->in.plan.keep = keep;
    op->in.plan.items = store_op_copy_items(op, plans, n, sizeof *plans);
    for (size_t i = 0; i < op->n; i++)
        firings += copy_plan(op, &op->in.plan.items[i]);
    store_op_need(op, firings <= STORE_BATCH_MAX, "too many firings at once");
    store_op_need(op, keep >= 1, "at least one run is kept");
    store_op_submit(s, op);
}

void store_schedule_boot(struct store *s, const struct uuid *worker, int64_t at_us, int64_t keep,
                         store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCHEDULE_BOOT, fn, ctx);
    op->in.plan.worker = *worker;
    op->in.plan.at_us = at_us;
    store_op_need(op, at_us > 0, "a start has a time");
    op->in.plan.keep = keep;
    store_op_need(op, keep >= 1, "at least one run is kept");
    store_op_submit(s, op);
}

void store_run_take(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_RUN_TAKE, fn, ctx);
    op->in.plan.worker = *worker;
    store_op_submit(s, op);
}

void store_run_end(struct store *s, const struct store_run_end *ends, size_t n, store_fn fn,
                   void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_RUN_END, fn, ctx);
    op->in.ends = store_op_copy_items(op, ends, n, sizeof *ends);
    for (size_t i = 0; i < op->n; i++) {
        struct store_run_end *end = &op->in.ends[i];
        store_op_need(op, end->state > STORE_RUN_RUNNING && end->state < STORE_RUN_LOST,
                      "a run ends succeeded, failed or skipped");
        end->message = store_op_copy_text(op, end->message, "the message");
    }
    store_op_submit(s, op);
}

void store_runs(struct store *s, const struct store_run_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_RUNS, fn, ctx);
    op->in.runs = *filter;
    op->in.runs.name = store_op_copy(op, filter->name, STORE_LABEL_MAX, "the schedule's name");
    store_op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX,
                  "limit must be 1 to 1000");
    store_op_submit(s, op);
}
