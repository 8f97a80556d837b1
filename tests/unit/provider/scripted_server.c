/* In: connections and a script. Out: the script's bytes on each of them. */
#include "scripted_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"

#define STEPS_MAX   64
#define REQUEST_MAX ((size_t)1 << 20)

enum step_kind { STEP_SEND, STEP_DRIP, STEP_PAUSE, STEP_FIN, STEP_RST };

struct step {
    enum step_kind kind;
    char *text;
    size_t n;
    int64_t us;
};

struct connection {
    struct scripted_server *server;
    struct connection *prev, *next;
    int fd;
    struct loop_watch *watch;
    struct loop_timer timer;
    struct buf in;
    bool playing;
    size_t step, sent;
};

struct scripted_server {
    struct loop *loop;
    int fd, requests;
    struct loop_watch *watch;
    char url[64];
    struct step steps[STEPS_MAX];
    size_t n_steps;
    struct connection *connections;
    char *request;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void connection_close(struct connection *c, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    timer_stop(c->server->loop, &c->timer);
    loop_unwatch(c->watch);
    if (reset)
        must(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    close(c->fd);
    DL_DELETE(c->server->connections, c);
    buf_free(&c->in);
    free(c);
}

static void play(void *ctx);

static void play_in(struct connection *c, int64_t us)
{
    timer_set(c->server->loop, &c->timer, loop_now(c->server->loop) + us, play, c);
}

/* False when the connection has gone or must wait. */
static bool play_send(struct connection *c, const struct step *step)
{
    size_t left = step->n - c->sent;
    size_t n = step->kind == STEP_DRIP && left > 1 ? 1 : left;
    ssize_t wrote = send(c->fd, step->text + c->sent, n, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EAGAIN) {
        loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
        return false;
    }
    if (wrote < 0) {
        connection_close(c, false);
        return false;
    }
    c->sent += (size_t)wrote;
    if (c->sent == step->n) {
        c->step++;
        c->sent = 0;
    }
    if (step->kind == STEP_DRIP)
        play_in(c, step->us);
    return step->kind != STEP_DRIP;
}

static void play(void *ctx)
{
    struct connection *c = ctx;
    while (c->step < c->server->n_steps) {
        const struct step *step = &c->server->steps[c->step];
        if (step->kind == STEP_FIN || step->kind == STEP_RST) {
            connection_close(c, step->kind == STEP_RST);
            return;
        }
        if (step->kind == STEP_PAUSE) {
            c->step++;
            play_in(c, step->us);
            return;
        }
        if (!play_send(c, step))
            return;
    }
    c->playing = false;
}

/* The whole head, and as much body as it announces. */
static bool request_is_whole(const struct buf *in)
{
    const char *end = strstr(buf_str(in), "\r\n\r\n");
    const char *length = strcasestr(buf_str(in), "content-length:");
    if (end == NULL)
        return false;
    size_t head = (size_t)(end - in->data) + 4;
    size_t body = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
    return in->len >= head + body;
}

static void on_connection(void *ctx, unsigned events)
{
    struct connection *c = ctx;
    char bytes[16384];
    if ((events & LOOP_WRITE) != 0) {
        loop_watch_set(c->watch, LOOP_READ);
        play(c);
        return;
    }
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        connection_close(c, false);
        return;
    }
    must(buf_add(&c->in, bytes, (size_t)n) == OK);
    if (c->playing || !request_is_whole(&c->in))
        return;
    c->server->requests++;
    free(c->server->request);
    c->server->request = buf_take(&c->in);
    c->playing = true;
    c->step = 0;
    play(c);
}

static void on_accept(void *ctx, unsigned events)
{
    struct scripted_server *s = ctx;
    int one = 1;
    (void)events;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct connection *c = mem_alloc(sizeof(*c));
    c->server = s;
    c->fd = fd;
    c->in = BUF_INIT(REQUEST_MAX);
    c->watch = loop_watch(s->loop, fd, LOOP_READ, on_connection, c);
    DL_APPEND(s->connections, c);
}

struct scripted_server *scripted_server_new(struct loop *loop)
{
    struct scripted_server *s = mem_alloc(sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    s->loop = loop;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&address, size) == 0 &&
         listen(s->fd, 16) == 0 && getsockname(s->fd, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u",
                   (unsigned)ntohs(address.sin_port));
    s->watch = loop_watch(loop, s->fd, LOOP_READ, on_accept, s);
    return s;
}

void scripted_server_free(struct scripted_server *s)
{
    if (s == NULL)
        return;
    while (s->connections != NULL)
        connection_close(s->connections, false);
    loop_unwatch(s->watch);
    close(s->fd);
    for (size_t i = 0; i < s->n_steps; i++)
        free(s->steps[i].text);
    free(s->request);
    free(s);
}

const char *scripted_server_url(const struct scripted_server *s)
{
    return s->url;
}

const char *scripted_server_request(const struct scripted_server *s)
{
    return s->request != NULL ? s->request : "";
}

int scripted_server_requests(const struct scripted_server *s)
{
    return s->requests;
}

static void add_step(struct scripted_server *s, enum step_kind kind, const char *text, int64_t us)
{
    must(s->n_steps < STEPS_MAX);
    s->steps[s->n_steps++] = (struct step){
        .kind = kind, .text = mem_strdup(text), .n = text != NULL ? strlen(text) : 0, .us = us};
}

void scripted_send(struct scripted_server *s, const char *text)
{
    add_step(s, STEP_SEND, text, 0);
}

void scripted_drip(struct scripted_server *s, const char *text, int64_t gap_us)
{
    add_step(s, STEP_DRIP, text, gap_us);
}

void scripted_pause(struct scripted_server *s, int64_t us)
{
    add_step(s, STEP_PAUSE, NULL, us);
}

void scripted_fin(struct scripted_server *s)
{
    add_step(s, STEP_FIN, NULL, 0);
}

void scripted_rst(struct scripted_server *s)
{
    add_step(s, STEP_RST, NULL, 0);
}
