/* In: the handler's calls. Out: responses for libmicrohttpd, whole or as a stream that it draws
 * from. */
#include "io/http_exchange.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/mem.h"

#define STREAM_BLOCK        4096
#define REFUSAL_HEADERS_MAX 8
#define OUT_KEPT            ((size_t)16 * 1024) /* an emptied stream buffer larger than this is freed */

struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *mhd, int fd,
                                   size_t max_body, size_t max_unsent)
{
    struct http_exchange *x = mem_alloc(sizeof(*x));
    x->server = server;
    x->mhd = mhd;
    x->fd = fd;
    x->body = BUF_INIT(max_body);
    x->out = BUF_INIT(max_unsent);
    return x;
}

void exchange_free(struct http_exchange *x)
{
    if (x == NULL)
        return;
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    buf_free(&x->body);
    buf_free(&x->out);
    free(x);
}

/* ---- the request ---- */

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

const char *http_path(const struct http_exchange *x)
{
    return x->path;
}

struct lookup {
    const char *name, *value;
};

static enum MHD_Result find(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct lookup *l = ctx;
    (void)kind;
    if (strcmp(name, l->name) != 0)
        return MHD_YES;
    l->value = value == NULL ? "" : value; /* "?name" without a value */
    return MHD_NO;
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    struct lookup l = {.name = name};
    (void)MHD_get_connection_values(x->mhd, MHD_GET_ARGUMENT_KIND, find, &l);
    return l.value;
}

const char *http_request_header(const struct http_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

struct question {
    const char *name;
    bool (*fn)(const char *value);
    bool yes;
};

static enum MHD_Result ask(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct question *q = ctx;
    (void)kind;
    q->yes = q->yes || (strcasecmp(name, q->name) == 0 && value != NULL && q->fn(value));
    return q->yes ? MHD_NO : MHD_YES;
}

bool http_any_header(const struct http_exchange *x, const char *name, bool (*fn)(const char *value))
{
    struct question q = {.name = name, .fn = fn};
    (void)MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, ask, &q);
    return q.yes;
}

const char *http_body(const struct http_exchange *x, size_t *ret_len)
{
    *ret_len = x->body.len;
    return buf_str(&x->body);
}

/* ---- the answer ---- */

static void answer(struct http_exchange *x, struct MHD_Response *response, int status,
                   const char *content_type, http_headers headers)
{
    if (content_type != NULL)
        (void)MHD_add_response_header(response, "Content-Type", content_type);
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i += 2)
        (void)MHD_add_response_header(response, headers[i], headers[i + 1]);
    x->response = response;
    x->status = status;
    x->answered = true;
}

void http_reply(struct http_exchange *x, int status, const char *content_type, http_headers headers,
                const char *body, size_t len)
{
    if (x->answered || x->cut)
        return;
    void *copy = mem_dup(len > 0 ? body : "", len > 0 ? len : 1);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE);
    answer(x, response, status, content_type, headers);
    x->ended = true;
    server_wake(x->server, x);
}

void exchange_refuse(struct http_exchange *x, int status, http_headers headers, const char *body)
{
    const char *all[2 * REFUSAL_HEADERS_MAX + 3] = {"Connection", "close"};
    for (size_t i = 0; headers != NULL && headers[i] != NULL && i < 2 * REFUSAL_HEADERS_MAX; i++)
        all[2 + i] = headers[i];
    http_reply(x, status, "application/json", all, body, strlen(body));
}

/* libmicrohttpd asks again only after all it took has left, so what it has is then the kernel's. */
static ssize_t draw(void *ctx, uint64_t pos, char *into, size_t max)
{
    struct http_exchange *x = ctx;
    (void)pos;
    x->with_mhd = 0;
    if (x->out.len == 0) {
        if (x->cut)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (x->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (x->out.cap > OUT_KEPT)
            buf_free(&x->out);
        server_suspend(x->server, x);
        return 0;
    }
    size_t n = x->out.len < max ? x->out.len : max;
    memcpy(into, x->out.data, n);
    buf_consume(&x->out, n);
    x->with_mhd = n;
    return (ssize_t)n;
}

void http_stream_begin(struct http_exchange *x, int status, const char *content_type,
                       http_headers headers)
{
    if (x->answered || x->cut)
        return;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, draw, x, NULL);
    answer(x, response, status, content_type, headers);
    server_wake(x->server, x);
}

enum err http_stream_write(struct http_exchange *x, const char *bytes, size_t n)
{
    if (x->ended || x->cut)
        return ERR_CLOSED;
    if (buf_add(&x->out, bytes, n) != OK) {
        buf_clear(&x->out);
        http_cut(x);
        (void)shutdown(x->fd, SHUT_RDWR); /* it does not read: no polite end will reach it */
        return ERR_TOO_BIG;
    }
    if (n > 0)
        server_wake(x->server, x);
    return OK;
}

void http_stream_end(struct http_exchange *x)
{
    if (x->ended || x->cut)
        return;
    x->ended = true;
    server_wake(x->server, x);
}

void http_cut(struct http_exchange *x)
{
    x->cut = true;
    server_wake(x->server, x);
}

size_t http_stream_unsent(const struct http_exchange *x)
{
    int in_kernel = 0;
    if (ioctl(x->fd, SIOCOUTQ, &in_kernel) < 0)
        in_kernel = 0;
    return x->out.len + x->with_mhd + (size_t)in_kernel;
}

void http_on_gone(struct http_exchange *x, void (*fn)(void *ctx, bool complete), void *ctx)
{
    x->gone = fn;
    x->gone_ctx = ctx;
}

enum MHD_Result exchange_queue(struct http_exchange *x)
{
    enum MHD_Result result = MHD_queue_response(x->mhd, (unsigned)x->status, x->response);
    MHD_destroy_response(x->response); /* libmicrohttpd has its own reference now */
    x->response = NULL;
    return result;
}
