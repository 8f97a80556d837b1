/* In: connections as libmicrohttpd tells of them. Out: each under a deadline of ours, for its own
 * stands still as long as bytes drip; and refusals written to the socket itself. */
#include "io/http_conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

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

void conn_rest(struct conn *c)
{
    conn_set_deadline(c, CONN_KEPT, KEPT_IDLE_US);
}

/* ---- coming and going ---- */

void conn_notify(void *ctx, struct MHD_Connection *mhd, void **conn_ctx,
                 enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = ctx;
    struct conn *c = *conn_ctx;
    if (what != MHD_CONNECTION_NOTIFY_STARTED) {
        timer_stop(server->loop, &c->deadline);
        free(c);
        server->open--;
        /* libmicrohttpd without a free place does not watch the listening socket, and looks at it
         * again in its next run, which nothing else may bring about. */
        loop_defer(server->loop, &server->run);
        return;
    }
    c = mem_alloc(sizeof(*c));
    c->server = server;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *conn_ctx = c;
    if (++server->open > server->config.max_connections) {
        conn_set_deadline(c, CONN_REFUSED, REFUSED_US);
        conn_send_refusal(c, 503, "Service Unavailable");
        (void)shutdown(c->fd, SHUT_WR);
    } else {
        conn_set_deadline(c, CONN_RECEIVING, server->config.header_timeout_us);
    }
}

/* The request line of a kept connection's next request has come. */
void *conn_request_line(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);
    (void)ctx;
    (void)uri;
    if (c->phase == CONN_KEPT)
        conn_set_deadline(c, CONN_RECEIVING, c->server->config.header_timeout_us);
    return NULL;
}
