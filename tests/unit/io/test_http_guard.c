/* In: http_client.c with a guard and limits. Out: where it does not connect, and what it cuts off.
 */
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

#include "base/clock.h"
#include "io/address.h"
#include "io/http_client.h"
#include "peer.h"

struct world {
    struct loop *loop;
    struct http_client *client;
    struct address_guard *nothing, *loopback; /* what they permit */
    int listener;
    uint16_t port;
    char url[64];
};

struct seen {
    int status;
    bool over;
    enum err err;
    enum http_phase phase;
    char detail[256];
};

static void on_headers(void *ctx, struct http_call *call, int status)
{
    (void)call;
    ((struct seen *)ctx)->status = status;
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct seen *s = ctx;
    s->err = end->err;
    s->phase = end->phase;
    (void)snprintf(s->detail, sizeof s->detail, "%s", end->detail);
    s->over = true;
}

static const struct http_handlers handlers = {.on_headers = on_headers, .on_end = on_end};

static int set_up(void **state)
{
    static struct world w;
    w = (struct world){.loop = peer_loop()};
    assert_int_equal(http_client_new(w.loop, &(struct http_client_config){0}, &w.client, NULL), OK);
    assert_int_equal(address_guard_new(NULL, &w.nothing, NULL), OK);
    assert_int_equal(address_guard_new("127.0.0.0/8", &w.loopback, NULL), OK);
    w.listener = peer_listen(&w.port);
    (void)snprintf(w.url, sizeof w.url, "http://127.0.0.1:%u/hook", w.port);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_client_free(w->client);
    address_guard_free(w->nothing);
    address_guard_free(w->loopback);
    close(w->listener);
    loop_free(w->loop);
    return 0;
}

static void start(struct world *w, struct seen *s, const struct http_request *r)
{
    *s = (struct seen){0};
    (void)http_start(w->client, r, &handlers, s);
}

static void expect(struct world *w, struct seen *s, enum err err, enum http_phase phase)
{
    peer_wait(w->loop, &s->over);
    assert_int_equal(s->err, err);
    assert_int_equal(s->phase, phase);
}

static void no_connection_is_made_to_an_address_that_is_not_public(void **state)
{
    struct world *w = *state;
    char by_name[64], short_form[64], number[64];
    (void)snprintf(by_name, sizeof by_name, "http://localhost:%u/", w->port);
    (void)snprintf(short_form, sizeof short_form, "http://127.1:%u/", w->port);
    (void)snprintf(number, sizeof number, "http://0x7f000001:%u/", w->port);
    const char *const urls[] = {w->url,
                                by_name,
                                short_form,
                                number,
                                "http://[::ffff:127.0.0.1]/",
                                "http://169.254.169.254/latest/meta-data/",
                                "http://0.0.0.0/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct seen s;
        print_message("%s\n", urls[i]);
        start(w, &s, &(struct http_request){.method = "GET", .url = urls[i], .guard = w->nothing});
        expect(w, &s, ERR_PERMISSION, HTTP_CONNECTING);
        assert_non_null(strstr(s.detail, "not public"));
    }
    assert_int_equal(accept(w->listener, NULL, NULL), -1);
    assert_int_equal(http_client_stats(w->client).connects, 0);
}

static int answer(struct world *w, const char *text)
{
    char in[8192];
    int fd = peer_accept(w->loop, w->listener);
    assert_true(peer_hears(w->loop, fd, "\r\n\r\n", in, sizeof in));
    peer_says(w->loop, fd, text);
    return fd;
}

static void what_the_list_permits_is_reached(void **state)
{
    struct world *w = *state;
    struct seen s;
    start(w, &s, &(struct http_request){.method = "GET", .url = w->url, .guard = w->loopback});
    int fd = answer(w, "HTTP/1.1 204 No Content\r\n\r\n");
    expect(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(s.status, 204);
    close(fd);
}

static void a_connection_that_others_have_kept_is_judged_too(void **state)
{
    struct world *w = *state;
    struct seen s;
    start(w, &s, &(struct http_request){.method = "GET", .url = w->url});
    int fd = answer(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect(w, &s, OK, HTTP_HEADERS);
    start(w, &s, &(struct http_request){.method = "GET", .url = w->url, .guard = w->nothing});
    expect(w, &s, ERR_PERMISSION, HTTP_CONNECTING);
    close(fd);
}

static void a_redirect_is_an_answer_and_is_not_followed(void **state)
{
    struct world *w = *state;
    struct seen s;
    char text[256];
    (void)snprintf(text, sizeof text,
                   "HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", w->url);
    start(w, &s, &(struct http_request){.method = "GET", .url = w->url, .guard = w->loopback});
    int fd = answer(w, text);
    expect(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(s.status, 307);
    close(fd);
    assert_int_equal(accept(w->listener, NULL, NULL), -1);
}

static void no_proxy_of_the_environment_is_used(void **state)
{
    struct world *w = *state;
    struct seen s;
    uint16_t closed;
    char proxy[64];
    close(peer_listen(&closed));
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", closed);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    assert_int_equal(setenv("ALL_PROXY", proxy, 1), 0);
    start(w, &s, &(struct http_request){.method = "GET", .url = w->url, .guard = w->loopback});
    close(answer(w, "HTTP/1.1 204 No Content\r\n\r\n"));
    expect(w, &s, OK, HTTP_HEADERS);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static void an_answer_past_its_limits_is_cut(void **state)
{
    struct world *w = *state;
    struct seen s;
    struct http_request r = {
        .method = "GET", .url = w->url, .max_header_bytes = 64, .max_body_bytes = 10};
    start(w, &s, &r);
    int fd = answer(w, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    expect(w, &s, OK, HTTP_HEADERS);
    close(fd);
    start(w, &s, &r);
    fd = answer(w, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a");
    expect(w, &s, ERR_TOO_BIG, HTTP_HEADERS);
    close(fd);
    start(w, &s, &r);
    fd = answer(w, "HTTP/1.1 200 OK\r\nX-Long: 01234567890123456789012345678901234567890123456"
                   "\r\n\r\n");
    expect(w, &s, ERR_TOO_BIG, HTTP_SENT);
    close(fd);
}

static void a_call_that_drips_ends_at_its_total_time(void **state)
{
    struct world *w = *state;
    struct seen s;
    int64_t from = clock_mono();
    start(w, &s,
          &(struct http_request){.method = "GET",
                                 .url = w->url,
                                 .idle_timeout_us = USEC_PER_SEC,
                                 .total_timeout_us = 200 * USEC_PER_MSEC});
    int fd = answer(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (!s.over && clock_mono() - from < 5 * USEC_PER_SEC) {
        peer_turns(w->loop, 20 * USEC_PER_MSEC);
        if (!s.over)
            peer_says(w->loop, fd, "x");
    }
    expect(w, &s, ERR_TIMEOUT, HTTP_HEADERS);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_connection_is_made_to_an_address_that_is_not_public,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_list_permits_is_reached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_that_others_have_kept_is_judged_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_redirect_is_an_answer_and_is_not_followed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_proxy_of_the_environment_is_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_past_its_limits_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_that_drips_ends_at_its_total_time, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
