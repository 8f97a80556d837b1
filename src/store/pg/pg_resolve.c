/* In: host names. Out: their addresses, found on a thread of their own. */
#include "store/pg/pg_resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

struct pg_resolve {
    struct loop *loop;
    struct loop_task task;
    pg_resolve_fn fn;
    void *ctx;
    struct pg_names names;
    struct pg_addresses found; /* the thread's, until it has posted */
    pthread_mutex_t mutex;     /* of the next two */
    bool posted, abandoned;
};

static void destroy(struct pg_resolve *r)
{
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static void deliver(void *ctx)
{
    struct pg_resolve *r = ctx;
    pthread_mutex_lock(&r->mutex); /* the thread has let go of it */
    pthread_mutex_unlock(&r->mutex);
    r->fn(r->ctx, &r->found);
    destroy(r);
}

static bool seen(const struct pg_addresses *found, size_t host, const char *text)
{
    for (size_t i = 0; i < found->n[host]; i++) {
        if (strcmp(found->text[host][i], text) == 0)
            return true;
    }
    return false;
}

static void look_up(struct pg_resolve *r, size_t host)
{
    struct pg_addresses *found = &r->found;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(r->names.items[host].name, NULL, &hints, &list);
    if (rc != 0) {
        if (found->error == 0)
            found->error = rc;
        return;
    }
    for (struct addrinfo *a = list; a != NULL && found->n[host] < PG_ADDRESS_MAX; a = a->ai_next) {
        char *text = found->text[host][found->n[host]];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof found->text[0][0], NULL, 0,
                        NI_NUMERICHOST) == 0 &&
            !seen(found, host, text))
            found->n[host]++;
    }
    freeaddrinfo(list);
}

static void *thread_main(void *ctx)
{
    struct pg_resolve *r = ctx;
    for (size_t i = 0; i < r->names.n; i++) {
        if (!r->names.items[i].as_is)
            look_up(r, i);
    }
    pthread_mutex_lock(&r->mutex);
    bool abandoned = r->abandoned;
    if (!abandoned) {
        r->posted = true;
        loop_post(r->loop, &r->task);
    }
    pthread_mutex_unlock(&r->mutex);
    if (abandoned)
        destroy(r);
    return NULL;
}

struct pg_resolve *pg_resolve_start(struct loop *loop, const struct pg_names *names,
                                    pg_resolve_fn fn, void *ctx)
{
    struct pg_resolve *r = mem_alloc(sizeof *r);
    *r = (struct pg_resolve){.loop = loop, .fn = fn, .ctx = ctx, .names = *names};
    r->task = (struct loop_task){.fn = deliver, .ctx = r};
    pthread_mutex_init(&r->mutex, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    int rc = pthread_create(&thread, &attr, thread_main, r);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return r;
    destroy(r);
    return NULL;
}

void pg_resolve_cancel(struct pg_resolve *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->mutex);
    bool posted = r->posted;
    r->abandoned = true; /* a thread that still looks frees it */
    pthread_mutex_unlock(&r->mutex);
    if (posted) {
        loop_cancel(r->loop, &r->task);
        destroy(r);
    }
}
