/* In: one request as libmicrohttpd gives it out. Out: its answer as libmicrohttpd asks for it.
 * Private to io: http_server.c owns the connections, http_exchange.c what is said on them. */
#ifndef IO_HTTP_EXCHANGE_H
#define IO_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "io/http_server.h"

/* Where libmicrohttpd has it. */
enum exchange_place {
    PLACE_ACTIVE,    /* it will call us */
    PLACE_SUSPENDED, /* it waits for us */
    PLACE_RESUMING,  /* we have something; told at the end of the turn */
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum exchange_place place;
    const char *method, *path; /* libmicrohttpd's */
    struct buf body;
    size_t swallowed; /* bytes of a body that is refused */
    bool judged, unwanted, too_big, handled;

    struct MHD_Response *response; /* ours until it is queued */
    int status;
    bool answered;   /* a reply or a stream was begun */
    bool ended, cut; /* nothing may be added; cut: and no proper end */
    struct buf out;  /* stream bytes that libmicrohttpd has not taken */
    size_t with_mhd; /* those it took last and may not have sent */
    void (*gone)(void *ctx, bool complete);
    void *gone_ctx;
    struct http_exchange *prev, *next; /* in the server's list of its place */
};

struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *mhd, int fd,
                                   size_t max_body, size_t max_unsent);
void exchange_free(struct http_exchange *x);

/* Hands the answer to libmicrohttpd. */
enum MHD_Result exchange_queue(struct http_exchange *x);
/* The answer to a request that the server itself refuses; ends the connection. */
void exchange_refuse(struct http_exchange *x, int status, http_headers headers, const char *body);

/* http_server.c: something changed that libmicrohttpd has to be told at the end of the turn. */
void server_wake(struct http_server *server, struct http_exchange *x);
/* http_server.c: takes a stream's connection out of libmicrohttpd's hands until woken. */
void server_suspend(struct http_server *server, struct http_exchange *x);

#endif
