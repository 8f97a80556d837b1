/* In: connections as libmicrohttpd tells of them. Out: each under a deadline of ours; refusals
 * where libmicrohttpd takes no response. Private to io: http_conn.c keeps time, http_server.c hands
 * requests on, http_exchange.c keeps what is said, http_listen.c opens the socket. */
#ifndef IO_HTTP_CONN_H
#define IO_HTTP_CONN_H

#include <microhttpd.h>
#include <stdarg.h>
#include <stdbool.h>

#include "io/http_server.h"

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
    struct conn *conns, *refused;               /* let in; past the maximum, the oldest first */
    struct http_exchange *suspended, *resuming; /* lists by place; the rest is libmicrohttpd's */
};

enum conn_phase {
    CONN_KEPT,      /* between two requests */
    CONN_RECEIVING, /* a request is on its way */
    CONN_ANSWERING,
    CONN_REFUSED, /* past the maximum */
};

struct conn {
    struct http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum conn_phase phase;
    bool ends_early; /* its request's target has a %00: whoever unescapes it reads less */
    struct loop_timer deadline;
    struct loop_watch *next_request;  /* its first byte; NULL until one was answered */
    struct conn **list, *prev, *next; /* one of the server's */
};

struct conn *conn_of(struct MHD_Connection *mhd);
/* When it is not moved in time: a refusal if a request was on its way, and the end. */
void conn_set_deadline(struct conn *c, enum conn_phase phase, int64_t us);
/* Between two requests: kept for a while, or until the next one begins. */
void conn_rest(struct conn *c);
/* The refusal's body, owned. */
char *conn_refusal_body(const struct http_server *server, int status);
/* Before the request is whole. */
void conn_send_refusal(const struct conn *c, int status, const char *reason);

/* libmicrohttpd's callbacks; ctx is the server. */
void conn_notify(void *ctx, struct MHD_Connection *mhd, void **conn_ctx,
                 enum MHD_ConnectionNotificationCode what);
void *conn_request_line(void *ctx, const char *uri, struct MHD_Connection *mhd);
void conn_log(void *ctx, const char *format, va_list args);

/* http_listen.c: a socket of our own, or one that a parent process or systemd has opened. The port
 * is 0 when it has none. */
enum err listen_adopt(int fd, uint16_t *ret_port, struct errmsg *msg) MUST_CHECK;

#endif
