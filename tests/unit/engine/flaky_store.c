/* In: ops. Out: the same ops, some of them failed or late. */
#include "flaky_store.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"

const struct verbs no_verbs;

struct verbs verbs_of(const enum store_verb *verbs, size_t n)
{
    struct verbs set = no_verbs;
    for (size_t i = 0; i < n; i++)
        set.has[verbs[i]] = true;
    return set;
}

static void give_back(void *ctx)
{
    struct flaky_store *f = ctx;
    while (f->failed != NULL) {
        struct store_op *op = f->failed;
        LL_DELETE(f->failed, op);
        store_op_fail(op, f->error, "injected: %s", err_name(f->error));
        store_op_done(&f->base, op);
    }
}

static void submit(struct store *s, struct store_op *op)
{
    struct flaky_store *f = (struct flaky_store *)s;
    f->asked[op->verb]++;
    if (f->fail.has[op->verb]) {
        f->failures++;
        LL_APPEND(f->failed, op);
        loop_post(s->loop, &f->task);
    } else if (f->hold.has[op->verb]) {
        f->held++;
        LL_APPEND(f->waiting, op);
    } else {
        f->inner->driver->submit(f->inner, op);
    }
}

void flaky_let_go(struct flaky_store *f)
{
    f->hold = no_verbs;
    f->held = 0;
    while (f->waiting != NULL) {
        struct store_op *op = f->waiting;
        LL_DELETE(f->waiting, op);
        op->next = NULL;
        f->inner->driver->submit(f->inner, op);
    }
}

void flaky_fail_held(struct flaky_store *f)
{
    f->hold = no_verbs;
    f->held = 0;
    LL_CONCAT(f->failed, f->waiting);
    f->waiting = NULL;
    loop_post(f->base.loop, &f->task);
}

static void on_change(void *ctx)
{
    store_changed(ctx);
}

static void watch(struct store *s, bool on)
{
    struct flaky_store *f = (struct flaky_store *)s;
    store_on_change(f->inner, on ? on_change : NULL, s);
}

static void free_flaky(struct store *s)
{
    struct flaky_store *f = (struct flaky_store *)s;
    flaky_let_go(f);
    give_back(f);
    store_free(f->inner);
    give_back(f);
    loop_cancel(s->loop, &f->task);
    free(f);
}

struct flaky_store *flaky_store_new(struct loop *loop, struct store *inner)
{
    static const struct store_driver driver = {submit, watch, free_flaky};
    struct flaky_store *f = mem_alloc(sizeof *f);
    f->base = (struct store){.driver = &driver, .loop = loop};
    f->inner = inner;
    f->error = ERR_FULL;
    f->task = (struct loop_task){.fn = give_back, .ctx = f};
    return f;
}
