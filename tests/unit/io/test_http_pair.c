/* In: our client and our server on one loop. Out: that many streams at once arrive whole, in order
 * and only once, and that each side notices the other's going. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/sse.h"
#include "peer.h"

enum { STREAMS = 200, EVENTS = 30 };

struct feed { /* the server's side of a stream */
    struct world *w;
    struct http_exchange *x;
    int sent;
    struct loop_timer timer;
};

struct listener { /* the client's side */
    struct world *w;
    struct http_call *call;
    struct sse_reader reader;
    int status, next;
    bool over;
    enum err err;
};

struct world {
    struct loop *loop;
    struct http_client *client;
    struct http_server *server;
    char url[64];
    int begun, complete, lost, over;
    bool all_over, one_lost, quiet; /* quiet: feeds say nothing */
    struct feed feeds[STREAMS];
    struct listener listeners[STREAMS];
};

static void feed_gone(void *ctx, bool complete)
{
    struct feed *f = ctx;
    timer_stop(f->w->loop, &f->timer);
    f->w->complete += complete ? 1 : 0;
    f->w->lost += complete ? 0 : 1;
    f->w->one_lost = f->w->one_lost || !complete;
}

static void feed_next(void *ctx)
{
    struct feed *f = ctx;
    struct buf out = BUF_INIT(1024);
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", f->sent++);
    assert_int_equal(sse_write(&out, "count", NULL, text, (size_t)n), OK);
    assert_int_equal(http_stream_write(f->x, out.data, out.len), OK);
    buf_free(&out);
    if (f->sent == EVENTS)
        http_stream_end(f->x);
    else
        timer_set(f->w->loop, &f->timer, loop_now(f->w->loop) + 3000, feed_next, f);
}

static void on_exchange(void *ctx, struct http_exchange *x)
{
    struct world *w = ctx;
    size_t len;
    if (strcmp(http_path(x), "/whole") == 0) {
        const char *body = http_body(x, &len);
        http_reply(x, 200, "text/plain", NULL, body, len);
        return;
    }
    struct feed *f = &w->feeds[w->begun++];
    *f = (struct feed){.w = w, .x = x};
    http_on_gone(x, feed_gone, f);
    http_stream_begin(x, 200, "text/event-stream", NULL);
    if (!w->quiet)
        timer_set(w->loop, &f->timer, loop_now(w->loop), feed_next, f);
}

static enum err on_event(void *ctx, const struct sse_event *event)
{
    struct listener *l = ctx;
    assert_string_equal(event->type, "count");
    assert_int_equal(atoi(event->data), l->next);
    l->next++;
    return OK;
}

static void on_headers(void *ctx, struct http_call *call, int status)
{
    (void)call;
    ((struct listener *)ctx)->status = status;
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct listener *l = ctx;
    if (l->status == 200)
        assert_int_equal(sse_reader_feed(&l->reader, bytes, n, on_event, l), OK);
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct listener *l = ctx;
    l->err = end->err;
    l->over = true;
    l->w->all_over = ++l->w->over == STREAMS;
}

static const struct http_handlers handlers = {on_headers, on_body, on_end};

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    w->loop = peer_loop();
    struct http_server_config config = {.host = "127.0.0.1"};
    assert_int_equal(http_server_new(w->loop, &config, on_exchange, w, &w->server, NULL), OK);
    struct http_client_config client_config = {.user_agent = NULL};
    assert_int_equal(http_client_new(w->loop, &client_config, &w->client, NULL), OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_client_free(w->client);
    http_server_free(w->server);
    loop_free(w->loop);
    for (int i = 0; i < STREAMS; i++)
        sse_reader_free(&w->listeners[i].reader);
    assert_int_equal(w->complete + w->lost, w->begun);
    free(w);
    return 0;
}

static struct listener *start(struct world *w, int i, const char *path, struct http_request r)
{
    struct listener *l = &w->listeners[i];
    (void)snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u%s", http_server_port(w->server),
                   path);
    r.method = r.body == NULL ? "GET" : "POST";
    r.url = w->url;
    sse_reader_free(&l->reader);
    *l = (struct listener){.w = w};
    sse_reader_init(&l->reader, 1024);
    l->call = http_start(w->client, &r, &handlers, l);
    return l;
}

static void two_hundred_streams_at_once_arrive_whole_and_in_order(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < STREAMS; i++)
        (void)start(w, i, "/s", (struct http_request){.read_tick_us = i % 2 == 0 ? 20000 : 0});
    peer_wait(w->loop, &w->all_over);
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(w->listeners[i].err, OK);
        assert_int_equal(w->listeners[i].next, EVENTS);
    }
    assert_int_equal(w->complete, STREAMS);
    assert_int_equal(w->lost, 0);
}

static void one_connection_serves_many_calls(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 50; i++) {
        struct listener *l =
            start(w, 0, "/whole", (struct http_request){.body = "", .body_len = 0});
        peer_wait(w->loop, &l->over);
        assert_int_equal(l->err, OK);
        assert_int_equal(l->status, 200);
    }
    assert_int_equal(http_client_stats(w->client).connects, 1);
    assert_int_equal(http_server_open(w->server), 1);
}

static void a_body_of_ten_megabytes_is_refused_and_the_client_hears_why(void **state)
{
    struct world *w = *state;
    size_t size = 10u << 20;
    char *body = mem_alloc(size);
    struct listener *l =
        start(w, 0, "/whole", (struct http_request){.body = body, .body_len = size});
    peer_wait(w->loop, &l->over);
    assert_int_equal(l->err, OK);
    assert_int_equal(l->status, 413);
    free(body);
}

static void an_aborted_call_is_noticed_by_the_server_within_a_second(void **state)
{
    struct world *w = *state;
    w->quiet = true;
    struct listener *l = start(w, 0, "/s", (struct http_request){.read_tick_us = 1000});
    while (l->status == 0)
        loop_turn(w->loop, 1000);
    int64_t from = clock_mono();
    http_abort(l->call);
    peer_wait(w->loop, &w->one_lost);
    assert_true(clock_mono() - from < 1500 * USEC_PER_MSEC);
    assert_false(l->over);
}

static void a_cut_stream_ends_the_call_as_closed(void **state)
{
    struct world *w = *state;
    w->quiet = true;
    struct listener *l = start(w, 0, "/s", (struct http_request){.read_tick_us = 1000});
    while (l->status == 0)
        loop_turn(w->loop, 1000);
    feed_next(&w->feeds[0]);
    http_cut(w->feeds[0].x);
    peer_wait(w->loop, &l->over);
    assert_int_equal(l->err, ERR_CLOSED);
    assert_int_equal(l->next, 1);
}

static void freeing_the_client_ends_its_streams_on_the_server(void **state)
{
    struct world *w = *state;
    w->quiet = true;
    for (int i = 0; i < 20; i++)
        (void)start(w, i, "/s", (struct http_request){.read_tick_us = 1000});
    while (w->begun < 20)
        loop_turn(w->loop, 1000);
    struct http_client_config config = {.user_agent = NULL};
    http_client_free(w->client);
    assert_int_equal(http_client_new(w->loop, &config, &w->client, NULL), OK);
    while (w->lost < 20)
        loop_turn(w->loop, 100000);
    assert_int_equal(w->over, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_hundred_streams_at_once_arrive_whole_and_in_order),
        TEST(one_connection_serves_many_calls),
        TEST(a_body_of_ten_megabytes_is_refused_and_the_client_hears_why),
        TEST(an_aborted_call_is_noticed_by_the_server_within_a_second),
        TEST(a_cut_stream_ends_the_call_as_closed),
        TEST(freeing_the_client_ends_its_streams_on_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
