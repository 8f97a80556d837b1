/* In: ops that only read. Out: their results, without waiting for what is being written: a thread
 * with a read-only connection of its own. A read begins after its op was handed in, so it sees all
 * that was answered before. */
#include "store/sqlite/sqlite.h"

#include <stdlib.h>

#define READS_MAX 32 /* ops in one transaction; they are answered together */

struct sqlite_reader {
    struct sqlite_store view; /* the store as the verbs see it here: with the reader's own db */
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* of the next three */
    pthread_cond_t wake;
    struct store_op *queue, **queue_end;
    bool stop;
};

/* Takes up to READS_MAX ops; NULL at the end. */
static struct store_op *wait_for_reads(struct sqlite_reader *r)
{
    pthread_mutex_lock(&r->mutex);
    while (r->queue == NULL && !r->stop)
        pthread_cond_wait(&r->wake, &r->mutex);
    struct store_op *ops = r->queue, **end = &r->queue;
    for (int n = 0; *end != NULL && n < READS_MAX; n++)
        end = &(*end)->next;
    struct store_op *left = *end;
    *end = NULL;
    if (ops != NULL)
        r->queue = left;
    if (r->queue == NULL)
        r->queue_end = &r->queue;
    pthread_mutex_unlock(&r->mutex);
    return ops;
}

static void *thread_main(void *ctx)
{
    struct sqlite_reader *r = ctx;
    struct store_op *ops;
    while ((ops = wait_for_reads(r)) != NULL) {
        sqlite_run_reads(&r->view, ops);
        sqlite_mailbox_put(r->view.mailbox, ops, false);
    }
    return NULL;
}

enum err sqlite_reader_start(const struct sqlite_store *s, struct sqlite_reader **ret_reader,
                             struct errmsg *msg)
{
    struct sqlite_reader *r = mem_alloc(sizeof *r);
    r->view = (struct sqlite_store){
        .base = s->base, .path = s->path, .schema = s->schema, .mailbox = s->mailbox};
    r->queue_end = &r->queue;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wake, NULL);
    enum err e = db_open_reader(s->path, &r->view.db, msg);
    if (e == OK && pthread_create(&r->thread, NULL, thread_main, r) != 0)
        e = err_set(msg, ERR_IO, "%s: no thread can be started to read with", s->path);
    r->running = e == OK;
    if (e != OK) {
        sqlite_reader_stop(r);
        return e;
    }
    *ret_reader = r;
    return OK;
}

void sqlite_reader_stop(struct sqlite_reader *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->mutex);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    if (r->running)
        pthread_join(r->thread, NULL);
    db_close(r->view.db, false);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

void sqlite_reader_submit(struct sqlite_reader *r, struct store_op *op)
{
    pthread_mutex_lock(&r->mutex);
    *r->queue_end = op;
    r->queue_end = &op->next;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
}
