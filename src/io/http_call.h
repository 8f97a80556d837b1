/* In: nothing. Out: what a call and its client consist of. Private to http_client.c, which runs
 * them, and http_call.c, which prepares one. */
#ifndef IO_HTTP_CALL_H
#define IO_HTTP_CALL_H

#include "io/curl_loop.h"
#include "io/http_client.h"
#include "io/resolve_gate.h"

enum call_state {
    CALL_WAITING, /* in client->waiting, not known to libcurl */
    CALL_RUNNING, /* libcurl has it */
    CALL_OVER,    /* no callback any more; in client->over until the end of the turn */
};

struct http_call {
    struct curl_transfer t; /* the first member: curl_loop hands it back */
    struct http_client *client;
    struct http_handlers handlers;
    void *ctx;
    enum call_state state;
    bool in_curl; /* libcurl has to give it back before it is freed */
    enum http_phase phase;
    enum err refused; /* the request is no good; said from the loop, not from http_start() */
    struct curl_slist *headers;
    char *body;
    struct gate_host *host; /* NULL when no name has to be resolved */
    int64_t connect_us, header_us, idle_us;
    int64_t last_byte_us;
    struct loop_timer deadline, total;
    const struct address_guard *guard;
    char *host_name; /* with a guard */
    size_t header_bytes, max_header_bytes, body_bytes, max_body_bytes;
    enum err cut; /* why we made libcurl stop: ERR_PERMISSION, ERR_TOO_BIG */
    struct http_call *prev, *next;
    char error[CURL_ERROR_SIZE];
    char refusal[96]; /* what `cut` says to people */
};

struct http_client {
    struct loop *loop;
    struct curl_loop *curl;
    char *user_agent, *ca_file;
    size_t max_connections, running;
    struct http_call *waiting, *active, *over;
    struct resolve_gate gate;
    struct loop_task pump;
    uint64_t bytes_in;
};

/* Everything of the request but libcurl's callbacks goes into the handle, which is there.
 * ERR_INVALID: the URL, the method or a header is no good. */
enum err http_call_prepare(struct http_call *call, const struct http_request *r) MUST_CHECK;

#endif
