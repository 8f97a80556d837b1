/* In: requests. Out: each one's answer and its one end, under deadlines of our own. Admission is
 * ours too: libcurl only ever holds calls that may run, and learns a new host's address once. */
#include "io/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/address.h"
#include "io/http_call.h"

#define MAX_CONNECTIONS_DEFAULT 4096
#define CONNECT_TIMEOUT_DEFAULT (10 * USEC_PER_SEC)
#define HEADER_TIMEOUT_DEFAULT  (60 * USEC_PER_SEC)

static void pump_soon(struct http_client *client)
{
    loop_defer(client->loop, &client->pump);
}

/* ---- ends ---- */

static void stop(struct http_call *call)
{
    struct http_client *client = call->client;
    timer_stop(client->loop, &call->deadline);
    timer_stop(client->loop, &call->total);
    if (call->state == CALL_WAITING)
        DL_DELETE(client->waiting, call);
    else
        DL_DELETE(client->active, call);
    if (gate_tell(call->host, call, false, loop_now(client->loop)))
        pump_soon(client);
    call->state = CALL_OVER;
    DL_APPEND(client->over, call);
    pump_soon(client);
}

/* Not from inside libcurl. */
static void finish(struct http_call *call, enum err err, const char *detail)
{
    const struct http_end end = {.err = err, .phase = call->phase, .detail = detail};
    stop(call);
    call->handlers.on_end(call->ctx, &end);
}

static void release(struct http_call *call)
{
    struct http_client *client = call->client;
    if (call->in_curl) {
        curl_loop_remove(client->curl, &call->t);
        client->running--;
    }
    curl_easy_cleanup(call->t.easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    free(call->host_name);
    free(call);
}

void http_abort(struct http_call *call)
{
    if (call != NULL && call->state != CALL_OVER)
        stop(call);
}

enum http_phase http_phase(const struct http_call *call)
{
    return call->phase;
}

static enum err err_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        return ERR_CLOSED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERR_PROTOCOL;
    default:
        return ERR_IO;
    }
}

static void on_done(void *ctx, struct curl_transfer *t, CURLcode code)
{
    struct http_call *call = (struct http_call *)(void *)t;
    (void)ctx;
    if (call->state == CALL_OVER)
        return;
    enum err err = err_of(code);
    /* A peer that resets or garbles a connection it already had is not unreachable, and a request
     * that left was valid: libcurl says so of an answer without a status line. */
    if (err == ERR_CONNECT && call->phase != HTTP_CONNECTING)
        err = ERR_CLOSED;
    if (err == ERR_INVALID && call->phase != HTTP_CONNECTING)
        err = ERR_PROTOCOL;
    /* With several addresses one may be refused and another one answer. */
    if (err != OK && call->cut != OK) {
        finish(call, call->cut, call->refusal);
        return;
    }
    const char *detail = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
    finish(call, err, err == OK ? "" : detail);
}

static void on_total(void *ctx)
{
    finish(ctx, ERR_TIMEOUT, "not done within the time allowed");
}

static void on_deadline(void *ctx)
{
    struct http_call *call = ctx;
    struct loop *loop = call->client->loop;
    if (call->phase == HTTP_HEADERS && call->last_byte_us + call->idle_us > loop_now(loop)) {
        timer_set(loop, &call->deadline, call->last_byte_us + call->idle_us, on_deadline, call);
        return;
    }
    static const char *const what[HTTP_PHASE_MAX] = {
        [HTTP_CONNECTING] = "no connection within the time allowed",
        [HTTP_SENT] = "no answer within the time allowed",
        [HTTP_HEADERS] = "the answer fell silent for the time allowed",
    };
    finish(call, ERR_TIMEOUT, what[call->phase]);
}

/* ---- libcurl's callbacks ---- */

static bool may_connect(struct http_call *call, const struct sockaddr *address)
{
    if (address_guard_permits(call->guard, call->host_name, address))
        return true;
    call->cut = ERR_PERMISSION;
    (void)snprintf(call->refusal, sizeof call->refusal, "the address is not public (%s)",
                   address_kind_name(address_kind_of(address)));
    return false;
}

/* With a guard, instead of libcurl's own socket(): what it is given here is what it connects to. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct http_call *call = ctx;
    if (purpose != CURLSOCKTYPE_IPCXN || call->state == CALL_OVER || !may_connect(call, &a->addr))
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A kept connection may be another call's, without a guard. */
static bool may_use(struct http_call *call, const char *ip, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
        return may_connect(call, (const struct sockaddr *)(const void *)&in);
    if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
        return may_connect(call, (const struct sockaddr *)(const void *)&in6);
    return may_connect(call, &(const struct sockaddr){.sa_family = AF_UNSPEC});
}

/* The connection stands and the request is about to leave. A second time means that libcurl would
 * send it again because a kept connection died: whether that pays twice is our caller's question.
 */
static int on_connected(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct http_call *call = ctx;
    (void)local_ip, (void)local_port;
    if (call->state == CALL_OVER || call->phase != HTTP_CONNECTING)
        return CURL_PREREQFUNC_ABORT;
    if (call->guard != NULL && !may_use(call, ip, port))
        return CURL_PREREQFUNC_ABORT;
    struct loop *loop = call->client->loop;
    call->phase = HTTP_SENT;
    if (gate_tell(call->host, call, true, loop_now(loop)))
        pump_soon(call->client);
    timer_set(loop, &call->deadline, loop_now(loop) + call->header_us, on_deadline, call);
    return CURL_PREREQFUNC_OK;
}

static void headers_done(struct http_call *call)
{
    struct loop *loop = call->client->loop;
    long status = 0;
    (void)curl_easy_getinfo(call->t.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return;
    call->phase = HTTP_HEADERS;
    call->last_byte_us = loop_now(loop);
    if (call->idle_us > 0)
        timer_set(loop, &call->deadline, call->last_byte_us + call->idle_us, on_deadline, call);
    else
        timer_stop(loop, &call->deadline);
    if (call->handlers.on_headers != NULL)
        call->handlers.on_headers(call->ctx, call, (int)status);
}

/* False: nobody listens any more, and libcurl is told to stop. */
static bool received(struct http_call *call, size_t n)
{
    if (call->state == CALL_OVER)
        return false;
    call->client->bytes_in += n;
    call->t.got += n;
    return true;
}

/* Adds n to what came; false, and the call is cut, past the maximum. */
static bool fits(struct http_call *call, size_t *came, size_t n, size_t max, const char *what)
{
    *came += n;
    if (max == 0 || *came <= max)
        return true;
    call->cut = ERR_TOO_BIG;
    (void)snprintf(call->refusal, sizeof call->refusal, "more than %zu bytes of %s", max, what);
    return false;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    (void)size;
    if (!received(call, n) ||
        !fits(call, &call->header_bytes, n, call->max_header_bytes, "headers"))
        return 0;
    bool blank = n > 0 && (line[0] == '\r' || line[0] == '\n');
    if (blank && call->phase != HTTP_HEADERS) /* trailers have a blank line too */
        headers_done(call);
    return call->state == CALL_OVER ? 0 : n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    (void)size;
    if (!received(call, n) || !fits(call, &call->body_bytes, n, call->max_body_bytes, "body"))
        return 0;
    call->t.streaming = true;
    call->last_byte_us = loop_now(call->client->loop);
    if (call->handlers.on_body != NULL)
        call->handlers.on_body(call->ctx, bytes, n);
    return call->state == CALL_OVER ? 0 : n;
}

/* ---- starting ---- */

static void set_callbacks(struct http_call *call)
{
    CURL *e = call->t.easy;
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    (void)curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    if (call->guard != NULL) {
        (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
        (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    }
}

struct http_call *http_start(struct http_client *client, const struct http_request *r,
                             const struct http_handlers *handlers, void *ctx)
{
    struct http_call *call = mem_alloc(sizeof(*call));
    call->client = client;
    call->handlers = *handlers;
    call->ctx = ctx;
    call->t.read_tick_us = r->read_tick_us;
    call->connect_us = r->connect_timeout_us > 0 ? r->connect_timeout_us : CONNECT_TIMEOUT_DEFAULT;
    call->header_us = r->header_timeout_us > 0 ? r->header_timeout_us : HEADER_TIMEOUT_DEFAULT;
    call->idle_us = r->idle_timeout_us;
    call->guard = r->guard;
    call->max_header_bytes = r->max_header_bytes;
    call->max_body_bytes = r->max_body_bytes;
    call->t.easy = curl_easy_init();
    if (call->t.easy == NULL)
        call->refused = ERR_IO;
    else
        call->refused = http_call_prepare(call, r);
    if (call->refused == OK)
        set_callbacks(call);
    DL_APPEND(client->waiting, call);
    if (r->total_timeout_us > 0)
        timer_set(client->loop, &call->total, loop_now(client->loop) + r->total_timeout_us,
                  on_total, call);
    pump_soon(client);
    return call;
}

static void set_connect_deadline(struct http_call *call)
{
    struct loop *loop = call->client->loop;
    if (!timer_is_set(&call->deadline))
        timer_set(loop, &call->deadline, loop_now(loop) + call->connect_us, on_deadline, call);
}

static enum err begin(struct http_call *call)
{
    struct http_client *client = call->client;
    if (curl_loop_add(client->curl, &call->t) != OK)
        return ERR_IO;
    call->in_curl = true;
    client->running++;
    DL_DELETE(client->waiting, call);
    DL_APPEND(client->active, call);
    call->state = CALL_RUNNING;
    gate_pass(call->host, call, loop_now(client->loop));
    set_connect_deadline(call);
    return OK;
}

/* Starts what may start, in order of arrival. False: a refusal was told, and its receiver may have
 * changed the list. */
static bool admit(struct http_client *client)
{
    struct http_call *call = NULL, *next = NULL;
    DL_FOREACH_SAFE (client->waiting, call, next) {
        if (client->running >= client->max_connections)
            break;
        if (call->refused == OK && !gate_may_pass(call->host, loop_now(client->loop))) {
            set_connect_deadline(call); /* a dead resolver must not hold them one by one */
            continue;
        }
        if (call->refused == OK)
            call->refused = begin(call);
        if (call->refused != OK) {
            finish(call, call->refused,
                   call->refused == ERR_INVALID ? "the address, method or a header is not valid"
                                                : "libcurl cannot take the request");
            return false;
        }
    }
    return true;
}

/* At the end of a turn, when nobody uses the calls that are over. */
static void pump(void *ctx)
{
    struct http_client *client = ctx;
    struct http_call *call = NULL, *next = NULL;
    DL_FOREACH_SAFE (client->over, call, next) {
        DL_DELETE(client->over, call);
        release(call);
    }
    if (!admit(client))
        pump_soon(client);
}

const char *http_header(const struct http_call *call, const char *name)
{
    struct curl_header *h = NULL;
    if (curl_easy_header(call->t.easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return NULL;
    if (h->amount > 1 &&
        curl_easy_header(call->t.easy, name, h->amount - 1, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return NULL;
    return h->value;
}

void http_headers_each(const struct http_call *call,
                       void (*fn)(void *ctx, const char *name, const char *value), void *ctx)
{
    struct curl_header *h = NULL;
    while ((h = curl_easy_nextheader(call->t.easy, CURLH_HEADER, -1, h)) != NULL)
        fn(ctx, h->name, h->value);
}

/* ---- life ---- */

enum err http_client_new(struct loop *loop, const struct http_client_config *config,
                         struct http_client **ret_client, struct errmsg *msg)
{
    struct http_client *client = mem_alloc(sizeof(*client));
    client->loop = loop;
    client->user_agent = mem_strdup(config->user_agent);
    client->ca_file = mem_strdup(config->ca_file);
    client->max_connections =
        config->max_connections > 0 ? config->max_connections : MAX_CONNECTIONS_DEFAULT;
    client->pump = (struct loop_task){.fn = pump, .ctx = client};
    enum err err = curl_loop_new(loop, client->max_connections, on_done, client, &client->curl);
    if (err != OK) {
        http_client_free(client);
        return err_set(msg, err, "libcurl cannot be started; check its installation");
    }
    *ret_client = client;
    return OK;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->waiting != NULL)
        stop(client->waiting);
    while (client->active != NULL)
        stop(client->active);
    struct http_call *call, *next_call;
    DL_FOREACH_SAFE (client->over, call, next_call) {
        DL_DELETE(client->over, call);
        release(call);
    }
    loop_cancel(client->loop, &client->pump);
    curl_loop_free(client->curl);
    gate_free(&client->gate);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
}

struct http_client_stats http_client_stats(const struct http_client *client)
{
    return (struct http_client_stats){.connects = curl_loop_connects(client->curl),
                                      .bytes_in = client->bytes_in};
}
