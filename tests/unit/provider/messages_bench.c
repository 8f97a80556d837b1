/* In: requests. Out: their ends, gathered, with the checks that every end must pass. */
#include "messages_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

const struct model plain_model = {
    .id = "claude-x", .rate_class = "x", .api_version = "2026-10-21", .max_output_tokens = 4096};

static void on_start(void *ctx, const struct provider_begin *begin)
{
    struct bench *b = ctx;
    b->starts++;
    assert_int_equal(begin->usage.input, 25);
    assert_true(begin->rates.at_us > 0);
}

static void on_text(void *ctx, const char *text, size_t n)
{
    struct bench *b = ctx;
    buf_put(&b->text, text, n);
    if (b->abort_after_text) {
        provider_abort(b->call, &b->aborted);
        b->ends = 1;
    }
}

static void on_end(void *ctx, const struct provider_end *end)
{
    struct bench *b = ctx;
    b->ends++;
    b->end = *end;
    buf_put(&b->final_text, end->text, end->len);
    (void)snprintf(b->error, sizeof(b->error), "%s", end->error);
    (void)snprintf(b->served, sizeof(b->served), "%s", end->served_model);
    (void)snprintf(b->request_id, sizeof(b->request_id), "%s", end->request_id);
}

int bench_setup(void **state)
{
    struct bench *b = mem_alloc(sizeof(*b));
    struct errmsg msg;
    b->text = b->final_text = BUF_INIT(1 << 20);
    assert_int_equal(loop_new(&b->loop), OK);
    assert_int_equal(http_client_new(b->loop, &(struct http_client_config){.max_connections = 8},
                                     &b->http, &msg),
                     OK);
    b->server = scripted_server_new(b->loop);
    struct messages_config config = {.base_url = scripted_server_url(b->server),
                                     .api_key = KEY,
                                     .header_timeout_us = LATE,
                                     .idle_timeout_us = LATE,
                                     .progress_timeout_us = 2 * LATE,
                                     .read_tick_us = MS};
    assert_int_equal(provider_messages_new(b->loop, b->http, &config, &b->provider, &msg), OK);
    *state = b;
    return 0;
}

int bench_teardown(void **state)
{
    struct bench *b = *state;
    provider_free(b->provider);
    http_client_free(b->http);
    scripted_server_free(b->server);
    loop_turn(b->loop, 0);
    loop_free(b->loop);
    buf_free(&b->text);
    buf_free(&b->final_text);
    free(b);
    return 0;
}

void bench_start(struct bench *b, const struct provider_request *request)
{
    static const struct provider_handlers handlers = {on_start, on_text, on_end};
    b->call = provider_start(b->provider, request, &handlers, b);
    assert_int_equal(b->ends, 0);
}

void bench_wait(struct bench *b)
{
    int64_t limit = loop_now(b->loop) + 20 * USEC_PER_SEC;
    while (b->ends == 0 && loop_now(b->loop) < limit)
        loop_turn(b->loop, 100 * MS);
    assert_int_equal(b->ends, 1);
}

void bench_run(struct bench *b)
{
    bench_start(
        b, &(struct provider_request){
               .model = &plain_model, .user = "Write.", .max_tokens = 100, .call_id = "call-1"});
    bench_wait(b);
    if (!b->abort_after_text)
        assert_string_equal(buf_str(&b->text), buf_str(&b->final_text));
    assert_null(strstr(b->error, KEY));
    assert_null(strchr(b->error, '\n'));
    if (b->end.class == CALL_DONE)
        assert_string_equal(b->error, "");
    else
        assert_true(b->error[0] != '\0' || b->abort_after_text);
}

void bench_play(struct bench *b, const char *head, const char *body)
{
    scripted_send(b->server, head);
    scripted_send(b->server, body);
    scripted_fin(b->server);
    bench_run(b);
}

void bench_check(const struct bench *b, enum call_class class, const char *text)
{
    if (b->end.class != class)
        print_error("%s: %s\n", call_class_name(b->end.class), b->error);
    assert_int_equal(b->end.class, class);
    assert_string_equal(buf_str(&b->text), text);
}
