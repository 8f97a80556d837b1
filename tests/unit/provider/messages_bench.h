/* In: the real HTTP client and a scripted server. Out: what tests of calls share: start one, wait,
 * and look at what it came to. */
#ifndef TESTS_MESSAGES_BENCH_H
#define TESTS_MESSAGES_BENCH_H

#include "base/buf.h"
#include "base/clock.h"
#include "provider/provider.h"
#include "scripted_server.h"

#define MS   USEC_PER_MSEC
#define KEY  "sk-test-5ecret"
#define HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
/* Until the connection's end: the body has no length of its own. */
#define STREAM HEAD "request-id: req_7\r\nconnection: close\r\n\r\n"
#define LATE   (400 * MS) /* header and idle time-out here; twice that for progress */

#define ERROR(type, text)                                                                          \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" text "\"}}"
#define ERROR_CODE(type, code)                                                                     \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type                                              \
    "\",\"message\":\"m\",\"details\":{\"error_code\":\"" code "\"}}}"

extern const struct model plain_model; /* "claude-x" */

struct bench {
    struct loop *loop;
    struct http_client *http;
    struct scripted_server *server;
    struct provider *provider;
    struct provider_call *call;
    /* what came back */
    struct buf text, final_text;
    int starts, ends, abort_after_text;
    struct provider_end end;
    char error[512], served[96], request_id[96];
    struct usage aborted;
};

int bench_setup(void **state); /* *state is the bench */
int bench_teardown(void **state);
void bench_start(struct bench *b, const struct provider_request *request);
void bench_wait(struct bench *b); /* for the one end */
void bench_run(struct bench *b);  /* a plain request, to its end, with what holds for all ends */
void bench_play(struct bench *b, const char *head, const char *body); /* both, FIN, and run */
void bench_check(const struct bench *b, enum call_class class, const char *text);

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

#endif
