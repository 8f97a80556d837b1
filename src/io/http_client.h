/* In: a request and deadlines. Out: status, headers and body bytes as they come, then one end.
 * curl.h has its home in http_client.c and curl_loop.c. */
#ifndef IO_HTTP_CLIENT_H
#define IO_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct address_guard; /* io/address.h */
struct http_client;
struct http_call;

struct http_client_config {
    size_t max_connections; /* open at once, over all hosts; 0 = 4096 */
    const char *user_agent; /* borrowed for the client's life */
    const char *ca_file;    /* NULL = the system's bundle */
};

enum err http_client_new(struct loop *loop, const struct http_client_config *config,
                         struct http_client **ret_client, struct errmsg *msg) MUST_CHECK;
/* Aborts what runs; not from inside a callback of its calls. Takes NULL. */
void http_client_free(struct http_client *client);

struct http_request {
    const char *method;         /* "GET", "POST", "DELETE" */
    const char *url;            /* http_url_ok() */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const char *body;           /* copied; NULL when none */
    size_t body_len;
    int64_t connect_timeout_us; /* 0 = 10 s */
    int64_t header_timeout_us;  /* from send to the end of the headers; 0 = 60 s */
    int64_t idle_timeout_us;    /* between two body bytes; 0 = none */
    int64_t total_timeout_us;   /* from http_start() to the end; 0 = none */
    size_t max_header_bytes;    /* of the answer; 0 = libcurl's limit (300 KB) */
    size_t max_body_bytes;      /* of the answer; 0 = no limit */
    int64_t read_tick_us;       /* > 0: after a read the socket rests until a multiple of this that
                                   is half to one and a half ticks away, so that one system call
                                   takes several events; a bulk body is not slowed down */
    /* For URLs that somebody else gave: only where the guard permits; NULL = anywhere. Judged is
     * the address of each connection, new or kept, so that no name can point elsewhere meanwhile.
     * Borrowed for the call's life. */
    const struct address_guard *guard;
};

/* What a request takes: http or https, a host, a port that there can be. */
bool http_url_ok(const char *url);

/* Redirects are never followed, and no proxy is used, whatever the environment says. */

/* A kept connection that dies before the answer is ERR_CLOSED with HTTP_SENT and is not repeated
 * silently. The body is given out as it came: no content encoding is asked for. */

/* Where a call is when it ends, so that the caller knows what a retry could pay twice. */
enum http_phase {
    HTTP_CONNECTING, /* nothing was sent */
    HTTP_SENT,       /* some of the request left; no status yet */
    HTTP_HEADERS,    /* the status is known */
    HTTP_PHASE_MAX
};

struct http_end {
    enum err err; /* OK, ERR_INVALID (the request), ERR_CONNECT, ERR_TIMEOUT, ERR_CLOSED,
                     ERR_PROTOCOL, ERR_IO, ERR_PERMISSION (the guard; HTTP_CONNECTING),
                     ERR_TOO_BIG (the answer passed a maximum) */
    enum http_phase phase;
    const char *detail; /* for people: what failed, without the request's headers; borrowed */
};

/* All optional but on_end. None is called after http_abort(). The header block is complete when
 * on_headers runs; interim 1xx answers are skipped. */
struct http_handlers {
    void (*on_headers)(void *ctx, struct http_call *call, int status);
    void (*on_body)(void *ctx, const char *bytes, size_t n);
    void (*on_end)(void *ctx, const struct http_end *end); /* once, last; the call is then gone */
};

/* Starts a call. Never calls back before it returns. Refused input is reported by on_end. */
struct http_call *http_start(struct http_client *client, const struct http_request *request,
                             const struct http_handlers *handlers, void *ctx);
/* Ends the call without a further callback; allowed inside its own callbacks. Takes NULL. */
void http_abort(struct http_call *call);
/* Of a running call: HTTP_CONNECTING when it can be aborted and nothing was sent. */
enum http_phase http_phase(const struct http_call *call);

/* From on_headers on: the last value of a header (case-insensitive), or NULL; borrowed. */
const char *http_header(const struct http_call *call, const char *name);
/* Each header of the answer, in order; name and value are borrowed for the call of `fn`. */
void http_headers_each(const struct http_call *call,
                       void (*fn)(void *ctx, const char *name, const char *value), void *ctx);

/* Over the client's life, for benches: connections opened, bytes received. */
struct http_client_stats {
    uint64_t connects, bytes_in;
};
struct http_client_stats http_client_stats(const struct http_client *client);

#endif
