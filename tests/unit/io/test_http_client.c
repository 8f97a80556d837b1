/* In: http_client.c. Out: what it says of good answers and of every way a peer can break off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "io/http_client.h"
#include "peer.h"

/* One call and what it said. */
struct seen {
    struct http_call *call;
    int status, ends, bodies;
    bool began, over;
    struct buf body;
    struct http_end end;
    char detail[256], header[128];
    const char *ask; /* the header to note in on_headers */
    enum { NEVER, IN_HEADERS, IN_BODY, IN_END } abort_in;
};

struct world {
    struct loop *loop;
    struct http_client *client;
    int listener;
    uint16_t port;
    char url[64];
};

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct seen *s = ctx;
    assert_ptr_equal(call, s->call);
    s->status = status;
    if (s->ask != NULL && http_header(call, s->ask) != NULL)
        (void)snprintf(s->header, sizeof(s->header), "%s", http_header(call, s->ask));
    if (s->abort_in == IN_HEADERS) {
        http_abort(call);
        s->over = true;
    }
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct seen *s = ctx;
    buf_put(&s->body, bytes, n);
    s->bodies++;
    s->began = true;
    if (s->abort_in == IN_BODY) {
        http_abort(s->call);
        s->over = true;
    }
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct seen *s = ctx;
    s->end = *end;
    (void)snprintf(s->detail, sizeof(s->detail), "%s", end->detail);
    s->ends++;
    s->over = true;
    if (s->abort_in == IN_END)
        http_abort(s->call);
}

static const struct http_handlers handlers = {on_headers, on_body, on_end};

static int set_up(void **state)
{
    static struct world w;
    w = (struct world){.loop = peer_loop()};
    struct http_client_config config = {.user_agent = "test/1"};
    assert_int_equal(http_client_new(w.loop, &config, &w.client, NULL), OK);
    w.listener = peer_listen(&w.port);
    (void)snprintf(w.url, sizeof(w.url), "http://127.0.0.1:%u/path", w.port);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_client_free(w->client);
    close(w->listener);
    loop_free(w->loop);
    return 0;
}

static struct http_request get(const struct world *w)
{
    return (struct http_request){.method = "GET", .url = w->url};
}

static void start(struct world *w, struct seen *s, const struct http_request *r)
{
    s->body = BUF_INIT(16 << 20);
    s->call = http_start(w->client, r, &handlers, s);
    assert_int_equal(s->ends, 0);
}

/* Starts the call, takes its connection and its request. */
static int take(struct world *w, struct seen *s, const struct http_request *r)
{
    char in[8192];
    start(w, s, r);
    int fd = peer_accept(w->loop, w->listener);
    assert_true(peer_hears(w->loop, fd, "\r\n\r\n", in, sizeof(in)));
    return fd;
}

static void expect_end(struct world *w, struct seen *s, enum err err, enum http_phase phase)
{
    peer_wait(w->loop, &s->over);
    peer_turns(w->loop, 0);
    assert_int_equal(s->end.err, err);
    assert_int_equal(s->end.phase, phase);
    assert_int_equal(s->ends, 1);
    assert_true(err == OK || s->detail[0] != '\0');
}

static void a_request_leaves_as_it_was_asked_for(void **state)
{
    struct world *w = *state;
    struct seen s = {0};
    char in[8192];
    static const char *const headers[] = {"X-Api-Key: secret", "content-type: application/json",
                                          NULL};
    char body[] = "{\"a\":1}";
    struct http_request r = {
        .method = "POST", .url = w->url, .headers = headers, .body = body, .body_len = 7};
    start(w, &s, &r);
    memset(body, 'x', 7); /* it was copied */
    int fd = peer_accept(w->loop, w->listener);
    assert_true(peer_hears(w->loop, fd, "{\"a\":1}", in, sizeof(in)));
    assert_int_equal(strncmp(in, "POST /path HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(in, "\r\nX-Api-Key: secret\r\n"));
    assert_non_null(strstr(in, "\r\ncontent-type: application/json\r\n"));
    assert_non_null(strstr(in, "\r\nUser-Agent: test/1\r\n"));
    assert_non_null(strstr(in, "\r\nContent-Length: 7\r\n"));
    assert_null(strstr(in, "Expect"));
    assert_null(strstr(in, "Accept-Encoding"));
    peer_says(w->loop, fd, "HTTP/1.1 204 No Content\r\n\r\n");
    expect_end(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(s.status, 204);
    close(fd);
}

static void an_answer_arrives_whole_and_its_connection_is_used_again(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    struct seen a = {.ask = "retry-after"}, b = {0};
    char in[8192];
    int fd = take(w, &a, &r);
    peer_says(w->loop, fd,
              "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\r\nRetry-After: 1\r\n"
              "retry-after: 7\r\nContent-Length: 5\r\n\r\nhe");
    peer_wait(w->loop, &a.began);
    peer_says(w->loop, fd, "llo");
    expect_end(w, &a, OK, HTTP_HEADERS);
    assert_int_equal(a.status, 429);
    assert_string_equal(a.header, "7");
    assert_string_equal(buf_str(&a.body), "hello");
    start(w, &b, &r);
    assert_true(peer_hears(w->loop, fd, "\r\n\r\n", in, sizeof(in)));
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_end(w, &b, OK, HTTP_HEADERS);
    assert_int_equal(http_client_stats(w->client).connects, 1);
    buf_free(&a.body);
    close(fd);
}

static void a_request_on_a_dying_kept_connection_is_not_sent_twice(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    struct seen a = {0}, b = {0};
    char in[8192];
    int fd = take(w, &a, &r);
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_end(w, &a, OK, HTTP_HEADERS);
    start(w, &b, &r);
    assert_true(peer_hears(w->loop, fd, "\r\n\r\n", in, sizeof(in)));
    close(fd);
    expect_end(w, &b, ERR_CLOSED, HTTP_SENT);
}

static void each_way_to_break_off_has_its_name(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *answer;
        bool reset;
        enum err err;
        enum http_phase phase;
    } cases[] = {
        {"", false, ERR_CLOSED, HTTP_SENT},
        {"", true, ERR_CLOSED, HTTP_SENT},
        {"HTTP/1.1 200 OK\r\nContent-", true, ERR_CLOSED, HTTP_SENT},
        {"SSH-2.0-OpenSSH_9.2\r\n", false, ERR_PROTOCOL, HTTP_SENT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false, ERR_CLOSED, HTTP_HEADERS},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true, ERR_CLOSED, HTTP_HEADERS},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false, ERR_CLOSED,
         HTTP_HEADERS},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", false, OK, HTTP_HEADERS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request r = get(w);
        struct seen s = {0};
        int fd = take(w, &s, &r);
        peer_says(w->loop, fd, cases[i].answer);
        peer_turns(w->loop, 2000);
        if (cases[i].reset)
            peer_reset(fd);
        else
            close(fd);
        print_message("case %zu\n", i);
        expect_end(w, &s, cases[i].err, cases[i].phase);
        if (cases[i].phase == HTTP_HEADERS)
            assert_int_equal(strncmp(buf_str(&s.body), cases[i].err == OK ? "until" : "half", 4),
                             0);
        buf_free(&s.body);
    }
}

static void refused_connections_and_bad_requests_end_later_with_a_reason(void **state)
{
    struct world *w = *state;
    uint16_t closed_port;
    close(peer_listen(&closed_port));
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", closed_port);
    static const char *const split[] = {"X: a\r\nEvil: b", NULL};
    const struct {
        struct http_request r;
        enum err err;
    } cases[] = {
        {{.method = "GET", .url = url}, ERR_CONNECT},
        {{.method = "GET", .url = "http://no.such.host.invalid/"}, ERR_CONNECT},
        {{.method = "GET", .url = "ftp://127.0.0.1/"}, ERR_INVALID},
        {{.method = "GET", .url = "not a url"}, ERR_INVALID},
        {{.method = "GET", .url = "http:///path"}, ERR_INVALID},
        {{.method = "GET", .url = "http://"}, ERR_INVALID},
        {{.method = "GET", .url = "http://127.0.0.1:99999/"}, ERR_INVALID},
        {{.method = "G ET", .url = w->url}, ERR_INVALID},
        {{.method = "GET", .url = w->url, .headers = split}, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen s = {0};
        print_message("case %zu\n", i);
        start(w, &s, &cases[i].r);
        expect_end(w, &s, cases[i].err, HTTP_CONNECTING);
    }
}

static int threads(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        count += e->d_name[0] != '.' ? 1 : 0;
    closedir(d);
    return count;
}

static void many_calls_to_an_unknown_name_do_not_start_as_many_threads(void **state)
{
    struct world *w = *state;
    enum { CALLS = 60 };
    static struct seen s[CALLS];
    struct http_request r = {
        .method = "GET", .url = "http://no.such.host.invalid/", .connect_timeout_us = USEC_PER_SEC};
    int before = threads(), most = 0, over = 0;
    for (int i = 0; i < CALLS; i++)
        start(w, &s[i], &r);
    while (over < CALLS) {
        loop_turn(w->loop, 1000);
        most = threads() > most ? threads() : most;
        over = 0;
        for (int i = 0; i < CALLS; i++)
            over += s[i].ends;
    }
    for (int i = 0; i < CALLS; i++)
        assert_true(s[i].end.err == ERR_CONNECT || s[i].end.err == ERR_TIMEOUT);
    assert_in_range(most - before, 0, 3);
}

static void silence_before_the_headers_ends_at_the_deadline(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    r.header_timeout_us = 60 * USEC_PER_MSEC;
    struct seen s = {0};
    int fd = take(w, &s, &r);
    int64_t from = clock_mono();
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\n"); /* a status line is not the headers */
    expect_end(w, &s, ERR_TIMEOUT, HTTP_SENT);
    assert_in_range(clock_mono() - from, 40 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
    close(fd);
}

static void silence_in_the_body_ends_at_the_idle_deadline_and_bytes_move_it(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    r.idle_timeout_us = 150 * USEC_PER_MSEC;
    struct seen s = {0};
    int fd = take(w, &s, &r);
    int64_t from = clock_mono();
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        peer_turns(w->loop, 50 * USEC_PER_MSEC);
        peer_says(w->loop, fd, "x");
    }
    assert_false(s.over);
    expect_end(w, &s, ERR_TIMEOUT, HTTP_HEADERS);
    assert_int_equal(s.body.len, 5);
    assert_true(clock_mono() - from >= 400 * USEC_PER_MSEC);
    buf_free(&s.body);
    close(fd);
}

static void an_abort_in_any_callback_is_the_last_one(void **state)
{
    struct world *w = *state;
    for (int where = IN_HEADERS; where <= IN_END; where++) {
        struct http_request r = get(w);
        r.read_tick_us = where == IN_BODY ? 1000 : 0;
        struct seen s = {.abort_in = where};
        int fd = take(w, &s, &r);
        peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        peer_wait(w->loop, &s.over);
        peer_turns(w->loop, 5000);
        assert_int_equal(s.ends, where == IN_END ? 1 : 0);
        assert_int_equal(s.bodies, where == IN_HEADERS ? 0 : 1);
        if (where != IN_END)
            assert_true(peer_hears_end(w->loop, fd));
        buf_free(&s.body);
        close(fd);
    }
}

static void aborts_before_the_start_and_the_answer_close_the_connection(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    struct seen a = {0}, b = {0};
    start(w, &a, &r);
    http_abort(a.call);
    int fd = take(w, &b, &r);
    http_abort(b.call);
    assert_true(peer_hears_end(w->loop, fd));
    assert_int_equal(a.ends + b.ends, 0);
    http_abort(NULL);
    close(fd);
}

static void a_ticked_stream_takes_several_events_in_one_read(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    r.read_tick_us = 100 * USEC_PER_MSEC;
    struct seen s = {0};
    int fd = take(w, &s, &r);
    int64_t from = clock_mono();
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 30; i++) {
        peer_says(w->loop, fd, "data: x\n\n");
        peer_turns(w->loop, 10 * USEC_PER_MSEC);
    }
    close(fd);
    expect_end(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(s.body.len, 30 * 9);
    /* At most one read in half a tick, and the first and the last one. */
    assert_in_range(s.bodies, 2, 2 * (clock_mono() - from) / r.read_tick_us + 2);
    buf_free(&s.body);
}

static void a_ticked_bulk_body_is_not_slowed_to_a_buffer_per_tick(void **state)
{
    struct world *w = *state;
    struct http_request r = get(w);
    r.read_tick_us = USEC_PER_SEC;
    struct seen s = {0};
    enum { SIZE = 4 << 20 };
    int fd = take(w, &s, &r);
    peer_says(w->loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
    static char block[65536];
    for (int i = 0; i < SIZE / 65536; i++)
        peer_send(w->loop, fd, block, sizeof(block));
    expect_end(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(s.body.len, SIZE);
    buf_free(&s.body);
    close(fd);
}

static void calls_past_the_connection_limit_wait_their_turn(void **state)
{
    struct world *w = *state;
    http_client_free(w->client);
    struct http_client_config config = {.max_connections = 2};
    assert_int_equal(http_client_new(w->loop, &config, &w->client, NULL), OK);
    struct http_request r = get(w);
    r.connect_timeout_us = 300 * USEC_PER_MSEC;
    struct seen s[3] = {{0}, {0}, {0}};
    char in[8192];
    int a = take(w, &s[0], &r), b = take(w, &s[1], &r);
    start(w, &s[2], &r);
    peer_turns(w->loop, 400 * USEC_PER_MSEC); /* waiting does not burn its time to connect */
    assert_int_equal(accept(w->listener, NULL, NULL), -1);
    assert_false(s[2].over);
    peer_says(w->loop, a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(peer_hears(w->loop, a, "\r\n\r\n", in, sizeof(in)));
    peer_says(w->loop, a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_end(w, &s[2], OK, HTTP_HEADERS);
    close(a);
    close(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_leaves_as_it_was_asked_for),
        TEST(an_answer_arrives_whole_and_its_connection_is_used_again),
        TEST(a_request_on_a_dying_kept_connection_is_not_sent_twice),
        TEST(each_way_to_break_off_has_its_name),
        TEST(refused_connections_and_bad_requests_end_later_with_a_reason),
        TEST(many_calls_to_an_unknown_name_do_not_start_as_many_threads),
        TEST(silence_before_the_headers_ends_at_the_deadline),
        TEST(silence_in_the_body_ends_at_the_idle_deadline_and_bytes_move_it),
        TEST(an_abort_in_any_callback_is_the_last_one),
        TEST(aborts_before_the_start_and_the_answer_close_the_connection),
        TEST(a_ticked_stream_takes_several_events_in_one_read),
        TEST(a_ticked_bulk_body_is_not_slowed_to_a_buffer_per_tick),
        TEST(calls_past_the_connection_limit_wait_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
