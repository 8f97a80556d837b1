/* In: connections as libmicrohttpd tells of them. Out: each under a deadline of ours, for its own
 * stands still as long as bytes drip; and refusals written to the socket itself. */
#include "io/http_conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/http_head.h"

#define KEPT_IDLE_US (75 * USEC_PER_SEC) /* a kept connection between two requests */
#define REFUSED_US   (1 * USEC_PER_SEC)  /* to take the refusal and close */
#define REFUSAL_MAX  ((size_t)16 * 1024)

struct conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

/* ---- refusals ---- */

char *conn_refusal_body(const struct http_server *server, int status)
{
    if (server->config.refusal_body == NULL)
        return mem_strdup("{}");
    return server->config.refusal_body(server->ctx, status);
}

void conn_send_refusal(const struct conn *c, int status, const char *reason)
{
    http_headers headers = c->server->config.refusal_headers;
    char *body = conn_refusal_body(c->server, status);
    struct buf out = BUF_INIT(REFUSAL_MAX);
    buf_putf(&out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\n",
             status, reason);
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i += 2)
        buf_putf(&out, "%s: %s\r\n", headers[i], headers[i + 1]);
    buf_putf(&out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    (void)send(c->fd, buf_str(&out), out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_free(&out);
    free(body);
}

/* ---- deadlines ---- */

static void on_deadline(void *ctx)
{
    struct conn *c = ctx;
    if (c->phase == CONN_RECEIVING)
        conn_send_refusal(c, 408, "Request Timeout");
    (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes it */
}

void conn_set_deadline(struct conn *c, enum conn_phase phase, int64_t us)
{
    c->phase = phase;
    timer_set(c->server->loop, &c->deadline, loop_now(c->server->loop) + us, on_deadline, c);
}

static void receive(struct conn *c)
{
    loop_watch_set(c->next_request, 0);
    conn_set_deadline(c, CONN_RECEIVING, c->server->config.header_timeout_us);
}

static void on_first_byte(void *ctx, unsigned events)
{
    (void)events;
    receive(ctx);
}

void conn_rest(struct conn *c)
{
    if (c->next_request == NULL)
        c->next_request = loop_watch(c->server->loop, c->fd, 0, on_first_byte, c);
    loop_watch_set(c->next_request, LOOP_READ);
    conn_set_deadline(c, CONN_KEPT, KEPT_IDLE_US);
}

/* ---- coming and going ---- */

/* With time to read why, unless others wait for its place to hear the same. */
static void turn_away(struct conn *c)
{
    struct http_server *server = c->server;
    conn_set_deadline(c, CONN_REFUSED, REFUSED_US);
    conn_send_refusal(c, 503, "Service Unavailable");
    (void)shutdown(c->fd, SHUT_WR);
    if (server->open >= server->config.max_connections + HTTP_SERVER_SPARE)
        (void)shutdown(server->refused->fd, SHUT_RDWR);
}

void conn_notify(void *ctx, struct MHD_Connection *mhd, void **conn_ctx,
                 enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = ctx;
    struct conn *c = *conn_ctx;
    if (what != MHD_CONNECTION_NOTIFY_STARTED) {
        timer_stop(server->loop, &c->deadline);
        loop_unwatch(c->next_request);
        DL_DELETE(*c->list, c);
        free(c);
        server->open--;
        /* libmicrohttpd without a free place does not watch the listening socket, and looks at it
         * again in its next run, which nothing else may bring about. */
        loop_defer(server->loop, &server->run);
        return;
    }
    c = mem_alloc(sizeof(*c));
    c->server = server;
    c->mhd = mhd;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *conn_ctx = c;
    bool full = ++server->open > server->config.max_connections;
    c->list = full ? &server->refused : &server->conns;
    DL_APPEND(*c->list, c);
    if (full)
        turn_away(c);
    else
        conn_set_deadline(c, CONN_RECEIVING, server->config.header_timeout_us);
}

/* The request line of a kept connection's next request has come; with the request before, if its
 * first byte was not noticed. */
void *conn_request_line(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);
    (void)ctx;
    c->ends_early = strstr(uri, "%00") != NULL;
    if (c->phase == CONN_KEPT)
        receive(c);
    return NULL;
}

/* ---- a Content-Length that is no number ---- */

static int length_refusal(const struct conn *c)
{
    if (c->phase != CONN_RECEIVING)
        return 0;
    const char *length = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Length");
    return length == NULL ? 0 : head_length_refusal(length);
}

/* libmicrohttpd 0.9.75 answers it without asking us, and by mistake twice on one connection. Before
 * that it writes to its log, when the headers are read: so we answer, and it finds the socket shut.
 * Whose line it is the log does not say. */
void conn_log(void *ctx, const char *format, va_list args)
{
    struct http_server *server = ctx;
    struct conn *c;
    (void)args;
    if (strstr(format, "Content-Length") == NULL)
        return;
    DL_FOREACH (server->conns, c) {
        int status = length_refusal(c);
        if (status == 0)
            continue;
        conn_send_refusal(c, status, status == 413 ? "Content Too Large" : "Bad Request");
        (void)shutdown(c->fd, SHUT_RDWR);
        conn_set_deadline(c, CONN_REFUSED, REFUSED_US);
    }
}
