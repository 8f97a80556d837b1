/* In: ops. Out: the test's answers to them. */
#include "stub_store.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"

static void answer_all(void *ctx)
{
    struct stub_store *s = ctx;
    struct store_op *op = s->waiting, *next;
    s->waiting = NULL;
    for (; op != NULL; op = next) {
        next = op->next;
        s->answer(s, op);
        store_op_done(&s->base, op);
    }
}

static void submit(struct store *store, struct store_op *op)
{
    struct stub_store *s = (struct stub_store *)store;
    s->asked[op->verb]++;
    op->next = NULL;
    LL_APPEND(s->waiting, op);
    loop_post(store->loop, &s->task);
}

static void watch(struct store *store, bool on)
{
    (void)store;
    (void)on;
}

struct stub_store *stub_store_new(struct loop *loop,
                                  void (*answer)(struct stub_store *s, struct store_op *op),
                                  void *ctx)
{
    static const struct store_driver driver = {submit, watch, NULL};
    struct stub_store *s = mem_alloc(sizeof *s);
    s->base = (struct store){.driver = &driver, .loop = loop};
    s->answer = answer;
    s->ctx = ctx;
    s->task = (struct loop_task){.fn = answer_all, .ctx = s};
    return s;
}

void stub_store_free(struct stub_store *s)
{
    answer_all(s);
    loop_cancel(s->base.loop, &s->task);
    free(s);
}
