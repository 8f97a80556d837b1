/* In: connections. Out: whole requests to the handler, each connection under our own deadlines and
 * limits. libmicrohttpd runs once at the end of a turn, whatever happened in it. */
#include "io/http_server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_conn.h"
#include "io/http_exchange.h"
#include "io/http_head.h"

#define MAX_BODY_DEFAULT        (1u << 20)
#define MAX_HEADERS_DEFAULT     ((size_t)16 * 1024)
#define HEADER_TIMEOUT_DEFAULT  (10 * USEC_PER_SEC)
#define MAX_CONNECTIONS_DEFAULT 1024u
#define MAX_UNSENT_DEFAULT      (1u << 20)

#define CUT_US                  (1 * USEC_PER_SEC) /* to take what was written before the cut */
#define ANSWER_TIMES            6 /* header timeouts to take a finished answer in */
#define GONE_CHECK_US           (500 * USEC_PER_MSEC)
#define SWALLOW_MAX             (32u << 20) /* of a refused body, so that its sender can read the refusal */
#define RUNS_PER_TURN           4
#define POOL_FOR(limit)         (2 * (limit) + (size_t)8 * 1024) /* libmicrohttpd memory per connection */

static void refuse(struct http_exchange *x, int status)
{
    char *body = conn_refusal_body(x->server, status);
    exchange_refuse(x, status, x->server->config.refusal_headers, body);
    free(body);
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
        conn_set_deadline(conn_of(x->mhd), CONN_ANSWERING, CUT_US);
    else if (x->ended)
        conn_set_deadline(conn_of(x->mhd), CONN_ANSWERING,
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

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx,
                         enum MHD_RequestTerminationCode how)
{
    struct http_exchange *x = *request_ctx;
    struct conn *c = conn_of(mhd);
    (void)ctx;
    *request_ctx = NULL;
    if (c != NULL && c->phase != CONN_REFUSED)
        conn_rest(c);
    if (x == NULL)
        return;
    leave_list(x);
    if (x->gone != NULL)
        x->gone(x->gone_ctx, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    exchange_free(x);
}

/* The headers are here. A body that is too big is refused at once only when its sender waits for
 * leave or when swallowing it would take too long. */
static enum MHD_Result begin(struct http_exchange *x, const char *version)
{
    const struct http_server_config *config = &x->server->config;
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *announced = http_request_header(x, "Content-Length");
    unsigned long long length = announced == NULL ? 0 : strtoull(announced, NULL, 10);
    const char *path = head_path(x->mhd, x->path);
    if (size != NULL && size->header_size > config->max_headers)
        refuse(x, 431);
    else if (path == NULL || conn_of(x->mhd)->ends_early ||
             !head_is_clear(x->mhd, x->method, size == NULL ? 0 : size->header_size, version))
        refuse(x, 400);
    else if (length > config->max_body &&
             (length > SWALLOW_MAX || http_request_header(x, "Expect") != NULL))
        refuse(x, 413);
    if (x->response == NULL) {
        x->path = path;
        return MHD_YES;
    }
    x->handled = true;
    return exchange_queue(x);
}

static bool keeps_body(struct http_exchange *x)
{
    const struct http_server *server = x->server;
    if (!x->judged && server->config.keeps_body != NULL)
        x->unwanted = !server->config.keeps_body(server->ctx, x);
    x->judged = true;
    return !x->unwanted;
}

static enum MHD_Result take_body(struct http_exchange *x, const char *bytes, size_t n)
{
    if (keeps_body(x) && !x->too_big && buf_add(&x->body, bytes, n) == OK)
        return MHD_YES;
    x->swallowed += n;
    x->too_big = !x->unwanted || x->swallowed > x->server->config.max_body;
    buf_free(&x->body);
    if (x->swallowed <= SWALLOW_MAX)
        return MHD_YES;
    conn_send_refusal(conn_of(x->mhd), 413, "Content Too Large");
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
    if (c->phase == CONN_REFUSED || server->closing)
        return MHD_NO;
    if (x == NULL) {
        x = exchange_new(server, mhd, c->fd, server->config.max_body, server->config.max_unsent);
        x->method = method;
        x->path = path;
        *request_ctx = x;
        return begin(x, version);
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
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, conn_log, server, MHD_OPTION_LISTEN_SOCKET,
        server->listener, MHD_OPTION_CONNECTION_LIMIT,
        server->config.max_connections + HTTP_SERVER_SPARE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        POOL_FOR(server->config.max_headers), MHD_OPTION_NOTIFY_CONNECTION, conn_notify, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_URI_LOG_CALLBACK,
        conn_request_line, server, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
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
        e = listen_adopt(fd, &server->port, msg);
    if (e == OK)
        server->listener = fd;
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
