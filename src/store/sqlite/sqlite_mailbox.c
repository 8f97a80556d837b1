/* In: ops that a thread of the store has finished. Out: the same ops, given back on the loop. */
#include "store/sqlite/sqlite.h"

#include <stdlib.h>

struct sqlite_mailbox {
    struct loop_task task;
    struct sqlite_store *store;
    pthread_mutex_t mutex;
    struct store_op *done, **done_end;
    bool changed;
};

static void deliver(void *ctx)
{
    struct sqlite_mailbox *m = ctx;
    pthread_mutex_lock(&m->mutex);
    struct store_op *op = m->done;
    bool changed = m->changed;
    m->done = NULL;
    m->done_end = &m->done;
    m->changed = false;
    pthread_mutex_unlock(&m->mutex);
    while (op != NULL) {
        struct store_op *next = op->next;
        store_op_done(&m->store->base, op);
        op = next;
    }
    if (changed)
        store_changed(&m->store->base);
}

struct sqlite_mailbox *sqlite_mailbox_new(struct sqlite_store *s)
{
    struct sqlite_mailbox *m = mem_alloc(sizeof *m);
    *m = (struct sqlite_mailbox){.store = s, .done_end = &m->done};
    m->task = (struct loop_task){.fn = deliver, .ctx = m};
    pthread_mutex_init(&m->mutex, NULL);
    return m;
}

void sqlite_mailbox_put(struct sqlite_mailbox *m, struct store_op *ops, bool changed)
{
    pthread_mutex_lock(&m->mutex);
    *m->done_end = ops;
    while (*m->done_end != NULL)
        m->done_end = &(*m->done_end)->next;
    m->changed |= changed;
    pthread_mutex_unlock(&m->mutex);
    loop_post(m->store->base.loop, &m->task);
}

void sqlite_mailbox_close(struct sqlite_mailbox *m)
{
    struct loop *loop = m->store->base.loop;
    /* A callback may still ask for something: submit() answers it that the store is closed. */
    loop_cancel(loop, &m->task);
    while (m->done != NULL)
        deliver(m);
    loop_cancel(loop, &m->task);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}
