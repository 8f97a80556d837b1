/* In: http_server.c. Out: what it answers to our own client, and to raw sockets that break every
 * rule and limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "peer.h"

enum { MAX_UNSENT = 64 * 1024, IN_SIZE = 256 * 1024 };

struct world {
    struct loop *loop;
    struct http_server *server;
    uint16_t port;
    /* The one exchange that a handler left open, and what became of all. */
    struct http_exchange *open;
    bool has_open, gone;
    int handled, complete, lost;
    char *in;
};

static void note_gone(void *ctx, bool complete)
{
    struct world *w = ctx;
    w->complete += complete ? 1 : 0;
    w->lost += complete ? 0 : 1;
    w->gone = true;
}

static void say_body(struct http_exchange *x)
{
    char text[256];
    size_t len;
    const char *body = http_body(x, &len);
    const char *name = http_query(x, "name"), *header = http_request_header(x, "x-Test");
    int n = snprintf(text, sizeof(text), "%s %s name=%s x-test=%s len=%zu body=%.10s",
                     http_method(x), http_path(x), name == NULL ? "(none)" : name,
                     header == NULL ? "(none)" : header, len, body);
    static const char *const headers[] = {"X-One", "1", "X-Two", "2", NULL};
    http_reply(x, 201, "text/plain", headers, text, (size_t)n);
}

/* The path says what to do. */
static void on_exchange(void *ctx, struct http_exchange *x)
{
    struct world *w = ctx;
    const char *path = http_path(x);
    w->handled++;
    http_on_gone(x, note_gone, w);
    if (strncmp(path, "/echo", 5) == 0) {
        say_body(x);
    } else if (strcmp(path, "/cut") == 0) {
        http_cut(x);
    } else {
        if (strcmp(path, "/stream") == 0)
            http_stream_begin(x, 200, "text/event-stream", NULL);
        w->open = x;
        w->has_open = true;
    }
}

static bool keeps_body(void *ctx, const struct http_exchange *x)
{
    (void)ctx;
    return http_request_header(x, "x-Stranger") == NULL;
}

static char *refusal(void *ctx, int status)
{
    assert_non_null(ctx);
    return mem_printf("{\"error\":\"refused %d\"}", status);
}

static int set_up_with(void **state, int64_t header_timeout_us)
{
    static struct world w;
    w = (struct world){.loop = peer_loop(), .in = mem_alloc(IN_SIZE)};
    struct http_server_config config = {.host = "127.0.0.1",
                                        .max_connections = 8,
                                        .header_timeout_us = header_timeout_us,
                                        .max_unsent = MAX_UNSENT,
                                        .keeps_body = keeps_body,
                                        .refusal_body = refusal};
    assert_int_equal(http_server_new(w.loop, &config, on_exchange, &w, &w.server, NULL), OK);
    w.port = http_server_port(w.server);
    *state = &w;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_impatient(void **state)
{
    return set_up_with(state, 300 * USEC_PER_MSEC);
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_server_free(w->server);
    loop_free(w->loop);
    free(w->in);
    assert_int_equal(w->complete + w->lost, w->handled);
    return 0;
}

static int ask(struct world *w, const char *request)
{
    int fd = peer_connect(w->loop, w->port);
    peer_says(w->loop, fd, request);
    return fd;
}

static void expect(struct world *w, int fd, const char *text)
{
    if (!peer_hears(w->loop, fd, text, w->in, IN_SIZE))
        fail_msg("wanted \"%s\", heard \"%s\"", text, w->in);
}

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: t\r\n\r\n"

static void requests_arrive_whole_and_decoded_on_a_kept_connection(void **state)
{
    struct world *w = *state;
    int fd = ask(w, "POST /echo%20a?x=1&name=J%C3%B8rgen+B HTTP/1.1\r\nHost: t\r\nX-TEST: yes\r\n"
                    "Content-Length: 5\r\n\r\nhe");
    peer_turns(w->loop, 5000);
    assert_int_equal(w->handled, 0);
    peer_says(w->loop, fd, "llo");
    expect(w, fd, "POST /echo a name=J\xC3\xB8rgen B x-test=yes len=5 body=hello");
    assert_int_equal(strncmp(w->in, "HTTP/1.1 201 Created\r\n", 22), 0);
    assert_non_null(strstr(w->in, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(w->in, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(w->in, "\r\nX-Two: 2\r\n"));
    peer_says(w->loop, fd, GET("/echo?name"));
    expect(w, fd, "GET /echo name= x-test=(none) len=0 body=");
    peer_says(w->loop, fd,
              "PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
              "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    expect(w, fd, "PUT /echo name=(none) x-test=(none) len=7 body=abcdefg");
    close(fd);
}

static void a_delayed_answer_arrives_when_given(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/later"));
    peer_wait(w->loop, &w->has_open);
    peer_turns(w->loop, 400 * USEC_PER_MSEC); /* longer than the time for requests */
    assert_false(w->gone);
    http_reply(w->open, 200, NULL, NULL, "late", 4);
    expect(w, fd, "\r\n\r\nlate");
    peer_wait(w->loop, &w->gone);
    assert_int_equal(w->complete, 1);
    close(fd);
}

static void a_stream_leaves_write_by_write(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/stream"));
    expect(w, fd, "\r\n\r\n");
    assert_non_null(strstr(w->in, "Transfer-Encoding: chunked"));
    for (int i = 0; i < 5; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "event %d\n", i);
        assert_int_equal(http_stream_write(w->open, text, strlen(text)), OK);
        expect(w, fd, text);
    }
    assert_int_equal(http_stream_unsent(w->open), 0);
    assert_int_equal(http_stream_write(w->open, "last", 4), OK);
    http_stream_end(w->open);
    assert_int_equal(http_stream_write(w->open, "x", 1), ERR_CLOSED);
    expect(w, fd, "4\r\nlast\r\n0\r\n\r\n");
    peer_wait(w->loop, &w->gone);
    assert_int_equal(w->complete, 1);
    peer_says(w->loop, fd, GET("/echo"));
    expect(w, fd, "GET /echo");
    close(fd);
}

static void a_cut_stream_delivers_what_was_written_and_no_proper_end(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/stream"));
    expect(w, fd, "\r\n\r\n");
    assert_int_equal(http_stream_write(w->open, "half", 4), OK);
    http_cut(w->open);
    assert_false(w->gone); /* never from inside our own call */
    expect(w, fd, "4\r\nhalf\r\n");
    assert_false(peer_hears(w->loop, fd, "0\r\n\r\n", w->in, IN_SIZE));
    assert_int_equal(w->lost, 1);
    close(fd);
    fd = ask(w, GET("/cut"));
    assert_true(peer_hears_end(w->loop, fd));
    assert_int_equal(w->lost, 2);
    close(fd);
}

static void a_vanished_client_is_noticed_within_a_second(void **state)
{
    struct world *w = *state;
    static const char *const requests[] = {GET("/stream"), GET("/later")};
    for (int i = 0; i < 4; i++) {
        w->has_open = w->gone = false;
        int fd = ask(w, requests[i % 2]);
        peer_wait(w->loop, &w->has_open);
        peer_turns(w->loop, 2000);
        int64_t from = clock_mono();
        if (i < 2)
            close(fd);
        else
            peer_reset(fd);
        peer_wait(w->loop, &w->gone);
        assert_true(clock_mono() - from < 1500 * USEC_PER_MSEC);
        assert_int_equal(w->lost, i + 1);
    }
    assert_int_equal(http_server_open(w->server), 0);
}

static void half_a_header_is_cut_at_the_deadline_however_it_drips(void **state)
{
    struct world *w = *state;
    int fd = ask(w, "GET /echo HTTP/1.1\r\nHost: t\r\nX: ");
    int64_t from = clock_mono();
    for (int i = 0; i < 6; i++) {
        peer_turns(w->loop, 100 * USEC_PER_MSEC);
        peer_says(w->loop, fd, "y");
    }
    expect(w, fd, "{\"error\":\"refused 408\"}");
    assert_int_equal(strncmp(w->in, "HTTP/1.1 408 ", 13), 0);
    assert_true(peer_hears_end(w->loop, fd));
    assert_true(clock_mono() - from >= 300 * USEC_PER_MSEC);
    assert_int_equal(w->handled, 0);
    close(fd);
}

static void half_a_body_and_half_a_second_request_are_cut_too(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/echo"));
    expect(w, fd, "GET /echo");
    peer_says(w->loop, fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf");
    expect(w, fd, "{\"error\":\"refused 408\"}");
    assert_true(peer_hears_end(w->loop, fd));
    assert_int_equal(w->handled, 1);
    close(fd);
}

static void a_second_request_line_that_drips_is_cut_too(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/echo"));
    expect(w, fd, "GET /echo");
    peer_says(w->loop, fd, "G");
    int64_t from = clock_mono();
    for (int i = 0; i < 6; i++) {
        peer_turns(w->loop, 100 * USEC_PER_MSEC);
        peer_says(w->loop, fd, "E");
    }
    expect(w, fd, "{\"error\":\"refused 408\"}");
    assert_true(peer_hears_end(w->loop, fd));
    assert_true(clock_mono() - from < 3 * USEC_PER_SEC);
    assert_int_equal(w->handled, 1);
    close(fd);
}

static void a_kept_connection_may_rest_for_longer_than_a_request(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/echo"));
    for (int i = 0; i < 3; i++) {
        expect(w, fd, "GET /echo");
        peer_turns(w->loop, 400 * USEC_PER_MSEC);
        peer_says(w->loop, fd, GET("/echo"));
    }
    expect(w, fd, "GET /echo");
    close(fd);
}

static void a_body_that_is_not_wanted_is_not_kept(void **state)
{
    struct world *w = *state;
    int fd =
        ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\nX-Stranger: 1\r\nContent-Length: 5\r\n\r\nhello");
    expect(w, fd, "POST /echo name=(none) x-test=(none) len=0 body=");
    peer_says(w->loop, fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    expect(w, fd, "len=5 body=hello"); /* on the same connection */
    close(fd);
}

static void big_bodies_are_refused_and_the_refusal_can_be_read(void **state)
{
    struct world *w = *state;
    static char block[1 << 16];
    memset(block, 'b', sizeof(block));
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10485760\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nA00000\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nX-Stranger: 1\r\nContent-Length: 10485760\r\n\r\n"};
    for (size_t head = 0; head < sizeof heads / sizeof *heads; head++) {
        bool chunked = head == 1;
        int fd = ask(w, heads[head]);
        for (int i = 0; i < 160; i++)
            peer_send(w->loop, fd, block, sizeof(block));
        if (chunked)
            peer_says(w->loop, fd, "\r\n0\r\n\r\n");
        expect(w, fd, "{\"error\":\"refused 413\"}");
        assert_int_equal(strncmp(w->in, "HTTP/1.1 413 ", 13), 0);
        close(fd);
    }
    int fd = ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10485760\r\n"
                    "Expect: 100-continue\r\n\r\n");
    expect(w, fd, "{\"error\":\"refused 413\"}");
    assert_null(strstr(w->in, "100 Continue"));
    close(fd);
    assert_int_equal(w->handled, 0);
}

static void a_body_at_the_limit_is_taken(void **state)
{
    struct world *w = *state;
    static char block[1 << 20];
    memset(block, 'b', sizeof(block));
    int fd = ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1048576\r\n\r\n");
    peer_send(w->loop, fd, block, sizeof(block));
    expect(w, fd, "len=1048576 body=bbbbbbbbbb");
    close(fd);
}

static void big_headers_are_refused(void **state)
{
    struct world *w = *state;
    static char value[200 * 1024];
    static const size_t sizes[] = {15000, 17000, 30000, 200000};
    for (int i = 0; i < 4; i++) {
        memset(value, 'v', sizes[i]);
        int fd = ask(w, "GET /echo HTTP/1.1\r\nHost: t\r\nX: ");
        peer_send(w->loop, fd, value, sizes[i]);
        peer_says(w->loop, fd, "\r\n\r\n");
        static const char *const last[] = {"body=", "{\"error\":\"refused 431\"}", "\r\n", "\r\n"};
        expect(w, fd, last[i]);
        assert_int_equal(strncmp(w->in, i == 0 ? "HTTP/1.1 201 " : "HTTP/1.1 431 ", 13), 0);
        close(fd);
    }
    assert_int_equal(w->handled, 1);
}

/* Until the connection closes: all that came, which is one answer. */
static void expect_only(struct world *w, int fd, const char *status, const char *body)
{
    int answers = 0;
    assert_false(peer_hears(w->loop, fd, "\x01", w->in, IN_SIZE)); /* never there */
    for (const char *at = w->in; (at = strstr(at, "HTTP/1.1 ")) != NULL; at += 9)
        answers += at[9] >= '0' && at[9] <= '9';
    if (answers != 1 || strncmp(w->in + 9, status, 3) != 0 || strstr(w->in, body) == NULL)
        fail_msg("wanted one %s with %s, heard \"%s\"", status, body, w->in);
    close(fd);
}

static void a_length_that_is_none_is_refused_once(void **state)
{
    struct world *w = *state;
    static const char *const lengths[] = {"-1", "abc", "1x", "+1", "0x1", "", "1 2", "5, 5"};
    char request[256];
    int good = ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        (void)snprintf(request, sizeof request,
                       "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %s\r\n\r\n", lengths[i]);
        expect_only(w, ask(w, request), "400", "{\"error\":\"refused 400\"}");
    }
    expect_only(w,
                ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\n"
                       "Content-Length: 99999999999999999999\r\n\r\n"),
                "413", "{\"error\":\"refused 413\"}");
    int drips = ask(w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\nX: 1\r\n");
    peer_says(w->loop, drips, "\r\n");
    expect_only(w, drips, "400", "{\"error\":\"refused 400\"}");
    assert_int_equal(w->handled, 0);
    peer_says(w->loop, good, "llo");
    expect(w, good, "len=5 body=hello");
    close(good);
}

struct head_case {
    const char *head;
    size_t n;
};
#define HEAD_CASE(text)                                                                            \
    {                                                                                              \
        text "\r\n\r\n", sizeof(text "\r\n\r\n") - 1                                               \
    }
#define ECHO_WITH(header) HEAD_CASE("GET /echo HTTP/1.1\r\nHost: t\r\n" header)

static int ask_bytes(struct world *w, const struct head_case *c)
{
    int fd = peer_connect(w->loop, w->port);
    peer_send(w->loop, fd, c->head, c->n);
    return fd;
}

static void a_head_that_can_be_read_in_two_ways_is_refused(void **state)
{
    struct world *w = *state;
    static const struct head_case odd[] = {
        HEAD_CASE("GET /echo HTTP/1.1"),
        HEAD_CASE("GET /echo HTTP/1.1\r\nX: 1"),
        ECHO_WITH("Host: t"),
        ECHO_WITH("Host: u"),
        HEAD_CASE("GET /echo HTTP/1.0\r\nHost: t\r\nHost: u"),
        ECHO_WITH("Authorization: Bearer a\r\nAuthorization: Bearer b"),
        ECHO_WITH("Authorization: Bearer a\0junk"),
        ECHO_WITH("Authorization: Bearer a\0junk\r\nX: 1"),
        ECHO_WITH("X: a\0b\r\nY: 1"),
        ECHO_WITH("Content-Length: 5\r\n b"),
        HEAD_CASE("GET http://other/echo HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET http://t.other/echo HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET https://t/echo HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET echo HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET /echo%00 HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET /echo%00/more HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET /echo?x=1%002 HTTP/1.1\r\nHost: t"),
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        expect_only(w, ask_bytes(w, &odd[i]), "400", ""); /* later libmicrohttpds refuse some */
    assert_int_equal(w->handled, 0);
}

/* RFC 9112, 5.2: refused, or joined by spaces as later libmicrohttpds do. */
static void a_folded_line_is_never_a_header_of_another_name(void **state)
{
    struct world *w = *state;
    static const struct head_case folded[] = {
        ECHO_WITH("Connection: close\r\nX-Test: a\r\n b"),
        ECHO_WITH("Connection: close\r\nX-Test: a\r\n\tb\r\nY: 1"),
    };
    for (size_t i = 0; i < sizeof folded / sizeof *folded; i++) {
        int fd = ask_bytes(w, &folded[i]);
        assert_false(peer_hears(w->loop, fd, "\x01", w->in, IN_SIZE));
        if (strncmp(w->in, "HTTP/1.1 400 ", 13) != 0)
            assert_non_null(strstr(w->in, "x-test=a "));
        close(fd);
    }
}

static void a_head_that_is_merely_unusual_is_read(void **state)
{
    struct world *w = *state;
    static const struct head_case fine[] = {
        HEAD_CASE("GET /echo HTTP/1.0"),
        HEAD_CASE("GET /echo HTTP/1.0\r\nHost: t"),
        ECHO_WITH("X:1\r\nY:\t2 \t \r\nZ:"),
        ECHO_WITH("X: 1\r\nX: 2"),
        HEAD_CASE("GET /echo HTTP/1.1\nHost: t\nAuthorization: Bearer a"),
        HEAD_CASE("GET http://t/echo HTTP/1.1\r\nHost: t"),
        HEAD_CASE("GET HTTP://T:80/echo?x=1 HTTP/1.1\r\nHost: t:80"),
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        int fd = ask_bytes(w, &fine[i]);
        expect(w, fd, "GET /echo name=(none)");
        close(fd);
    }
}

static void garbage_is_refused_and_harms_nobody(void **state)
{
    struct world *w = *state;
    static const char *const garbage[] = {
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls hello \r\n\r\n",
        "GET\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\r\n\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = ask(w, garbage[i]);
        assert_true(peer_hears_end(w->loop, fd)); /* at the latest at the deadline */
        close(fd);
    }
    assert_int_equal(w->handled, 0);
    int fd = ask(w, GET("/echo"));
    expect(w, fd, "GET /echo");
    close(fd);
}

static void connections_past_the_limit_hear_so_and_others_go_on(void **state)
{
    struct world *w = *state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = ask(w, GET("/echo"));
        expect(w, fds[i], "GET /echo");
    }
    assert_int_equal(http_server_open(w->server), 8);
    int extra = ask(w, GET("/echo"));
    expect(w, extra, "{\"error\":\"refused 503\"}");
    assert_true(peer_hears_end(w->loop, extra));
    close(extra);
    peer_says(w->loop, fds[0], GET("/echo"));
    expect(w, fds[0], "GET /echo");
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    assert_int_equal(w->handled, 9);
}

/* More than libmicrohttpd has places for, so that it stops listening for a while. They wait for
 * each other only as long as it takes to say so, though they do not go. */
static void newcomers_at_the_limit_hear_so_however_many_they_are(void **state)
{
    struct world *w = *state;
    enum { KNOWN = 8, NEW = 600 };
    int known[KNOWN], newcomers[NEW];
    for (int i = 0; i < KNOWN; i++) {
        known[i] = ask(w, GET("/echo"));
        expect(w, known[i], "GET /echo");
    }
    for (int i = 0; i < NEW; i++)
        newcomers[i] = peer_connect(w->loop, w->port);
    int64_t from = clock_mono();
    for (int i = 0; i < NEW; i++) {
        expect(w, newcomers[i], "{\"error\":\"refused 503\"}");
        assert_int_equal(strncmp(w->in, "HTTP/1.1 503 ", 13), 0);
    }
    assert_true(clock_mono() - from < 5 * USEC_PER_SEC);
    for (int i = 0; i < NEW; i++)
        close(newcomers[i]);
    for (int i = 0; i < KNOWN; i++)
        close(known[i]);
}

static void a_reader_that_is_too_slow_is_cut(void **state)
{
    struct world *w = *state;
    static char block[16 * 1024];
    int fd = ask(w, GET("/stream"));
    expect(w, fd, "\r\n\r\n");
    enum err e = OK;
    size_t written = 0, unsent = 0;
    while (e == OK && written < (64u << 20)) {
        unsent = http_stream_unsent(w->open);
        e = http_stream_write(w->open, block, sizeof(block));
        written += sizeof(block);
        loop_turn(w->loop, 0);
    }
    assert_int_equal(e, ERR_TOO_BIG);
    assert_true(unsent >= MAX_UNSENT - sizeof(block));
    peer_wait(w->loop, &w->gone);
    assert_int_equal(w->lost, 1);
    close(fd);
}

static void an_answer_that_nobody_takes_is_given_up(void **state)
{
    struct world *w = *state;
    enum { SIZE = 64 << 20 };
    int fd = ask(w, GET("/later"));
    peer_wait(w->loop, &w->has_open);
    char *body = mem_alloc(SIZE);
    http_reply(w->open, 200, NULL, NULL, body, SIZE);
    free(body);
    peer_wait(w->loop, &w->gone);
    assert_int_equal(w->lost, 1);
    close(fd);
}

static void head_requests_end_once_with_no_body(void **state)
{
    struct world *w = *state;
    int fd = ask(w, HEAD("/echo"));
    expect(w, fd, "\r\n\r\n");
    peer_wait(w->loop, &w->gone);
    assert_null(strstr(w->in, "HEAD /echo"));
    w->gone = false;
    peer_says(w->loop, fd, HEAD("/stream"));
    expect(w, fd, "\r\n\r\n");
    peer_wait(w->loop, &w->gone);
    assert_int_equal(w->complete, 2);
    close(fd);
}

static void a_draining_server_refuses_new_connections_and_finishes_old_ones(void **state)
{
    struct world *w = *state;
    int fd = ask(w, GET("/later"));
    peer_wait(w->loop, &w->has_open);
    http_server_stop_listening(w->server);
    http_reply(w->open, 200, NULL, NULL, "done", 4);
    expect(w, fd, "done");
    close(fd);
    struct errmsg msg;
    struct http_server *again = NULL;
    struct http_server_config config = {.host = "127.0.0.1", .port = w->port};
    assert_int_equal(http_server_new(w->loop, &config, on_exchange, w, &again, &msg), OK);
    struct http_server *third = NULL;
    assert_int_equal(http_server_new(w->loop, &config, on_exchange, w, &third, &msg), ERR_BUSY);
    assert_non_null(strstr(msg.text, "in use"));
    http_server_free(again);
}

static void freeing_a_server_ends_all_that_is_open(void **state)
{
    struct world *w = *state;
    int fd[3];
    static const char *const requests[] = {GET("/stream"), GET("/later"), "GET /half"};
    for (int i = 0; i < 3; i++) {
        fd[i] = ask(w, requests[i]);
        peer_turns(w->loop, 5000);
    }
    http_server_free(w->server);
    w->server = NULL;
    assert_int_equal(w->lost, 2);
    for (int i = 0; i < 3; i++) {
        assert_true(peer_hears_end(w->loop, fd[i]));
        close(fd[i]);
    }
}

#define TEST(name)           cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_IMPATIENT(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_arrive_whole_and_decoded_on_a_kept_connection),
        TEST_IMPATIENT(a_delayed_answer_arrives_when_given),
        TEST(a_stream_leaves_write_by_write),
        TEST(a_cut_stream_delivers_what_was_written_and_no_proper_end),
        TEST(a_vanished_client_is_noticed_within_a_second),
        TEST_IMPATIENT(half_a_header_is_cut_at_the_deadline_however_it_drips),
        TEST_IMPATIENT(half_a_body_and_half_a_second_request_are_cut_too),
        TEST_IMPATIENT(a_second_request_line_that_drips_is_cut_too),
        TEST_IMPATIENT(a_kept_connection_may_rest_for_longer_than_a_request),
        TEST(a_body_that_is_not_wanted_is_not_kept),
        TEST(big_bodies_are_refused_and_the_refusal_can_be_read),
        TEST(a_body_at_the_limit_is_taken),
        TEST(big_headers_are_refused),
        TEST(a_length_that_is_none_is_refused_once),
        TEST(a_head_that_can_be_read_in_two_ways_is_refused),
        TEST(a_folded_line_is_never_a_header_of_another_name),
        TEST(a_head_that_is_merely_unusual_is_read),
        TEST_IMPATIENT(garbage_is_refused_and_harms_nobody),
        TEST(connections_past_the_limit_hear_so_and_others_go_on),
        TEST(newcomers_at_the_limit_hear_so_however_many_they_are),
        TEST(a_reader_that_is_too_slow_is_cut),
        TEST_IMPATIENT(an_answer_that_nobody_takes_is_given_up),
        TEST(head_requests_end_once_with_no_body),
        TEST(a_draining_server_refuses_new_connections_and_finishes_old_ones),
        TEST(freeing_a_server_ends_all_that_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
