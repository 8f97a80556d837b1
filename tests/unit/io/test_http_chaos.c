/* In: a seed. Out: that whatever both sides do in whatever order, each exchange is gone once, each
 * call ends once or was aborted, and a stream is a whole prefix of what was written. */
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
#include "base/rng.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "peer.h"

enum { CALLS = 400, AT_ONCE = 40 };

/* One call, both sides of it. Its stream is the bytes 0, 1, 2, ... modulo 251. */
struct pair {
    struct chaos *c;
    struct http_call *call; /* NULL before it starts and after it ended */
    struct http_exchange *x;
    struct loop_timer timer;
    size_t written, heard;
    int ends, gones;
    bool aborted, began, finished, cut;
    enum err err;
};

struct chaos {
    struct loop *loop;
    struct http_client *client;
    struct http_server *server;
    struct rng rng;
    struct pair pairs[CALLS];
    int started, open, exchanges, gones;
};

static void act(void *ctx);

static void act_soon(struct pair *p)
{
    struct chaos *c = p->c;
    timer_set(c->loop, &p->timer, loop_now(c->loop) + rng_below(&c->rng, 4000), act, p);
}

static void write_some(struct pair *p)
{
    char bytes[3000];
    size_t n = 1 + rng_below(&p->c->rng, sizeof(bytes));
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((p->written + i) % 251);
    if (http_stream_write(p->x, bytes, n) == OK)
        p->written += n;
}

/* The server's next step. */
static void act(void *ctx)
{
    struct pair *p = ctx;
    uint32_t what = rng_below(&p->c->rng, 20);
    if (!p->began && what < 2) {
        http_reply(p->x, 503, NULL, NULL, "", 0);
        p->finished = true;
    } else if (what == 2) {
        http_cut(p->x);
        p->cut = true;
    } else if (!p->began) {
        http_stream_begin(p->x, 200, NULL, NULL);
        p->began = true;
        act_soon(p);
    } else if (what < 5) {
        http_stream_end(p->x);
        p->finished = true;
    } else {
        write_some(p);
        act_soon(p);
    }
}

static void on_gone(void *ctx, bool complete)
{
    struct pair *p = ctx;
    timer_stop(p->c->loop, &p->timer);
    p->gones++;
    p->c->gones++;
    p->x = NULL;
    assert_true(!complete || p->finished);
}

static void on_exchange(void *ctx, struct http_exchange *x)
{
    struct chaos *c = ctx;
    struct pair *p = &c->pairs[atoi(http_path(x) + 1)];
    assert_null(p->x);
    p->x = x;
    c->exchanges++;
    http_on_gone(x, on_gone, p);
    if (rng_below(&c->rng, 2) == 0)
        act(p);
    else
        act_soon(p);
}

static void abort_call(struct pair *p)
{
    http_abort(p->call);
    p->call = NULL;
    p->aborted = true;
    p->c->open--;
}

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct pair *p = ctx;
    assert_ptr_equal(p->call, call);
    assert_true(status == 200 || status == 503);
    if (rng_below(&p->c->rng, 20) == 0)
        abort_call(p);
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct pair *p = ctx;
    assert_false(p->aborted);
    for (size_t i = 0; i < n; i++)
        assert_int_equal((unsigned char)bytes[i], (p->heard + i) % 251);
    p->heard += n;
    assert_true(p->heard <= p->written);
    if (rng_below(&p->c->rng, 60) == 0)
        abort_call(p);
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct pair *p = ctx;
    assert_false(p->aborted);
    p->ends++;
    p->err = end->err;
    p->call = NULL;
    p->c->open--;
}

static void start_one(struct chaos *c)
{
    static const struct http_handlers handlers = {on_headers, on_body, on_end};
    char url[64];
    int i = c->started++;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/%d", http_server_port(c->server), i);
    struct http_request r = {.method = "GET",
                             .url = url,
                             .idle_timeout_us = 20 * USEC_PER_SEC,
                             .read_tick_us = rng_below(&c->rng, 3) * 2000};
    struct pair *p = &c->pairs[i];
    p->c = c;
    p->call = http_start(c->client, &r, &handlers, p);
    c->open++;
    if (rng_below(&c->rng, 40) == 0)
        abort_call(p);
}

static void abort_any(struct chaos *c)
{
    struct pair *p = &c->pairs[rng_below(&c->rng, (uint32_t)c->started)];
    if (p->call != NULL)
        abort_call(p);
}

static void check(const struct chaos *c)
{
    for (int i = 0; i < CALLS; i++) {
        const struct pair *p = &c->pairs[i];
        assert_int_equal(p->ends, p->aborted ? 0 : 1);
        assert_in_range(p->gones, p->aborted ? 0 : 1, 1);
        if (p->aborted)
            continue;
        assert_int_equal(p->err, p->cut ? ERR_CLOSED : OK);
        if (!p->cut)
            assert_int_equal(p->heard, p->written);
    }
}

static void whatever_both_sides_do_each_end_is_told_once(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text == NULL ? rng_seed_from_os() : strtoull(text, NULL, 10);
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct chaos *c = mem_alloc(sizeof(*c));
    c->rng = rng_seed(seed, 1);
    c->loop = peer_loop();
    struct http_server_config config = {.host = "127.0.0.1"};
    assert_int_equal(http_server_new(c->loop, &config, on_exchange, c, &c->server, NULL), OK);
    struct http_client_config client_config = {.max_connections = AT_ONCE / 2};
    assert_int_equal(http_client_new(c->loop, &client_config, &c->client, NULL), OK);
    int64_t end = clock_mono() + 60 * USEC_PER_SEC;
    while (c->started < CALLS || c->open > 0 || c->gones < c->exchanges) {
        while (c->started < CALLS && c->open < AT_ONCE)
            start_one(c);
        if (rng_below(&c->rng, 30) == 0)
            abort_any(c);
        loop_turn(c->loop, 10 * USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
    check(c);
    http_client_free(c->client);
    http_server_free(c->server);
    loop_free(c->loop);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_both_sides_do_each_end_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
