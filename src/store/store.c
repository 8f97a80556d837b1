/* In: the verbs of store.h. Out: ops on their way to the driver. */
#include "store/store.h"

#include <string.h>

#include "store/store_op.h"

/* ---- clients ---- */

static void copy_new_job(struct store_op *op, struct store_new_job *j)
{
    if (j->priority == 0)
        j->priority = 5;
    if (j->max_retries < 0)
        j->max_retries = 3;
    store_op_need(op, j->priority >= 1 && j->priority <= 10, "priority must be 1 to 10");
    store_op_need(op, !uuid_is_nil(&j->user_id), "a job needs a user id");
    store_op_need(op, j->run_at_us >= 0, "run_at must not be negative");
    j->params = store_op_copy_text(op, j->params, "generation_params");
    j->idempotency_key =
        store_op_copy(op, j->idempotency_key, STORE_KEY_MAX, "the idempotency key");
}

void store_insert(struct store *s, const struct store_new_job *jobs, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_INSERT, fn, ctx);
    op->in.insert = store_op_copy_items(op, jobs, n, sizeof *jobs);
    for (size_t i = 0; i < op->n; i++)
        copy_new_job(op, &op->in.insert[i]);
    store_op_submit(s, op);
}

void store_get(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_GET, id, fn, ctx);
}

void store_show(struct store *s, const struct uuid *ids, size_t n, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SHOW, fn, ctx);
    op->in.ids = store_op_copy_items(op, ids, n, sizeof *ids);
    store_op_submit(s, op);
}

struct store_op *store_ask_places(struct store *s, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_PLACES, fn, ctx);
    store_op_submit(s, op);
    return op;
}

static void submit_filter(struct store *s, enum store_verb verb, const struct store_filter *filter,
                          store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, verb, fn, ctx);
    op->in.filter = *filter;
    store_op_need(op, (unsigned)filter->status <= JOB_STATUS_MAX, "no such status");
    store_op_submit(s, op);
}

void store_list(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_LIST, fn, ctx);
    op->in.filter = *filter;
    store_op_need(op, (unsigned)filter->status <= JOB_STATUS_MAX, "no such status");
    store_op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX,
                  "limit must be 1 to 1000");
    store_op_submit(s, op);
}

void store_live(struct store *s, const struct store_live *ask, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_LIVE, fn, ctx);
    op->in.live = *ask;
    store_op_need(op,
                  ask->running <= STORE_BATCH_MAX && ask->waiting <= STORE_BATCH_MAX &&
                      ask->ended <= STORE_BATCH_MAX,
                  "at most 1000 of each");
    store_op_submit(s, op);
}

void store_cancel(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_CANCEL, id, fn, ctx);
}

void store_retry(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_RETRY, id, fn, ctx);
}

void store_delete(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_DELETE, id, fn, ctx);
}

void store_retry_all(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx)
{
    submit_filter(s, VERB_RETRY_ALL, filter, fn, ctx);
}

void store_rescue_foreign(struct store *s, int64_t age_us, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_RESCUE_FOREIGN, fn, ctx);
    op->in.age_us = age_us;
    store_op_need(op, age_us >= 0, "the age must not be negative");
    store_op_submit(s, op);
}

/* ---- workers ---- */

void store_worker_open(struct store *s, const struct store_worker *w, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_WORKER_OPEN, fn, ctx);
    op->in.worker = *w;
    op->in.worker.name = store_op_copy_text(op, w->name, "the worker's name");
    store_op_need(op, !uuid_is_nil(&w->id), "a worker needs an id");
    store_op_need(op, w->lease_us > 0, "a lease must be longer than nothing");
    store_op_submit(s, op);
}

void store_worker_renew(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_WORKER_RENEW, worker, fn, ctx);
}

void store_worker_version(struct store *s, const struct uuid *worker, int version, store_fn fn,
                          void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_WORKER_VERSION, fn, ctx);
    op->in.worker = (struct store_worker){.id = *worker, .version = version};
    store_op_submit(s, op);
}

void store_worker_close(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_WORKER_CLOSE, worker, fn, ctx);
}

void store_rescue(struct store *s, const struct uuid *by, store_fn fn, void *ctx)
{
    store_op_submit_id(s, VERB_RESCUE, by, fn, ctx);
}

void store_claim(struct store *s, const struct store_claim *claim, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_CLAIM, fn, ctx);
    op->in.claim = *claim;
    store_op_need(op, claim->max >= 1 && claim->max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    store_op_need(op, claim->cap_per_user >= 0, "the cap must not be negative");
    store_op_need(op, claim->label == NULL || claim->label_cap >= 1,
                  "a label's cap must be at least 1");
    op->in.claim.label = store_op_copy(op, claim->label, STORE_LABEL_MAX, "the label");
    store_op_submit(s, op);
}

void store_check(struct store *s, const struct store_held *held, size_t n, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_CHECK, fn, ctx);
    op->in.held = store_op_copy_items(op, held, n, sizeof *held);
    store_op_submit(s, op);
}

static void copy_progress(struct store_op *op, struct store_progress *p)
{
    store_op_need(op, p->progress >= 0 && p->progress <= 100, "progress must be 0 to 100");
    p->step = store_op_copy_text(op, p->step, "the step");
    p->text_step = store_op_copy_text(op, p->text_step, "the step");
    if (p->text_step == NULL)
        return;
    p->text_hash =
        store_op_copy_text(op, p->text_hash == NULL ? "" : p->text_hash, "the input hash");
    if (p->text_len > STORE_TEXT_MAX) {
        store_op_fail(op, ERR_TOO_BIG, "the text is larger than %u bytes", STORE_TEXT_MAX);
        return;
    }
    p->text = arena_strndup(&op->arena, p->text, p->text_len);
}

void store_progress(struct store *s, const struct store_progress *items, size_t n, store_fn fn,
                    void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_PROGRESS, fn, ctx);
    op->in.progress = store_op_copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        copy_progress(op, &op->in.progress[i]);
    store_op_submit(s, op);
}

void store_steps(struct store *s, const struct uuid *job, int run, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_STEPS, fn, ctx);
    op->in.steps.job = *job;
    op->in.steps.run = run;
    store_op_submit(s, op);
}

void store_follow(struct store *s, const struct store_follow *items, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_FOLLOW, fn, ctx);
    op->in.follow = store_op_copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        op->in.follow[i].step_hash =
            store_op_copy(op, op->in.follow[i].step_hash, STORE_KEY_MAX, "the input hash");
    store_op_submit(s, op);
}

/* ---- the ledger ---- */

void store_call_open(struct store *s, const struct store_call *call, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_CALL_OPEN, fn, ctx);
    struct store_call *c = &op->in.call;
    *c = *call;
    store_op_need(op, !uuid_is_nil(&c->id), "a call needs an id");
    c->step = store_op_copy_text(op, c->step, "the step");
    c->provider = store_op_copy_text(op, c->provider, "the provider's name");
    c->model = store_op_copy_text(op, c->model, "the model's name");
    store_op_submit(s, op);
}

static void copy_end(struct store_op *op, struct store_call_end *to,
                     const struct store_call_end *from)
{
    *to = *from;
    store_op_need(op, from->state > CALL_OPEN && from->state < CALL_STATE_MAX,
                  "a call ends exact, estimated or unbilled");
    to->served_model = store_op_copy_text(op, from->served_model, "the model's name");
    to->request_id = store_op_copy_text(op, from->request_id, "the request id");
    to->error = store_op_copy_text(op, from->error, "the error");
}

void store_call_close(struct store *s, const struct store_call_end *end, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_CALL_CLOSE, fn, ctx);
    copy_end(op, &op->in.call_end, end);
    store_op_submit(s, op);
}

void store_step_save(struct store *s, const struct store_held *held, int run,
                     const struct store_step *step, const struct store_call_end *end, store_fn fn,
                     void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_STEP_SAVE, fn, ctx);
    op->in.save.held = *held;
    op->in.save.run = run;
    struct store_step *to = &op->in.save.step;
    *to = *step;
    store_op_need(op, step->key != NULL && step->input_hash != NULL && step->output != NULL,
                  "a step needs a key, an input hash and an output");
    to->key = store_op_copy_text(op, step->key, "the step's key");
    to->input_hash = store_op_copy_text(op, step->input_hash, "the input hash");
    to->output = store_op_copy_text(op, step->output, "the step's output");
    to->stop = store_op_copy_text(op, step->stop, "the stop reason");
    to->model = store_op_copy_text(op, step->model, "the model's name");
    if (end != NULL) {
        op->in.save.end = arena_alloc(&op->arena, sizeof *end);
        copy_end(op, op->in.save.end, end);
    }
    store_op_submit(s, op);
}

/* ---- hooks ---- */

bool store_is_shared(const struct store *s)
{
    return s->shared;
}

void store_budget(struct store *s, const struct uuid *worker, const struct store_budget_ask *asks,
                  size_t n, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_BUDGET, fn, ctx);
    op->in.budget.worker = *worker;
    op->in.budget.asks = store_op_copy_items(op, asks, n, sizeof *asks);
    for (size_t i = 0; i < op->n; i++)
        op->in.budget.asks[i].rate_class =
            store_op_copy(op, asks[i].rate_class, STORE_KEY_MAX, "the rate class");
    store_op_submit(s, op);
}

unsigned store_hooks(const struct store *s)
{
    return s->hooks;
}

void store_hooks_check(struct store *s, bool watch, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_HOOKS_CHECK, fn, ctx);
    op->in.watch = watch;
    store_op_submit(s, op);
}

void store_input(struct store *s, const struct store_held *held, int run, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_INPUT, fn, ctx);
    op->n = 1;
    op->in.input.held = *held;
    op->in.input.run = run;
    store_op_submit(s, op);
}

void store_run_ended(struct store *s, size_t max, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_RUN_ENDED, fn, ctx);
    op->in.max = max;
    store_op_submit(s, op);
}

/* ---- the end of an attempt ---- */

static void copy_finish(struct store_op *op, struct store_finish *f)
{
    store_op_need(op, (unsigned)f->outcome < STORE_OUTCOME_MAX, "no such outcome");
    f->script = store_op_copy_text(op, f->script, "generated_script");
    f->metadata = store_op_copy_text(op, f->metadata, "script_metadata");
    f->error = store_op_copy_text(op, f->error, "error_message");
}

void store_finish(struct store *s, const struct store_finish *items, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_FINISH, fn, ctx);
    op->in.finish = store_op_copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        copy_finish(op, &op->in.finish[i]);
    store_op_submit(s, op);
}

/* ---- the whole ---- */

void store_stats(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_STATS, fn, ctx));
}

void store_workers(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_WORKERS, fn, ctx));
}

void store_scale_get(struct store *s, const struct uuid *worker, bool counted, store_fn fn,
                     void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCALE_GET, fn, ctx);
    op->in.scale_look.worker = *worker;
    op->in.scale_look.counted = counted;
    store_op_submit(s, op);
}

void store_sweep(struct store *s, const struct store_sweep *sweep, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SWEEP, fn, ctx);
    op->in.sweep = *sweep;
    store_op_need(op, sweep->look >= 1 && sweep->look <= STORE_BATCH_MAX, "look must be 1 to 1000");
    store_op_submit(s, op);
}

void store_erase(struct store *s, const struct store_erase *erase, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_ERASE, fn, ctx);
    op->in.erase = *erase;
    store_op_need(op, erase->look >= 1 && erase->look <= STORE_BATCH_MAX, "look must be 1 to 1000");
    store_op_need(op, !uuid_is_nil(&erase->user), "whose texts?");
    store_op_submit(s, op);
}

void store_scale(struct store *s, const struct store_scale_change *change, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_SCALE, fn, ctx);
    op->in.scale_change = *change;
    store_op_need(op, change->workers >= 0 && change->workers <= STORE_SCALE_MAX,
                  "workers must be 1 to 1000");
    store_op_need(op, change->concurrency >= 0 && change->concurrency <= STORE_SCALE_MAX,
                  "concurrency must be 1 to 1000");
    store_op_need(op, change->fallback >= 1 && change->fallback <= STORE_SCALE_MAX,
                  "the usual concurrency must be 1 to 1000");
    store_op_submit(s, op);
}

void store_examine(struct store *s, store_fn fn, void *ctx)
{
    store_op_submit(s, store_op_new(s, VERB_EXAMINE, fn, ctx));
}

void store_migrate(struct store *s, unsigned flags, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_MIGRATE, fn, ctx);
    op->in.migrate = flags;
    store_op_submit(s, op);
}

void store_backup(struct store *s, const char *path, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, VERB_BACKUP, fn, ctx);
    op->in.path = store_op_copy_text(op, path, "the path");
    store_op_submit(s, op);
}

static void submit_setting(struct store *s, enum store_verb verb, const char *key,
                           const char *value, store_fn fn, void *ctx)
{
    struct store_op *op = store_op_new(s, verb, fn, ctx);
    store_op_need(op, key != NULL && key[0] != '\0', "a setting needs a key");
    op->in.setting.key = store_op_copy(op, key, STORE_KEY_MAX, "the setting's key");
    op->in.setting.value = store_op_copy_text(op, value, "the setting");
    store_op_submit(s, op);
}

void store_setting_set(struct store *s, const char *key, const char *value, store_fn fn, void *ctx)
{
    submit_setting(s, VERB_SETTING_SET, key, value, fn, ctx);
}

void store_setting_get(struct store *s, const char *key, store_fn fn, void *ctx)
{
    submit_setting(s, VERB_SETTING_GET, key, NULL, fn, ctx);
}

void store_ready(struct store *s, store_fn fn, void *ctx)
{
    submit_setting(s, VERB_READY, "ready", NULL, fn, ctx);
}
