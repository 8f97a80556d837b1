/* In: connections. Out: whole requests to the handler, each connection under our own deadlines and
 * limits. libmicrohttpd runs once at the end of a turn, whatever happened in it. */
#include "io/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_exchange.h"

#define MAX_BODY_DEFAULT        (1u << 20)
#define MAX_HEADERS_DEFAULT     ((size_t)16 * 1024)
#define HEADER_TIMEOUT_DEFAULT  (10 * USEC_PER_SEC)
#define MAX_CONNECTIONS_DEFAULT 1024u
#define MAX_UNSENT_DEFAULT      (1u << 20)

#define KEPT_IDLE_US            (75 * USEC_PER_SEC) /* a kept connection between two requests */
#define REFUSED_US              (1 * USEC_PER_SEC)  /* to take the refusal and close */
#define CUT_US                  (1 * USEC_PER_SEC)  /* to take what was written before the cut */
#define ANSWER_TIMES            6 /* header timeouts to take a finished answer in */
#define GONE_CHECK_US           (500 * USEC_PER_MSEC)
#define SWALLOW_MAX             (32u << 20) /* of a refused body, so that its sender can read the refusal */
#define SPARE                   64u         /* connections past the maximum that hear "503" */
#define RUNS_PER_TURN           4
#define BACKLOG                 1024
#define POOL_FOR(limit)         (2 * (limit) + (size_t)8 * 1024) /* libmicrohttpd memory per connection */

enum conn_phase {
    CONN_KEPT,      /* between two requests */
    CONN_RECEIVING, /* a request is on its way */
    CONN_ANSWERING,
    CONN_REFUSED, /* past the maximum */
};

struct conn {
    struct http_server *server;
    int fd;
    enum conn_phase phase;
    struct loop_timer deadline;
};

struct http_server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct http_server_config config;
    http_handler_fn handler;
    void *ctx;
    int listener; /* -1 once closed */
    uint16_t port;
    unsigned open;
    bool closing;
    struct loop_watch *watch;
    struct loop_task run;
    struct loop_timer run_timer, gone_timer;
    struct http_exchange *suspended, *resuming; /* lists by place; the rest is libmicrohttpd's */
};

static struct conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

/* ---- refusals ---- */

static char *refusal_body(const struct http_server *server, int status)
{
    if (server->config.refusal_body == NULL)
        return mem_strdup("{}");
    return server->config.refusal_body(server->ctx, status);
}

/* A refusal where libmicrohttpd takes no response: before the request is whole. */
static void send_refusal(const struct conn *c, int status, const char *reason)
{
    char *body = refusal_body(c->server, status);
    char *text = mem_printf("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                            "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                            status, reason, strlen(body), body);
    (void)send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
    free(body);
}

static void refuse(struct http_exchange *x, int status)
{
    char *body = refusal_body(x->server, status);
    exchange_refuse(x, status, body);
    free(body);
}

/* ---- deadlines ---- */

static void on_deadline(void *ctx)
{
    struct conn *c = ctx;
    if (c->phase == CONN_RECEIVING)
        send_refusal(c, 408, "Request Timeout");
    (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes it */
}

static void set_deadline(struct conn *c, enum conn_phase phase, int64_t us)
{
    c->phase = phase;
    timer_set(c->server->loop, &c->deadline, loop_now(c->server->loop) + us, on_deadline, c);
}

/* ---- places ---- */

static void run_soon(struct http_server *server)
{
    loop_defer(server->loop, &server->run);
}

static void leave_list(struct http_exchange *x)
{
    if (x->place == PLACE_SUSPENDED)
        DL_DELETE(x->server->suspended, x);
    else if (x->place == PLACE_RESUMING)
        DL_DELETE(x->server->resuming, x);
    x->place = PLACE_ACTIVE;
}

static void check_gone(void *ctx);

void server_suspend(struct http_server *server, struct http_exchange *x)
{
    MHD_suspend_connection(x->mhd);
    x->place = PLACE_SUSPENDED;
    DL_APPEND(server->suspended, x);
    if (!timer_is_set(&server->gone_timer))
        timer_set(server->loop, &server->gone_timer, loop_now(server->loop) + GONE_CHECK_US,
                  check_gone, server);
}

void server_wake(struct http_server *server, struct http_exchange *x)
{
    if (x->cut)
        set_deadline(conn_of(x->mhd), CONN_ANSWERING, CUT_US);
    else if (x->ended)
        set_deadline(conn_of(x->mhd), CONN_ANSWERING,
                     ANSWER_TIMES * server->config.header_timeout_us);
    if (x->place != PLACE_SUSPENDED)
        return;
    leave_list(x);
    x->place = PLACE_RESUMING;
    DL_APPEND(server->resuming, x);
    run_soon(server);
}

/* libmicrohttpd does not look at suspended connections, so we do. */
static void check_gone(void *ctx)
{
    struct http_server *server = ctx;
    struct http_exchange *x, *next;
    nfds_t count = 0, i = 0;
    DL_COUNT(server->suspended, x, count);
    if (count == 0)
        return;
    struct pollfd *fds = mem_array(count, sizeof(*fds));
    DL_FOREACH (server->suspended, x)
        fds[i++] = (struct pollfd){.fd = x->fd, .events = POLLRDHUP};
    if (poll(fds, count, 0) > 0) {
        i = 0;
        DL_FOREACH_SAFE (server->suspended, x, next) {
            if (fds[i++].revents != 0) {
                buf_clear(&x->out);
                http_cut(x);
            }
        }
    }
    free(fds);
    timer_set(server->loop, &server->gone_timer, loop_now(server->loop) + GONE_CHECK_US, check_gone,
              server);
}

/* ---- libmicrohttpd's callbacks ---- */

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **conn_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = ctx;
    struct conn *c = *conn_ctx;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = mem_alloc(sizeof(*c));
        c->server = server;
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *conn_ctx = c;
        if (++server->open > server->config.max_connections) {
            set_deadline(c, CONN_REFUSED, REFUSED_US);
            send_refusal(c, 503, "Service Unavailable");
            (void)shutdown(c->fd, SHUT_WR);
        } else {
            set_deadline(c, CONN_RECEIVING, server->config.header_timeout_us);
        }
        return;
    }
    timer_stop(server->loop, &c->deadline);
    free(c);
    server->open--;
}

/* The request line of a kept connection's next request has come. */
static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);
    (void)ctx;
    (void)uri;
    if (c->phase == CONN_KEPT)
        set_deadline(c, CONN_RECEIVING, c->server->config.header_timeout_us);
    return NULL;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx,
                         enum MHD_RequestTerminationCode how)
{
    struct http_exchange *x = *request_ctx;
    struct conn *c = conn_of(mhd);
    (void)ctx;
    *request_ctx = NULL;
    if (c != NULL && c->phase != CONN_REFUSED)
        set_deadline(c, CONN_KEPT, KEPT_IDLE_US);
    if (x == NULL)
        return;
    leave_list(x);
    if (x->gone != NULL)
        x->gone(x->gone_ctx, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    exchange_free(x);
}

/* The headers are here. A body that is too big is refused at once only when its sender waits for
 * leave or when swallowing it would take too long. */
static enum MHD_Result begin(struct http_exchange *x)
{
    const struct http_server_config *config = &x->server->config;
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *announced = http_request_header(x, "Content-Length");
    unsigned long long length = announced == NULL ? 0 : strtoull(announced, NULL, 10);
    if (size != NULL && size->header_size > config->max_headers)
        refuse(x, 431);
    else if (length > config->max_body &&
             (length > SWALLOW_MAX || http_request_header(x, "Expect") != NULL))
        refuse(x, 413);
    if (x->response == NULL)
        return MHD_YES;
    x->handled = true;
    return exchange_queue(x);
}

static enum MHD_Result take_body(struct http_exchange *x, const char *bytes, size_t n)
{
    if (!x->too_big && buf_add(&x->body, bytes, n) == OK)
        return MHD_YES;
    x->too_big = true;
    x->swallowed += n;
    buf_free(&x->body);
    if (x->swallowed <= SWALLOW_MAX)
        return MHD_YES;
    send_refusal(conn_of(x->mhd), 413, "Content Too Large");
    return MHD_NO;
}

static void handle(struct http_exchange *x)
{
    struct conn *c = conn_of(x->mhd);
    x->handled = true;
    c->phase = CONN_ANSWERING;
    timer_stop(c->server->loop, &c->deadline);
    if (x->too_big)
        refuse(x, 413);
    else
        x->server->handler(x->server->ctx, x);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_ctx)
{
    struct http_server *server = ctx;
    struct http_exchange *x = *request_ctx;
    struct conn *c = conn_of(mhd);
    (void)version;
    if (c->phase == CONN_REFUSED || server->closing)
        return MHD_NO;
    if (x == NULL) {
        x = exchange_new(server, mhd, c->fd, server->config.max_body, server->config.max_unsent);
        x->method = method;
        x->path = path;
        *request_ctx = x;
        return begin(x);
    }
    if (*upload_size > 0) {
        size_t n = *upload_size;
        *upload_size = 0;
        return take_body(x, upload, n);
    }
    if (!x->handled)
        handle(x);
    if (x->response != NULL)
        return exchange_queue(x);
    if (x->cut)
        return MHD_NO;
    server_suspend(server, x);
    return MHD_YES;
}

/* ---- the daemon on the loop ---- */

static void resume_all(struct http_server *server)
{
    while (server->resuming != NULL) {
        struct http_exchange *x = server->resuming;
        leave_list(x);
        MHD_resume_connection(x->mhd);
    }
}

static void run_now(void *ctx)
{
    struct http_server *server = ctx;
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    enum MHD_Result waits = MHD_YES;
    /* A resumed stream takes two runs: one to draw its bytes, one to send them. */
    for (int i = 0; i < RUNS_PER_TURN && waits == MHD_YES && wait_ms == 0; i++) {
        resume_all(server);
        (void)MHD_run(server->daemon);
        waits = MHD_get_timeout(server->daemon, &wait_ms);
        if (server->resuming != NULL) {
            waits = MHD_YES;
            wait_ms = 0;
        }
    }
    if (waits != MHD_YES)
        timer_stop(server->loop, &server->run_timer);
    else if (wait_ms == 0)
        run_soon(server);
    else
        timer_set(server->loop, &server->run_timer,
                  loop_now(server->loop) + (int64_t)wait_ms * USEC_PER_MSEC, run_now, server);
}

static void on_ready(void *ctx, unsigned events)
{
    (void)events;
    run_soon(ctx);
}

/* ---- life ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_size)
{
    union address a = {0};
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        *ret_size = sizeof(a.v4);
    } else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        *ret_size = sizeof(a.v6);
    } else {
        return false;
    }
    *ret = a;
    return true;
}

enum err http_listen(const char *host, uint16_t port, int *ret_fd, struct errmsg *msg)
{
    union address a;
    socklen_t size;
    int one = 1;
    if (!parse_address(host, port, &a, &size))
        return err_set(msg, ERR_INVALID, "%s: not an IPv4 or IPv6 address to listen on", host);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(msg, ERR_IO, "cannot open a socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &a.any, size) < 0 || listen(fd, BACKLOG) < 0) {
        int why = errno;
        (void)close(fd);
        return err_set(msg,
                       why == EADDRINUSE ? ERR_BUSY
                       : why == EACCES   ? ERR_PERMISSION
                                         : ERR_IO,
                       "cannot listen on %s port %u: %s", host, port, strerror(why));
    }
    *ret_fd = fd;
    return OK;
}

/* A socket of our own, or one that a parent process or systemd has opened. */
static enum err listen_by(struct http_server *server, int fd, struct errmsg *msg)
{
    union address a = {0};
    socklen_t size = sizeof(a);
    int flags = fcntl(fd, F_GETFL), listening = 0;
    socklen_t n = sizeof(listening);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0 || !listening ||
        getsockname(fd, &a.any, &size) < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(msg, ERR_INVALID, "descriptor %d is no listening socket", fd);
    server->listener = fd;
    if (a.any.sa_family == AF_INET || a.any.sa_family == AF_INET6)
        server->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return OK;
}

static struct http_server_config with_defaults(struct http_server_config c)
{
    c.max_body = c.max_body > 0 ? c.max_body : MAX_BODY_DEFAULT;
    c.max_headers = c.max_headers > 0 ? c.max_headers : MAX_HEADERS_DEFAULT;
    c.header_timeout_us = c.header_timeout_us > 0 ? c.header_timeout_us : HEADER_TIMEOUT_DEFAULT;
    c.max_connections = c.max_connections > 0 ? c.max_connections : MAX_CONNECTIONS_DEFAULT;
    c.max_unsent = c.max_unsent > 0 ? c.max_unsent : MAX_UNSENT_DEFAULT;
    return c;
}

static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, server->listener, MHD_OPTION_CONNECTION_LIMIT,
        server->config.max_connections + SPARE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        POOL_FOR(server->config.max_headers), MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_URI_LOG_CALLBACK,
        on_request_line, server, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

enum err http_server_new(struct loop *loop, const struct http_server_config *config,
                         http_handler_fn handler, void *ctx, struct http_server **ret_server,
                         struct errmsg *msg)
{
    struct http_server *server = mem_alloc(sizeof(*server));
    *server = (struct http_server){.loop = loop,
                                   .config = with_defaults(*config),
                                   .handler = handler,
                                   .ctx = ctx,
                                   .listener = -1,
                                   .run = {.fn = run_now, .ctx = server}};
    int fd = config->listener;
    enum err e = fd > 0 ? OK : http_listen(config->host, config->port, &fd, msg);
    if (e == OK)
        e = listen_by(server, fd, msg);
    if (e == OK && (server->daemon = start_daemon(server)) == NULL)
        e = err_set(msg, ERR_IO, "libmicrohttpd cannot be started: %s", strerror(errno));
    if (e != OK) {
        http_server_free(server);
        return e;
    }
    int epoll = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->watch = loop_watch(loop, epoll, LOOP_READ, on_ready, server);
    *ret_server = server;
    return OK;
}

void http_server_stop_listening(struct http_server *server)
{
    if (server->listener < 0)
        return;
    (void)MHD_quiesce_daemon(server->daemon);
    (void)close(server->listener);
    server->listener = -1;
}

/* libmicrohttpd must not be stopped while it has suspended connections. */
void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    server->closing = true;
    if (server->daemon != NULL) {
        loop_unwatch(server->watch);
        http_server_stop_listening(server);
        while (server->suspended != NULL) {
            buf_clear(&server->suspended->out);
            http_cut(server->suspended);
        }
        resume_all(server);
        (void)MHD_run(server->daemon);
        MHD_stop_daemon(server->daemon);
    } else if (server->listener >= 0) {
        (void)close(server->listener);
    }
    timer_stop(server->loop, &server->run_timer);
    timer_stop(server->loop, &server->gone_timer);
    loop_cancel(server->loop, &server->run);
    free(server);
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

unsigned http_server_open(const struct http_server *server)
{
    return server->open;
}
