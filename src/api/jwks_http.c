/* In: a URL. Out: the document there, whole and bounded, or why not. */
#include "api/jwks_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

#define PATIENCE_US ((int64_t)10 * 1000000) /* to connect, for the headers, between two bytes */

struct jwks_http {
    struct http_client *client;
    char *url;
    struct jwks *jwks;      /* whom to tell; NULL when nothing runs */
    struct http_call *call; /* or NULL */
    struct buf body;
};

static void tell(struct jwks_http *h, enum err err, const char *why)
{
    struct jwks *jwks = h->jwks;
    h->jwks = NULL;
    h->call = NULL;
    jwks_arrived(jwks, err, buf_str(&h->body), h->body.len, why);
    buf_free(&h->body);
}

static void refuse(struct jwks_http *h, enum err err, const char *why)
{
    http_abort(h->call);
    tell(h, err, why);
}

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct jwks_http *h = ctx;
    char why[64];
    (void)call;
    if (status == 200)
        return;
    (void)snprintf(why, sizeof why, "its server answers %d%s", status,
                   status >= 300 && status < 400 ? " (redirects are not followed)" : "");
    refuse(h, ERR_PROTOCOL, why);
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct jwks_http *h = ctx;
    if (buf_add(&h->body, bytes, n) != OK)
        refuse(h, ERR_TOO_BIG, "it is longer than 256 KiB");
}

static void on_end(void *ctx, const struct http_end *end)
{
    tell(ctx, end->err, end->detail);
}

static void start(void *ctx, struct jwks *jwks)
{
    static const struct http_handlers handlers = {on_headers, on_body, on_end};
    static const char *const headers[] = {"Accept: application/json", NULL};
    struct jwks_http *h = ctx;
    struct http_request request = {.method = "GET",
                                   .url = h->url,
                                   .headers = headers,
                                   .connect_timeout_us = PATIENCE_US,
                                   .header_timeout_us = PATIENCE_US,
                                   .idle_timeout_us = PATIENCE_US};
    h->jwks = jwks;
    h->call = http_start(h->client, &request, &handlers, h);
}

static void stop(void *ctx)
{
    struct jwks_http *h = ctx;
    http_abort(h->call);
    h->call = NULL;
    h->jwks = NULL;
    buf_free(&h->body);
}

struct jwks_http *jwks_http_new(struct http_client *client, const char *url)
{
    struct jwks_http *h = mem_alloc(sizeof *h);
    h->client = client;
    h->url = mem_strdup(url);
    h->body = BUF_INIT(JWK_SET_MAX);
    return h;
}

void jwks_http_free(struct jwks_http *h)
{
    if (h == NULL)
        return;
    stop(h);
    free(h->url);
    free(h);
}

struct jwks_source jwks_http_source(struct jwks_http *h)
{
    return (struct jwks_source){start, stop, h};
}

const char *jwks_http_url(const struct jwks_http *h)
{
    return h->url;
}
