/* In: a store, and ops of its verbs. Out: their inputs copied, checked and handed to the driver;
 * their results given back. */
#include "store/store_op.h"

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
    case VERB_SHOW:
    case VERB_LIST:
    case VERB_LIVE:
    case VERB_CHECK:
    case VERB_STEPS:
    case VERB_FOLLOW:
    case VERB_STATS:
    case VERB_PLACES:
    case VERB_WORKERS:
    case VERB_SETTING_GET:
    case VERB_READY:
    case VERB_INVOCATIONS:
    case VERB_LOG:
    case VERB_SCALE_GET:
    case VERB_EXAMINE:
    case VERB_DEPLOYMENTS:
    case VERB_DEPLOYMENT_GET:
    case VERB_DEPLOYMENT_ACTIVE:
    case VERB_SCHEDULE_LIST:
    case VERB_SCHEDULE_LIST_SQL:
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

/* ---- for the verbs ---- */

struct store_op *store_op_new(struct store *s, enum store_verb verb, store_fn fn, void *ctx)
{
    struct store_op *op = mem_alloc(sizeof *op);
    op->verb = verb;
    op->fn = fn;
    op->ctx = ctx;
    op->now_us = loop_wall(s->loop);
    op->asked_us = loop_now(s->loop);
    return op;
}

void store_op_submit(struct store *s, struct store_op *op)
{
    s->driver->submit(s, op);
}

/* A bounded copy. NULL stays NULL. */
const char *store_op_copy(struct store_op *op, const char *text, size_t max, const char *what)
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

const char *store_op_copy_text(struct store_op *op, const char *text, const char *what)
{
    return store_op_copy(op, text, STORE_TEXT_MAX, what);
}

/* Room for n items; an impossible n fails the op and leaves it without items. */
void *store_op_copy_items(struct store_op *op, const void *from, size_t n, size_t size)
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

void store_op_need(struct store_op *op, bool condition, const char *message)
{
    if (!condition)
        store_op_fail(op, ERR_INVALID, "%s", message);
}

void store_op_submit_id(struct store *s, enum store_verb verb, const struct uuid *id, store_fn fn,
                        void *ctx)
{
    struct store_op *op = store_op_new(s, verb, fn, ctx);
    if (id != NULL)
        op->in.id = *id;
    store_op_submit(s, op);
}
