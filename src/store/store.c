/* In: the verbs of store.h. Out: store_ops, with everything copied, on their way to the driver. */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_driver.h"
#include "store/store_places.h"

void store_free(struct store *store)
{
    if (store != NULL)
        store->driver->free(store);
}

void store_on_change(struct store *s, loop_fn fn, void *ctx)
{
    s->change_fn = fn;
    s->change_ctx = ctx;
    if (s->driver->watch != NULL)
        s->driver->watch(s, fn != NULL);
}

void store_changed(struct store *s)
{
    if (s->change_fn != NULL)
        s->change_fn(s->change_ctx);
}

void store_op_fail(struct store_op *op, enum err e, const char *fmt, ...)
{
    if (op->result.err != OK)
        return;
    char text[sizeof((struct errmsg *)NULL)->text];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    op->result.err = e;
    op->result.message = arena_strdup(&op->arena, text);
}

void store_op_refused(struct store_op *op, size_t i, const char *why)
{
    if (op->why == NULL)
        op->why = arena_array(&op->arena, op->n, sizeof *op->why);
    op->why[i] = arena_strdup(&op->arena, why);
    op->result.why = op->why;
    if (op->result.message == NULL)
        op->result.message = op->why[i];
}

void store_on_answer(struct store *s, store_answer_fn fn, void *ctx)
{
    s->answer_fn = fn;
    s->answer_ctx = ctx;
}

static enum store_kind kind_of(enum store_verb verb)
{
    switch (verb) {
    case VERB_GET:
    case VERB_LIST:
    case VERB_CHECK:
    case VERB_STEPS:
    case VERB_FOLLOW:
    case VERB_STATS:
    case VERB_PLACES:
    case VERB_WORKERS:
    case VERB_SETTING_GET:
    case VERB_INVOCATIONS:
    case VERB_LOG:
    case VERB_SCALE_GET:
    case VERB_EXAMINE:
    case VERB_DEPLOYMENTS:
    case VERB_DEPLOYMENT_GET:
    case VERB_DEPLOYMENT_ACTIVE:
    case VERB_SCHEDULE_LIST:
    case VERB_RUNS:
        return STORE_READS;
    case VERB_CLAIM:
        return STORE_CLAIMS;
    case VERB_PROGRESS:
        return STORE_REPORTS;
    case VERB_STEP_SAVE:
    case VERB_FINISH:
        return STORE_ENDS;
    default:
        return STORE_WRITES;
    }
}

void store_op_done(struct store *s, struct store_op *op)
{
    if (store_places_take(s, op))
        return;
    if (s->answer_fn != NULL)
        s->answer_fn(s->answer_ctx, kind_of(op->verb), loop_now(s->loop) - op->asked_us);
    if (op->result.message == NULL)
        op->result.message = "";
    op->fn(op->ctx, &op->result);
    arena_free(&op->arena);
    free(op);
}

bool store_is_paused(const char *text, int64_t *ret_since_us)
{
    static const char *const off[] = {"", "0", "false", "off"};
    for (size_t i = 0; text != NULL && i < sizeof off / sizeof off[0]; i++) {
        if (strcmp(text, off[i]) == 0)
            return false;
    }
    char *end = NULL;
    long long since = text != NULL ? strtoll(text, &end, 10) : 0;
    *ret_since_us = end != NULL && *end == '\0' && since > 0 ? since : 0;
    return text != NULL;
}

static struct store_op *op_new(struct store *s, enum store_verb verb, store_fn fn, void *ctx)
{
    struct store_op *op = mem_alloc(sizeof *op);
    op->verb = verb;
    op->fn = fn;
    op->ctx = ctx;
    op->now_us = loop_wall(s->loop);
    op->asked_us = loop_now(s->loop);
    return op;
}

static void submit(struct store *s, struct store_op *op)
{
    s->driver->submit(s, op);
}

/* A bounded copy. NULL stays NULL. */
static const char *copy(struct store_op *op, const char *text, size_t max, const char *what)
{
    if (text == NULL)
        return NULL;
    size_t n = strnlen(text, max + 1);
    if (n > max) {
        store_op_fail(op, ERR_TOO_BIG, "%s is larger than %zu bytes", what, max);
        return NULL;
    }
    return arena_strndup(&op->arena, text, n);
}

static const char *copy_text(struct store_op *op, const char *text, const char *what)
{
    return copy(op, text, STORE_TEXT_MAX, what);
}

/* Room for n items; an impossible n fails the op and leaves it without items. */
static void *copy_items(struct store_op *op, const void *from, size_t n, size_t size)
{
    if (n > STORE_BATCH_MAX) {
        store_op_fail(op, ERR_INVALID, "%zu items in one batch; at most %d", n, STORE_BATCH_MAX);
        return NULL;
    }
    op->n = n;
    void *to = arena_array(&op->arena, n, size);
    if (n > 0)
        memcpy(to, from, n * size);
    return to;
}

static void op_need(struct store_op *op, bool condition, const char *message)
{
    if (!condition)
        store_op_fail(op, ERR_INVALID, "%s", message);
}

static void submit_id(struct store *s, enum store_verb verb, const struct uuid *id, store_fn fn,
                      void *ctx)
{
    struct store_op *op = op_new(s, verb, fn, ctx);
    if (id != NULL)
        op->in.id = *id;
    submit(s, op);
}

/* ---- clients ---- */

static void copy_new_job(struct store_op *op, struct store_new_job *j)
{
    if (j->priority == 0)
        j->priority = 5;
    if (j->max_retries < 0)
        j->max_retries = 3;
    op_need(op, j->priority >= 1 && j->priority <= 10, "priority must be 1 to 10");
    op_need(op, !uuid_is_nil(&j->user_id), "a job needs a user id");
    op_need(op, j->run_at_us >= 0, "run_at must not be negative");
    j->params = copy_text(op, j->params, "generation_params");
    j->idempotency_key = copy(op, j->idempotency_key, STORE_KEY_MAX, "the idempotency key");
}

void store_insert(struct store *s, const struct store_new_job *jobs, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = op_new(s, VERB_INSERT, fn, ctx);
    op->in.insert = copy_items(op, jobs, n, sizeof *jobs);
    for (size_t i = 0; i < op->n; i++)
        copy_new_job(op, &op->in.insert[i]);
    submit(s, op);
}

void store_get(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    submit_id(s, VERB_GET, id, fn, ctx);
}

struct store_op *store_ask_places(struct store *s, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_PLACES, fn, ctx);
    submit(s, op);
    return op;
}

static void submit_filter(struct store *s, enum store_verb verb, const struct store_filter *filter,
                          store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, verb, fn, ctx);
    op->in.filter = *filter;
    op_need(op, (unsigned)filter->status <= JOB_STATUS_MAX, "no such status");
    submit(s, op);
}

void store_list(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_LIST, fn, ctx);
    op->in.filter = *filter;
    op_need(op, (unsigned)filter->status <= JOB_STATUS_MAX, "no such status");
    op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    submit(s, op);
}

void store_cancel(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    submit_id(s, VERB_CANCEL, id, fn, ctx);
}

void store_retry(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    submit_id(s, VERB_RETRY, id, fn, ctx);
}

void store_delete(struct store *s, const struct uuid *id, store_fn fn, void *ctx)
{
    submit_id(s, VERB_DELETE, id, fn, ctx);
}

void store_retry_all(struct store *s, const struct store_filter *filter, store_fn fn, void *ctx)
{
    submit_filter(s, VERB_RETRY_ALL, filter, fn, ctx);
}

void store_rescue_foreign(struct store *s, int64_t age_us, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_RESCUE_FOREIGN, fn, ctx);
    op->in.age_us = age_us;
    op_need(op, age_us >= 0, "the age must not be negative");
    submit(s, op);
}

/* ---- workers ---- */

void store_worker_open(struct store *s, const struct store_worker *w, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_WORKER_OPEN, fn, ctx);
    op->in.worker = *w;
    op->in.worker.name = copy_text(op, w->name, "the worker's name");
    op_need(op, !uuid_is_nil(&w->id), "a worker needs an id");
    op_need(op, w->lease_us > 0, "a lease must be longer than nothing");
    submit(s, op);
}

void store_worker_renew(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    submit_id(s, VERB_WORKER_RENEW, worker, fn, ctx);
}

void store_worker_version(struct store *s, const struct uuid *worker, int version, store_fn fn,
                          void *ctx)
{
    struct store_op *op = op_new(s, VERB_WORKER_VERSION, fn, ctx);
    op->in.worker = (struct store_worker){.id = *worker, .version = version};
    submit(s, op);
}

void store_worker_close(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    submit_id(s, VERB_WORKER_CLOSE, worker, fn, ctx);
}

void store_rescue(struct store *s, const struct uuid *by, store_fn fn, void *ctx)
{
    submit_id(s, VERB_RESCUE, by, fn, ctx);
}

void store_claim(struct store *s, const struct store_claim *claim, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_CLAIM, fn, ctx);
    op->in.claim = *claim;
    op_need(op, claim->max >= 1 && claim->max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    op_need(op, claim->cap_per_user >= 0, "the cap must not be negative");
    op_need(op, claim->label == NULL || claim->label_cap >= 1, "a label's cap must be at least 1");
    op->in.claim.label = copy(op, claim->label, STORE_LABEL_MAX, "the label");
    submit(s, op);
}

void store_check(struct store *s, const struct store_held *held, size_t n, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_CHECK, fn, ctx);
    op->in.held = copy_items(op, held, n, sizeof *held);
    submit(s, op);
}

static void copy_progress(struct store_op *op, struct store_progress *p)
{
    op_need(op, p->progress >= 0 && p->progress <= 100, "progress must be 0 to 100");
    p->step = copy_text(op, p->step, "the step");
    p->text_step = copy_text(op, p->text_step, "the step");
    if (p->text_step == NULL)
        return;
    p->text_hash = copy_text(op, p->text_hash == NULL ? "" : p->text_hash, "the input hash");
    if (p->text_len > STORE_TEXT_MAX) {
        store_op_fail(op, ERR_TOO_BIG, "the text is larger than %u bytes", STORE_TEXT_MAX);
        return;
    }
    p->text = arena_strndup(&op->arena, p->text, p->text_len);
}

void store_progress(struct store *s, const struct store_progress *items, size_t n, store_fn fn,
                    void *ctx)
{
    struct store_op *op = op_new(s, VERB_PROGRESS, fn, ctx);
    op->in.progress = copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        copy_progress(op, &op->in.progress[i]);
    submit(s, op);
}

void store_steps(struct store *s, const struct uuid *job, int run, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_STEPS, fn, ctx);
    op->in.steps.job = *job;
    op->in.steps.run = run;
    submit(s, op);
}

void store_follow(struct store *s, const struct store_follow *items, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = op_new(s, VERB_FOLLOW, fn, ctx);
    op->in.follow = copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        op->in.follow[i].step_hash =
            copy(op, op->in.follow[i].step_hash, STORE_KEY_MAX, "the input hash");
    submit(s, op);
}

/* ---- the ledger ---- */

void store_call_open(struct store *s, const struct store_call *call, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_CALL_OPEN, fn, ctx);
    struct store_call *c = &op->in.call;
    *c = *call;
    op_need(op, !uuid_is_nil(&c->id), "a call needs an id");
    c->step = copy_text(op, c->step, "the step");
    c->provider = copy_text(op, c->provider, "the provider's name");
    c->model = copy_text(op, c->model, "the model's name");
    submit(s, op);
}

static void copy_end(struct store_op *op, struct store_call_end *to,
                     const struct store_call_end *from)
{
    *to = *from;
    op_need(op, from->state > CALL_OPEN && from->state < CALL_STATE_MAX,
            "a call ends exact, estimated or unbilled");
    to->served_model = copy_text(op, from->served_model, "the model's name");
    to->request_id = copy_text(op, from->request_id, "the request id");
    to->error = copy_text(op, from->error, "the error");
}

void store_call_close(struct store *s, const struct store_call_end *end, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_CALL_CLOSE, fn, ctx);
    copy_end(op, &op->in.call_end, end);
    submit(s, op);
}

void store_step_save(struct store *s, const struct store_held *held, int run,
                     const struct store_step *step, const struct store_call_end *end, store_fn fn,
                     void *ctx)
{
    struct store_op *op = op_new(s, VERB_STEP_SAVE, fn, ctx);
    op->in.save.held = *held;
    op->in.save.run = run;
    struct store_step *to = &op->in.save.step;
    *to = *step;
    op_need(op, step->key != NULL && step->input_hash != NULL && step->output != NULL,
            "a step needs a key, an input hash and an output");
    to->key = copy_text(op, step->key, "the step's key");
    to->input_hash = copy_text(op, step->input_hash, "the input hash");
    to->output = copy_text(op, step->output, "the step's output");
    to->stop = copy_text(op, step->stop, "the stop reason");
    to->model = copy_text(op, step->model, "the model's name");
    if (end != NULL) {
        op->in.save.end = arena_alloc(&op->arena, sizeof *end);
        copy_end(op, op->in.save.end, end);
    }
    submit(s, op);
}

/* ---- hooks ---- */

bool store_is_shared(const struct store *s)
{
    return s->shared;
}

void store_budget(struct store *s, const struct uuid *worker, const struct store_budget_ask *asks,
                  size_t n, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_BUDGET, fn, ctx);
    op->in.budget.worker = *worker;
    op->in.budget.asks = copy_items(op, asks, n, sizeof *asks);
    for (size_t i = 0; i < op->n; i++)
        op->in.budget.asks[i].rate_class =
            copy(op, asks[i].rate_class, STORE_KEY_MAX, "the rate class");
    submit(s, op);
}

unsigned store_hooks(const struct store *s)
{
    return s->hooks;
}

void store_hooks_check(struct store *s, bool watch, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_HOOKS_CHECK, fn, ctx);
    op->in.watch = watch;
    submit(s, op);
}

void store_input(struct store *s, const struct store_held *held, int run, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_INPUT, fn, ctx);
    op->n = 1;
    op->in.input.held = *held;
    op->in.input.run = run;
    submit(s, op);
}

void store_run_ended(struct store *s, size_t max, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_RUN_ENDED, fn, ctx);
    op->in.max = max;
    submit(s, op);
}

/* ---- webhooks ---- */

const char *store_end_name(enum store_end end)
{
    static const char *const names[STORE_END_MAX] = {"completed", "failed", "cancelled", "deleted"};
    return (unsigned)end < STORE_END_MAX ? names[end] : "unknown";
}

static const char *copy_endpoint(struct store_op *op, const char *name)
{
    return copy(op, name, STORE_ENDPOINT_NAME, "the endpoint's name");
}

void store_endpoints_set(struct store *s, const struct store_endpoint *endpoints, size_t n,
                         store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_ENDPOINTS_SET, fn, ctx);
    op_need(op, n <= STORE_ENDPOINT_MAX, "too many endpoints; at most 32");
    op->in.endpoints = copy_items(op, endpoints, n, sizeof *endpoints);
    for (size_t i = 0; i < op->n; i++) {
        struct store_endpoint *e = &op->in.endpoints[i];
        op_need(op, e->name != NULL && e->name[0] != '\0', "an endpoint needs a name");
        op_need(op, e->ends < 1u << STORE_END_MAX, "no such end");
        e->name = copy_endpoint(op, e->name);
    }
    submit(s, op);
}

void store_endpoint_drop(struct store *s, const char *name, const char *why, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_ENDPOINT_DROP, fn, ctx);
    op->in.endpoint_drop.name = copy_endpoint(op, name);
    op->in.endpoint_drop.why = copy_text(op, why, "the reason");
    submit(s, op);
}

void store_endpoints(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_ENDPOINTS, fn, ctx));
}

void store_deliveries_take(struct store *s, const char *endpoint, size_t max, int64_t lease_us,
                           store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DELIVERIES_TAKE, fn, ctx);
    op->in.take.endpoint = copy_endpoint(op, endpoint);
    op->in.take.max = max;
    op->in.take.lease_us = lease_us;
    op_need(op, max >= 1 && max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    submit(s, op);
}

void store_deliveries_note(struct store *s, const struct store_delivery_end *ends, size_t n,
                           store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DELIVERIES_NOTE, fn, ctx);
    op->in.noted = copy_items(op, ends, n, sizeof *ends);
    for (size_t i = 0; i < op->n; i++) {
        op_need(op, (unsigned)ends[i].state < STORE_DELIVERY_MAX, "no such state");
        op->in.noted[i].error = copy_text(op, ends[i].error, "the error");
    }
    submit(s, op);
}

void store_deliveries(struct store *s, const struct store_delivery_filter *filter, store_fn fn,
                      void *ctx)
{
    struct store_op *op = op_new(s, VERB_DELIVERIES, fn, ctx);
    op->in.deliveries = *filter;
    op->in.deliveries.endpoint = copy_endpoint(op, filter->endpoint);
    op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    submit(s, op);
}

void store_deliveries_retry(struct store *s, const struct uuid *id, const char *endpoint,
                            store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DELIVERIES_RETRY, fn, ctx);
    op->in.redeliver.id = *id;
    op->in.redeliver.endpoint = copy_endpoint(op, endpoint);
    submit(s, op);
}

/* ---- the end of an attempt ---- */

static void copy_finish(struct store_op *op, struct store_finish *f)
{
    op_need(op, (unsigned)f->outcome < STORE_OUTCOME_MAX, "no such outcome");
    f->script = copy_text(op, f->script, "generated_script");
    f->metadata = copy_text(op, f->metadata, "script_metadata");
    f->error = copy_text(op, f->error, "error_message");
}

void store_finish(struct store *s, const struct store_finish *items, size_t n, store_fn fn,
                  void *ctx)
{
    struct store_op *op = op_new(s, VERB_FINISH, fn, ctx);
    op->in.finish = copy_items(op, items, n, sizeof *items);
    for (size_t i = 0; i < op->n; i++)
        copy_finish(op, &op->in.finish[i]);
    submit(s, op);
}

/* ---- what happened ---- */

void store_invocation_save(struct store *s, const struct store_invocation *invocation, int64_t keep,
                           store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_INVOCATION_SAVE, fn, ctx);
    struct store_invocation *to = &op->in.invocation.row;
    *to = *invocation;
    op->in.invocation.keep = keep;
    op_need(op, !uuid_is_nil(&to->id), "an invocation needs an id");
    op_need(op, keep >= 1, "at least one invocation is kept");
    to->caller = copy(op, to->caller, STORE_LABEL_MAX, "the caller");
    to->label = copy(op, to->label, STORE_LABEL_MAX, "the worker id");
    to->worker = copy_text(op, to->worker, "the worker's name");
    to->version = copy_text(op, to->version, "the version");
    to->error = copy_text(op, to->error, "the error");
    submit(s, op);
}

void store_invocations(struct store *s, const struct uuid *after, size_t limit, store_fn fn,
                       void *ctx)
{
    struct store_op *op = op_new(s, VERB_INVOCATIONS, fn, ctx);
    op->in.invocations.after = *after;
    op->in.invocations.limit = limit;
    op_need(op, limit >= 1 && limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    submit(s, op);
}

void store_log_add(struct store *s, const struct store_line *lines, size_t n, int64_t keep,
                   store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_LOG_ADD, fn, ctx);
    op->in.log.items = copy_items(op, lines, n, sizeof *lines);
    op->in.log.keep = keep;
    op_need(op, keep >= 1, "at least one line is kept");
    for (size_t i = 0; i < op->n; i++) {
        struct store_line *l = &op->in.log.items[i];
        op_need(op, l->level != NULL && l->event != NULL && l->message != NULL,
                "a line needs a level, an event and a message");
        l->level = copy_text(op, l->level, "the level");
        l->event = copy_text(op, l->event, "the event");
        l->message = copy_text(op, l->message, "the message");
        l->details = copy_text(op, l->details, "the details");
        l->worker = copy_text(op, l->worker, "the worker's name");
    }
    submit(s, op);
}

void store_log(struct store *s, const struct store_log_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_LOG, fn, ctx);
    op->in.log_filter = *filter;
    op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    submit(s, op);
}

/* ---- versions of the pipeline ---- */

void store_deployment_add(struct store *s, const struct store_deployment *d, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DEPLOYMENT_ADD, fn, ctx);
    struct store_deployment *to = &op->in.deployment;
    *to = *d;
    op_need(op, d->hash != NULL && d->name != NULL && d->content != NULL,
            "a deployment needs a hash, a name and files");
    to->hash = copy(op, d->hash, STORE_KEY_MAX, "the hash");
    to->name = copy(op, d->name, STORE_KEY_MAX, "the pipeline's name");
    to->content = copy_text(op, d->content, "the pipeline");
    to->by = copy(op, d->by, STORE_KEY_MAX, "the name of who deploys");
    to->program = copy(op, d->program, STORE_KEY_MAX, "the program's version");
    to->note = copy(op, d->note, STORE_NOTE_MAX, "the note");
    submit(s, op);
}

void store_deployments(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_DEPLOYMENTS, fn, ctx));
}

void store_deployment_get(struct store *s, int version, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DEPLOYMENT_GET, fn, ctx);
    op->in.version = version;
    submit(s, op);
}

void store_deployment_activate(struct store *s, int version, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_DEPLOYMENT_ACTIVATE, fn, ctx);
    op->in.version = version;
    submit(s, op);
}

void store_deployment_active(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_DEPLOYMENT_ACTIVE, fn, ctx));
}

/* ---- schedules ---- */

void store_schedule_save(struct store *s, const struct store_schedule *schedule, store_fn fn,
                         void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_SAVE, fn, ctx);
    struct store_schedule *to = &op->in.schedule;
    *to = *schedule;
    op_need(op, to->name != NULL && to->name[0] != '\0' && to->expr != NULL,
            "a schedule needs a name and an expression");
    op_need(op, (unsigned)to->missed < STORE_MISSED_MAX, "no such policy for missed firings");
    if (to->missed != STORE_MISSED_ALL)
        to->missed_max = 1;
    op_need(op, to->missed_max >= 1 && to->missed_max <= STORE_MISSED_LIMIT,
            "all may make up for 1 to 100 missed firings");
    to->name = copy(op, to->name, STORE_LABEL_MAX, "the schedule's name");
    to->expr = copy(op, to->expr, STORE_LABEL_MAX, "the expression");
    to->label = copy(op, to->label, STORE_LABEL_MAX, "the worker id");
    submit(s, op);
}

static void copy_schedule_filter(struct store_op *op, const struct store_schedule_filter *f)
{
    op->in.schedules = *f;
    op->in.schedules.name = copy(op, f->name, STORE_LABEL_MAX, "the schedule's name");
    op_need(op, f->limit >= 1 && f->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
}

void store_schedule_remove(struct store *s, const char *name, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_REMOVE, fn, ctx);
    copy_schedule_filter(op, &(struct store_schedule_filter){name, 0, 1});
    op_need(op, name != NULL, "which schedule?");
    submit(s, op);
}

void store_schedule_list(struct store *s, const struct store_schedule_filter *filter, store_fn fn,
                         void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_LIST, fn, ctx);
    copy_schedule_filter(op, filter);
    submit(s, op);
}

void store_schedule_due(struct store *s, size_t max, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_DUE, fn, ctx);
    op->in.plan.max = max;
    op_need(op, max >= 1 && max <= STORE_BATCH_MAX, "max must be 1 to 1000");
    submit(s, op);
}

static size_t copy_plan(struct store_op *op, struct store_plan *p)
{
    struct store_firing *firings = arena_array(&op->arena, p->n, sizeof *firings);
    for (size_t i = 0; i < p->n; i++) {
        firings[i] = p->firings[i];
        firings[i].note = copy_text(op, firings[i].note, "the note");
    }
    p->firings = firings;
    p->error = copy_text(op, p->error, "the error");
    return p->n;
}

void store_schedule_plan(struct store *s, const struct uuid *worker, const struct store_plan *plans,
                         size_t n, int64_t keep, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_PLAN, fn, ctx);
    size_t firings = 0;
    op->in.plan.worker = *worker;
    op->in.plan.keep = keep;
    op->in.plan.items = copy_items(op, plans, n, sizeof *plans);
    for (size_t i = 0; i < op->n; i++)
        firings += copy_plan(op, &op->in.plan.items[i]);
    op_need(op, firings <= STORE_BATCH_MAX, "too many firings at once");
    op_need(op, keep >= 1, "at least one run is kept");
    submit(s, op);
}

void store_schedule_boot(struct store *s, const struct uuid *worker, int64_t at_us, int64_t keep,
                         store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCHEDULE_BOOT, fn, ctx);
    op->in.plan.worker = *worker;
    op->in.plan.at_us = at_us;
    op_need(op, at_us > 0, "a start has a time");
    op->in.plan.keep = keep;
    op_need(op, keep >= 1, "at least one run is kept");
    submit(s, op);
}

void store_run_take(struct store *s, const struct uuid *worker, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_RUN_TAKE, fn, ctx);
    op->in.plan.worker = *worker;
    submit(s, op);
}

void store_run_end(struct store *s, const struct store_run_end *ends, size_t n, store_fn fn,
                   void *ctx)
{
    struct store_op *op = op_new(s, VERB_RUN_END, fn, ctx);
    op->in.ends = copy_items(op, ends, n, sizeof *ends);
    for (size_t i = 0; i < op->n; i++) {
        struct store_run_end *end = &op->in.ends[i];
        op_need(op, end->state > STORE_RUN_RUNNING && end->state < STORE_RUN_LOST,
                "a run ends succeeded, failed or skipped");
        end->message = copy_text(op, end->message, "the message");
    }
    submit(s, op);
}

void store_runs(struct store *s, const struct store_run_filter *filter, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_RUNS, fn, ctx);
    op->in.runs = *filter;
    op->in.runs.name = copy(op, filter->name, STORE_LABEL_MAX, "the schedule's name");
    op_need(op, filter->limit >= 1 && filter->limit <= STORE_BATCH_MAX, "limit must be 1 to 1000");
    submit(s, op);
}

/* ---- the whole ---- */

void store_stats(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_STATS, fn, ctx));
}

void store_workers(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_WORKERS, fn, ctx));
}

void store_scale_get(struct store *s, const struct uuid *worker, bool counted, store_fn fn,
                     void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCALE_GET, fn, ctx);
    op->in.scale_look.worker = *worker;
    op->in.scale_look.counted = counted;
    submit(s, op);
}

void store_sweep(struct store *s, const struct store_sweep *sweep, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SWEEP, fn, ctx);
    op->in.sweep = *sweep;
    op_need(op, sweep->look >= 1 && sweep->look <= STORE_BATCH_MAX, "look must be 1 to 1000");
    submit(s, op);
}

void store_erase(struct store *s, const struct store_erase *erase, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_ERASE, fn, ctx);
    op->in.erase = *erase;
    op_need(op, erase->look >= 1 && erase->look <= STORE_BATCH_MAX, "look must be 1 to 1000");
    op_need(op, !uuid_is_nil(&erase->user), "whose texts?");
    submit(s, op);
}

void store_scale(struct store *s, const struct store_scale_change *change, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_SCALE, fn, ctx);
    op->in.scale_change = *change;
    op_need(op, change->workers >= 0 && change->workers <= STORE_SCALE_MAX,
            "workers must be 1 to 1000");
    op_need(op, change->concurrency >= 0 && change->concurrency <= STORE_SCALE_MAX,
            "concurrency must be 1 to 1000");
    op_need(op, change->fallback >= 1 && change->fallback <= STORE_SCALE_MAX,
            "the usual concurrency must be 1 to 1000");
    submit(s, op);
}

void store_examine(struct store *s, store_fn fn, void *ctx)
{
    submit(s, op_new(s, VERB_EXAMINE, fn, ctx));
}

void store_migrate(struct store *s, unsigned flags, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_MIGRATE, fn, ctx);
    op->in.migrate = flags;
    submit(s, op);
}

void store_backup(struct store *s, const char *path, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, VERB_BACKUP, fn, ctx);
    op->in.path = copy_text(op, path, "the path");
    submit(s, op);
}

static void submit_setting(struct store *s, enum store_verb verb, const char *key,
                           const char *value, store_fn fn, void *ctx)
{
    struct store_op *op = op_new(s, verb, fn, ctx);
    op_need(op, key != NULL && key[0] != '\0', "a setting needs a key");
    op->in.setting.key = copy(op, key, STORE_KEY_MAX, "the setting's key");
    op->in.setting.value = copy_text(op, value, "the setting");
    submit(s, op);
}

void store_setting_set(struct store *s, const char *key, const char *value, store_fn fn, void *ctx)
{
    submit_setting(s, VERB_SETTING_SET, key, value, fn, ctx);
}

void store_setting_get(struct store *s, const char *key, store_fn fn, void *ctx)
{
    submit_setting(s, VERB_SETTING_GET, key, NULL, fn, ctx);
}
