/* In: requests that users of SQL have queued. Out: each sent once, its answer, or what is known of
 * it, in net._http_response. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/clock.h"
#include "io/http_client.h"
#include "store/pg/pg_surface_impl.h"
#include "text/json.h"

#define ANSWER_MAX  ((size_t)1 << 20) /* bytes of an answer's body */
#define HEADERS_MAX ((size_t)64 << 10)
#define ERROR_MAX   ((size_t)128 << 10) /* bytes of error_msg */
#define LINES_MAX   256                 /* headers of a request */
#define BETWEEN     " ,\t\n"            /* public URLs */

struct pg_outgoing {
    struct pg_surface *surface;
    struct pg_outgoing *prev, *next;
    int64_t id;
    int timeout_ms;
    bool own;     /* goes to ourselves */
    char *unsent; /* names of headers that had no value; NULL = none */
    struct http_call *call;
    int status; /* 0 = none yet */
    char *content_type;
    struct buf headers, body;
    struct loop_task end_task;
};

static void release(struct pg_outgoing *o)
{
    http_abort(o->call);
    loop_cancel(o->surface->loop, &o->end_task);
    free(o->unsent);
    free(o->content_type);
    buf_free(&o->headers);
    buf_free(&o->body);
    free(o);
}

void pg_outgoing_free(struct pg_surface *s)
{
    struct pg_outgoing *list = s->requests;
    s->requests = NULL;
    s->n_requests = s->n_own = 0;
    for (struct pg_outgoing *next; list != NULL; list = next) {
        next = list->next;
        release(list);
    }
}

void pg_outgoing_ids(const struct pg_surface *s, struct pg_params *p)
{
    pg_array_begin(p, PG_LONG, s->n_requests);
    for (const struct pg_outgoing *o = s->requests; o != NULL; o = o->next)
        pg_array_long(p, o->id);
    pg_array_end(p);
}

/* ---- public URLs ---- */

/* The length of `listed`'s scheme and host with port, when `url` begins with the same and nothing
 * more of a host follows; else 0. */
static size_t same_place(const char *url, const char *listed, size_t n)
{
    while (n > 0 && listed[n - 1] == '/')
        n--;
    if (n == 0 || strncasecmp(url, listed, n) != 0 || strchr("/?#", url[n]) == NULL)
        return 0; /* strchr finds the end of the string, too */
    return n;
}

/* http or https, a host, perhaps a port: anything else would match no request, or the wrong ones.
 */
static bool is_place(const char *at, size_t n)
{
    size_t scheme = strncasecmp(at, "https://", 8) == 0  ? 8
                    : strncasecmp(at, "http://", 7) == 0 ? 7
                                                         : 0;
    while (n > 0 && at[n - 1] == '/')
        n--;
    if (scheme == 0 || n <= scheme)
        return false;
    return strcspn(at + scheme, "/?#@\\") >= n - scheme;
}

enum err pg_outgoing_check(const char *public_urls, struct errmsg *msg)
{
    for (const char *at = public_urls; at != NULL && *at != '\0';) {
        at += strspn(at, BETWEEN);
        size_t n = strcspn(at, BETWEEN);
        if (n > 0 && !is_place(at, n))
            return err_set(msg, ERR_INVALID,
                           "public-urls: '%.*s' is no address of a server: a scheme and a host, as "
                           "in https://project.example.com, and no path",
                           (int)(n < 200 ? n : 200), at);
        at += n;
    }
    return OK;
}

char *pg_outgoing_own(const char *url, const char *public_urls, const char *self_url)
{
    if (public_urls == NULL || self_url == NULL)
        return NULL;
    for (const char *at = public_urls; *at != '\0';) {
        at += strspn(at, BETWEEN);
        size_t n = strcspn(at, BETWEEN), same = same_place(url, at, n);
        if (same > 0)
            return mem_printf("%s%s%s", self_url, url[same] == '/' ? "" : "/", url + same);
        at += n;
    }
    return NULL;
}

/* ---- the end ---- */

static void on_over(void *ctx)
{
    struct pg_outgoing *o = ctx;
    struct pg_surface *s = o->surface;
    DL_DELETE(s->requests, o);
    s->n_requests--;
    s->n_own -= o->own;
    release(o);
    surface_look_soon(s);
}

static void add_error(struct buf *text, const char *what)
{
    if (text->len > 0)
        buf_puts(text, "; ");
    buf_puts(text, what);
}

/* What the answer does not show: why there is none, what of it a text cannot hold, headers that
 * were left out. */
static void make_error(const struct pg_outgoing *o, const char *error, struct buf *ret)
{
    if (error != NULL)
        add_error(ret, error);
    size_t kept = error == NULL ? strlen(buf_str(&o->body)) : o->body.len;
    if (kept < o->body.len) {
        add_error(ret, "a text cannot hold the answer's zero bytes");
        buf_putf(ret, ": it is cut at the first, after %zu of %zu bytes", kept, o->body.len);
    }
    if (o->unsent != NULL) {
        add_error(ret, "sent without the header ");
        buf_putf(ret, "%s: its value was null", o->unsent);
    }
}

static void end(struct pg_outgoing *o, bool timed_out, const char *error)
{
    struct buf text = BUF_INIT(ERROR_MAX);
    make_error(o, error, &text);
    struct surface_note *note = surface_note_new(
        &o->surface->net,
        "SELECT scriptorium.net_done($1, nullif($2, 0), $3, $4, $5, $6::boolean, $7)");
    pg_put_long(&note->p, o->id);
    pg_put_int(&note->p, o->status);
    pg_put_text(&note->p, o->content_type);
    pg_put_text(&note->p, o->status > 0 ? buf_str(&o->headers) : NULL);
    pg_put_text(&note->p, error == NULL ? buf_str(&o->body) : NULL);
    pg_put_text(&note->p, timed_out ? "true" : "false");
    pg_put_text(&note->p, text.len > 0 ? buf_str(&text) : NULL);
    surface_note_send(note);
    buf_free(&text);
    o->end_task = (struct loop_task){.fn = on_over, .ctx = o};
    loop_defer(o->surface->loop, &o->end_task);
}

static void give_back(struct pg_outgoing *o)
{
    struct surface_note *note =
        surface_note_new(&o->surface->net, "SELECT scriptorium.net_give_back($1)");
    pg_put_long(&note->p, o->id);
    surface_note_send(note);
    o->end_task = (struct loop_task){.fn = on_over, .ctx = o};
    loop_defer(o->surface->loop, &o->end_task);
}

void pg_outgoing_cut(struct pg_surface *s)
{
    for (struct pg_outgoing *o = s->requests; o != NULL; o = o->next) {
        if (o->call == NULL)
            continue; /* its end is on its way */
        enum http_phase phase = http_phase(o->call);
        http_abort(o->call);
        o->call = NULL;
        if (phase == HTTP_CONNECTING)
            give_back(o);
        else
            end(o, false,
                phase == HTTP_SENT
                    ? "the daemon was stopped before the answer came (it may have arrived)"
                    : "the daemon was stopped (the answer broke off)");
    }
}

/* ---- the answer ---- */

static void on_header(void *ctx, const char *name, const char *value)
{
    struct pg_outgoing *o = ctx;
    if (o->headers.len > 1)
        buf_puts(&o->headers, ",");
    json_put_string(&o->headers, name, strlen(name));
    buf_puts(&o->headers, ":");
    json_put_string(&o->headers, value, strlen(value));
}

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct pg_outgoing *o = ctx;
    o->status = status;
    o->content_type = mem_strdup(http_header(call, "content-type"));
    buf_puts(&o->headers, "{");
    http_headers_each(call, on_header, o);
    buf_puts(&o->headers, "}");
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct pg_outgoing *o = ctx;
    buf_put(&o->body, bytes, n); /* the client holds it to ANSWER_MAX */
}

static void on_end(void *ctx, const struct http_end *http)
{
    struct pg_outgoing *o = ctx;
    o->call = NULL;
    if (http->err == OK) {
        end(o, false, NULL);
        return;
    }
    char *why = http->err == ERR_TIMEOUT
                    ? mem_printf("Timeout of %d ms reached; %s", o->timeout_ms, http->detail)
                    : mem_strdup(http->detail);
    char *text = mem_printf("%s (%s)", why,
                            http->phase == HTTP_CONNECTING ? "nothing was sent"
                            : http->phase == HTTP_SENT     ? "it may have arrived"
                                                           : "the answer broke off");
    end(o, http->err == ERR_TIMEOUT, text);
    free(text);
    free(why);
}

/* ---- the request ---- */

/* The body's length is what we say. Cuts `text` into lines. */
static void split_headers(char *text, const char *lines[LINES_MAX + 1])
{
    size_t n = 0;
    for (char *at = text, *rest = NULL; at != NULL && n < LINES_MAX; at = rest) {
        rest = strchr(at, '\n');
        if (rest != NULL)
            *rest++ = '\0';
        if (at[0] != '\0' && strncasecmp(at, "content-length:", 15) != 0 &&
            strncasecmp(at, "transfer-encoding:", 18) != 0)
            lines[n++] = at;
    }
    lines[n] = NULL;
}

void pg_outgoing_start(struct pg_surface *s, struct pg_reader *r)
{
    static const struct http_handlers handlers = {
        .on_headers = on_headers, .on_body = on_body, .on_end = on_end};
    struct pg_outgoing *o = mem_alloc(sizeof *o);
    const char *lines[LINES_MAX + 1];
    o->surface = s;
    DL_APPEND(s->requests, o);
    s->n_requests++;
    o->headers = BUF_INIT(HEADERS_MAX * 12); /* escaped */
    o->body = BUF_INIT(ANSWER_MAX);
    o->id = pg_get_int(r);
    const char *method = pg_get_text(r), *url = pg_get_text(r);
    char *headers = pg_get_text(r);
    o->unsent = mem_strdup(pg_get_text(r));
    size_t body_len = r->err == OK ? (size_t)PQgetlength(r->res, r->row, r->col) : 0;
    const char *body = pg_get_text(r);
    o->timeout_ms = (int)pg_get_int(r);
    if (r->err != OK || method == NULL || url == NULL) {
        end(o, false, "the request cannot be read (nothing was sent)");
        return;
    }
    split_headers(headers, lines);
    char *own = pg_outgoing_own(url, s->public_urls, s->self_url);
    o->own = own != NULL;
    s->n_own += o->own;
    int64_t timeout_us = (int64_t)o->timeout_ms * USEC_PER_MSEC;
    struct http_request request = {.method = method,
                                   .url = own != NULL ? own : url,
                                   .headers = lines,
                                   .body = body,
                                   .body_len = body != NULL ? body_len : 0,
                                   .connect_timeout_us = timeout_us,
                                   .header_timeout_us = timeout_us,
                                   .total_timeout_us = timeout_us,
                                   .max_header_bytes = HEADERS_MAX,
                                   .max_body_bytes = ANSWER_MAX,
                                   .guard = own != NULL ? NULL : s->guard};
    o->call = http_start(s->http, &request, &handlers, o);
    free(own);
}
