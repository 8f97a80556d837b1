/* In: HTTP/1.1 requests. Out: one callback per whole request, answered at once, later, or as a
 * stream. microhttpd.h has its home in http_conn.h, http_exchange.h and http_head.h. */
#ifndef IO_HTTP_SERVER_H
#define IO_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct http_server;
struct http_exchange; /* one request and its answer */

typedef void (*http_handler_fn)(void *ctx, struct http_exchange *x);

/* Connections past the maximum that hear "503" at the same time. */
#define HTTP_SERVER_SPARE 64u

struct http_server_config {
    const char *host;          /* a literal address, "127.0.0.1" or "::1" ... */
    uint16_t port;             /* 0 = any free one */
    int listener;              /* 0 = one of our own; else an open listening socket, taken over when
                                  the server is made; host and port are not used */
    size_t max_body;           /* 0 = 1 MiB; past it 413 */
    size_t max_headers;        /* 0 = 16 KiB; past it 431 */
    int64_t header_timeout_us; /* from a request's first byte, or the connection's beginning, to
                                  the end of the body; 0 = 10 s; past it 408.
                                  A finished answer has to be taken within six times this */
    unsigned max_connections;  /* 0 = 1024; past it 503 and the connection is closed */
    size_t max_unsent;         /* bytes a slow reader of a stream may owe before it is cut;
                                  0 = 1 MiB */
    /* Asked when the first byte of a body is here, after the headers: is it worth keeping? false:
     * the handler gets the request without it, which is to refuse it. NULL = each is kept. */
    bool (*keeps_body)(void *ctx, const struct http_exchange *x);
    /* Called with each refusal that the server answers itself (400 when it is not clear where the
     * body ends, who is asked or who asks; 408, 413, 431, 503), to make its body; NULL = an empty
     * JSON object. Returns an owned string. What is not HTTP at all, a chunk that is none, or twice
     * max_headers gets a 400 or 431 with libmicrohttpd's own short page. */
    char *(*refusal_body)(void *ctx, int status);
    const char *const *refusal_headers; /* as in http_reply(), up to 8; borrowed; may be NULL */
};

/* A listening socket for config.listener: for processes that share one. ERR_BUSY: the port is
 * taken. */
enum err http_listen(const char *host, uint16_t port, int *ret_fd, struct errmsg *msg) MUST_CHECK;

/* `handler` runs once per whole request, on the loop. */
enum err http_server_new(struct loop *loop, const struct http_server_config *config,
                         http_handler_fn handler, void *ctx, struct http_server **ret_server,
                         struct errmsg *msg) MUST_CHECK;
void http_server_free(struct http_server *server);           /* cuts what is open; takes NULL */
uint16_t http_server_port(const struct http_server *server); /* the bound one */
void http_server_stop_listening(struct http_server *server); /* for a graceful drain */
unsigned http_server_open(const struct http_server *server); /* connections now */

/* The request. All strings are borrowed and live until the exchange ends. */
const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x); /* percent-decoded, without the query */
const char *http_query(const struct http_exchange *x, const char *name); /* decoded, or NULL */
const char *http_request_header(const struct http_exchange *x, const char *name); /* or NULL */
/* Whether `fn` says yes to one of the values of a header that may be there more than once. */
bool http_any_header(const struct http_exchange *x, const char *name,
                     bool (*fn)(const char *value));
const char *http_body(const struct http_exchange *x, size_t *ret_len);

/* Headers of the answer: name, value, name, value, ..., NULL; copied. May be NULL. */
typedef const char *const *http_headers;

/* The whole answer; copied. Ends the exchange. Ignored after an answer or a cut. */
void http_reply(struct http_exchange *x, int status, const char *content_type, http_headers headers,
                const char *body, size_t len);

/* A streamed answer: begin, any number of writes, then end or cut. */
void http_stream_begin(struct http_exchange *x, int status, const char *content_type,
                       http_headers headers);
/* Queues bytes. ERR_TOO_BIG: the reader is too slow; it has been cut. ERR_CLOSED: it has gone.
 * Both come after, or lead to, on_gone. */
enum err http_stream_write(struct http_exchange *x, const char *bytes, size_t n) MUST_CHECK;
void http_stream_end(struct http_exchange *x); /* after what is queued has left */
/* Closes the connection without ending the answer, or without any; what was written before leaves
 * first unless the reader is slow. Calls no on_gone before it returns. */
void http_cut(struct http_exchange *x);
/* Bytes queued by http_stream_write() that the peer's kernel has not acknowledged yet. */
size_t http_stream_unsent(const struct http_exchange *x);

/* Called once when the exchange is over: answered in full (complete = true), or the client went
 * away or was cut. After it the exchange is gone. The place to forget it. */
void http_on_gone(struct http_exchange *x, void (*fn)(void *ctx, bool complete), void *ctx);

#endif
