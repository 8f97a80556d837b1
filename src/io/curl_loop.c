/* In: what libcurl wants to wait for. Out: its multi interface on our loop, with the one change
 * that makes thousands of streams cheap: a socket that was read rests until the next tick and is
 * then read without asking, so that one system call takes several events and no poll is needed. */
#include "io/curl_loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define IDLE_CONNECTION_S 30L /* a kept connection older than this is closed, not reused */
#define READS_AT_ONCE     16  /* full reads of one socket before others get their turn */

struct sock {
    struct curl_loop *cl;
    int fd;
    unsigned want;            /* what libcurl waits for; 0 = the socket is not watched */
    struct loop_watch *watch; /* NULL when not watched */
    struct curl_transfer *transfer;
    struct loop_timer rest;
};

struct curl_loop {
    struct loop *loop;
    CURLM *multi;
    curl_done_fn on_done;
    void *ctx;
    struct loop_timer timer;
    struct sock **socks; /* by descriptor; an entry is reused, never freed before the end */
    size_t sock_count;
    uint64_t connects;
};

static struct sock *sock_of(struct curl_loop *cl, int fd)
{
    size_t i = (size_t)fd;
    if (i >= cl->sock_count) {
        size_t count = (i + 1) * 2;
        cl->socks = mem_resize(cl->socks, count * sizeof(struct sock *));
        for (size_t k = cl->sock_count; k < count; k++)
            cl->socks[k] = NULL;
        cl->sock_count = count;
    }
    if (cl->socks[i] == NULL) {
        cl->socks[i] = mem_alloc(sizeof(struct sock));
        cl->socks[i]->cl = cl;
        cl->socks[i]->fd = fd;
    }
    return cl->socks[i];
}

static void sock_forget(struct sock *s)
{
    loop_unwatch(s->watch);
    timer_stop(s->cl->loop, &s->rest);
    s->watch = NULL;
    s->want = 0;
    s->transfer = NULL;
}

static void tell_done(struct curl_loop *cl)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(cl->multi, &left)) != NULL) {
        CURLcode result = m->data.result;
        struct curl_transfer *t = NULL;
        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t != NULL)
            cl->on_done(cl->ctx, t, result);
    }
}

static void act(struct curl_loop *cl, curl_socket_t fd, int events)
{
    int running;
    (void)curl_multi_socket_action(cl->multi, fd, events, &running);
}

/* Only a socket that nothing but a streamed answer waits for may rest. */
static bool may_rest(const struct sock *s, const struct curl_transfer *t)
{
    return t != NULL && s->transfer == t && s->want == LOOP_READ && t->streaming &&
           t->read_tick_us > 0;
}

static void on_tick(void *ctx);

/* At least half a tick: a tick that is about to come would bring nothing. */
static void rest(struct sock *s)
{
    int64_t tick_us = s->transfer->read_tick_us;
    int64_t next_us = ((loop_now(s->cl->loop) + tick_us / 2) / tick_us + 1) * tick_us;
    loop_watch_set(s->watch, 0);
    timer_set(s->cl->loop, &s->rest, next_us, on_tick, s);
}

/* Reads until a read was not full. Who sends that much is in bulk and not paced: its socket stays
 * watched, because a resting one would fill up and hold its sender. A transfer ends only through
 * tell_done() and its memory outlives this call. */
static void read_stream(struct sock *s)
{
    struct curl_transfer *t = s->transfer;
    bool full = true;
    size_t got = 0;
    for (int i = 0; full && i < READS_AT_ONCE; i++) {
        t->got = 0;
        act(s->cl, s->fd, CURL_CSELECT_IN);
        full = t->got >= CURL_READ_BUFFER && may_rest(s, t);
        got += t->got;
    }
    if (may_rest(s, t)) {
        if (got > 0 && got < CURL_READ_BUFFER)
            rest(s);
        else
            loop_watch_set(s->watch, s->want);
    }
    tell_done(s->cl);
}

static void on_tick(void *ctx)
{
    struct sock *s = ctx;
    if (may_rest(s, s->transfer))
        read_stream(s);
    else if (s->watch != NULL)
        loop_watch_set(s->watch, s->want);
}

static void on_ready(void *ctx, unsigned events)
{
    struct sock *s = ctx;
    struct curl_transfer *t = s->transfer;
    if (may_rest(s, t)) {
        read_stream(s);
        return;
    }
    act(s->cl, s->fd,
        ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
    if (may_rest(s, t)) /* the body began in this read */
        rest(s);
    tell_done(s->cl);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock_ctx)
{
    struct curl_loop *cl = ctx;
    struct sock *s = sock_of(cl, fd);
    (void)sock_ctx;
    if (what == CURL_POLL_REMOVE) {
        sock_forget(s);
        return 0;
    }
    s->want = (what & CURL_POLL_IN ? (unsigned)LOOP_READ : 0) |
              (what & CURL_POLL_OUT ? (unsigned)LOOP_WRITE : 0);
    s->transfer = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &s->transfer);
    timer_stop(cl->loop, &s->rest);
    if (s->watch == NULL)
        s->watch = loop_watch(cl->loop, fd, s->want, on_ready, s);
    else
        loop_watch_set(s->watch, s->want);
    return 0;
}

/* libcurl may close a socket it never said goodbye to; the watch has to go first. */
static int on_close(void *ctx, curl_socket_t fd)
{
    sock_forget(sock_of(ctx, fd));
    return close(fd);
}

static int on_open(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    struct curl_loop *cl = ctx;
    (void)fd;
    (void)purpose;
    cl->connects++;
    return CURL_SOCKOPT_OK;
}

static void on_timer(void *ctx)
{
    struct curl_loop *cl = ctx;
    act(cl, CURL_SOCKET_TIMEOUT, 0);
    tell_done(cl);
}

/* A timeout of 0 means soon: libcurl must not be entered from its own callback. */
static int on_timeout(CURLM *multi, long ms, void *ctx)
{
    struct curl_loop *cl = ctx;
    (void)multi;
    if (ms < 0)
        timer_stop(cl->loop, &cl->timer);
    else
        timer_set(cl->loop, &cl->timer, loop_now(cl->loop) + ms * USEC_PER_MSEC, on_timer, cl);
    return 0;
}

enum err curl_loop_new(struct loop *loop, size_t max_connections, curl_done_fn on_done, void *ctx,
                       struct curl_loop **ret_cl)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_UNSUPPORTED;
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_global_cleanup();
        return ERR_IO;
    }
    struct curl_loop *cl = mem_alloc(sizeof(*cl));
    *cl = (struct curl_loop){.loop = loop, .multi = multi, .on_done = on_done, .ctx = ctx};
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, cl);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, cl);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)max_connections);
    *ret_cl = cl;
    return OK;
}

void curl_loop_free(struct curl_loop *cl)
{
    if (cl == NULL)
        return;
    (void)curl_multi_cleanup(cl->multi); /* closes what is kept, through on_close() */
    timer_stop(cl->loop, &cl->timer);
    for (size_t i = 0; i < cl->sock_count; i++) {
        if (cl->socks[i] != NULL)
            sock_forget(cl->socks[i]);
        free(cl->socks[i]);
    }
    free(cl->socks);
    free(cl);
    curl_global_cleanup();
}

enum err curl_loop_add(struct curl_loop *cl, struct curl_transfer *t)
{
    CURL *e = t->easy;
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, cl);
    (void)curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_open);
    (void)curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, cl);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)CURL_READ_BUFFER);
    (void)curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
    return curl_multi_add_handle(cl->multi, e) == CURLM_OK ? OK : ERR_IO;
}

void curl_loop_remove(struct curl_loop *cl, struct curl_transfer *t)
{
    (void)curl_multi_remove_handle(cl->multi, t->easy);
}

uint64_t curl_loop_connects(const struct curl_loop *cl)
{
    return cl->connects;
}
