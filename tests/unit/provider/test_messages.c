/* In: the real HTTP client against a server that answers by script: whole answers, refusals of all
 * kinds, our own aborts. Out: the class of each end and all that was told. Faults are numbered as
 * the list of provider faults does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "messages_bench.h"
#include "stream_bodies.h"

/* ---- the plain case ---- */

static void an_answer_comes_with_all_that_was_told(void **state)
{
    struct bench *b = *state;
    bench_play(b,
               HEAD "request-id: req_7\r\nconnection: close\r\n"
                    "anthropic-ratelimit-requests-limit: 1000\r\n"
                    "anthropic-ratelimit-requests-remaining: 999\r\n"
                    "anthropic-ratelimit-requests-reset: 2026-11-23T17:00:00Z\r\n"
                    "anthropic-ratelimit-output-tokens-remaining: 12000\r\n\r\n",
               START BLOCK("0", "text") TEXT("0", "Caf\\u00e9 ") TEXT("0", "noir.") BLOCK_STOP("0")
                   END_TURN STOP);
    bench_check(b, CALL_DONE, "Caf\xc3\xa9 noir.");
    assert_int_equal(b->starts, 1);
    assert_int_equal(b->end.stop, STOP_END_TURN);
    assert_int_equal(b->end.usage.input, 25);
    assert_int_equal(b->end.usage.output, 15);
    assert_int_equal(b->end.usage.cache_read, 100);
    assert_int_equal(b->end.usage.cache_write_5m, 7);
    assert_true(b->end.usage_final && b->end.sent && b->end.billed);
    assert_int_equal(b->end.http_status, 200);
    assert_string_equal(b->served, "claude-x");
    assert_string_equal(b->request_id, "req_7");
    assert_int_equal(b->end.rates.requests.limit, 1000);
    assert_int_equal(b->end.rates.requests.remaining, 999);
    assert_int_equal(b->end.rates.requests.reset_us, (int64_t)1795453200 * USEC_PER_SEC);
    assert_int_equal(b->end.rates.output.remaining, 12000);
    assert_int_equal(b->end.rates.output.limit, -1);
    assert_int_equal(b->end.rates.input.remaining, -1);
}

static void the_request_is_what_the_api_wants(void **state)
{
    struct bench *b = *state;
    struct model model = plain_model;
    model.schema = true;
    scripted_send(b->server, STREAM START END_TURN STOP);
    scripted_fin(b->server);
    bench_start(b, &(struct provider_request){.model = &model,
                                              .system = "Be \"brief\".",
                                              .user = "Write\nit.",
                                              .schema = "{\"type\": \"object\"}",
                                              .max_tokens = 9000,
                                              .call_id = "call-1"});
    bench_wait(b);
    const char *request = scripted_server_request(b->server);
    assert_memory_equal(request, "POST /v1/messages HTTP/1.1\r\n", 28);
    assert_non_null(strstr(request, "\r\nx-api-key: " KEY "\r\n"));
    assert_non_null(strstr(request, "\r\nanthropic-version: 2026-10-21\r\n"));
    assert_non_null(strstr(request, "\r\ncontent-type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\nx-scriptorium-call: call-1\r\n"));
    assert_non_null(strstr(request, "\r\nuser-agent: scriptorium/"));
    assert_string_equal(
        strstr(request, "\r\n\r\n") + 4,
        "{\"model\":\"claude-x\",\"max_tokens\":4096,\"stream\":true,"
        "\"system\":[{\"type\":\"text\",\"text\":\"Be \\\"brief\\\".\"}],"
        "\"messages\":[{\"role\":\"user\",\"content\":\"Write\\nit.\"}],"
        "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\": "
        "\"object\"}}}}");
}

static void a_long_system_prompt_is_cached_and_a_schema_only_sent_where_taken(void **state)
{
    struct bench *b = *state;
    char *system = mem_alloc(20001);
    for (int i = 0; i < 20000; i++)
        system[i] = i % 5 == 4 ? ' ' : 'a'; /* 4,000 words */
    scripted_send(b->server, STREAM START END_TURN STOP);
    scripted_fin(b->server);
    bench_start(b, &(struct provider_request){.model = &plain_model,
                                              .system = system,
                                              .user = "Go.",
                                              .schema = "{}",
                                              .max_tokens = 5});
    bench_wait(b);
    const char *request = scripted_server_request(b->server);
    assert_non_null(strstr(request, "\",\"cache_control\":{\"type\":\"ephemeral\"}}]"));
    assert_null(strstr(request, "output_config"));
    assert_null(strstr(request, "x-scriptorium-call"));
    free(system);
}

static void a_schema_that_is_not_json_is_never_sent(void **state)
{
    struct bench *b = *state;
    struct model model = plain_model;
    model.schema = true;
    bench_start(b, &(struct provider_request){.model = &model, .user = "x", .schema = "[1]"});
    bench_wait(b);
    bench_check(b, CALL_PERMANENT, "");
    assert_false(b->end.sent);
    assert_int_equal(scripted_server_requests(b->server), 0);
}

static void bad_configuration_is_refused_without_showing_the_key(void **state)
{
    struct bench *b = *state;
    struct provider *p = NULL;
    struct errmsg msg;
    struct messages_config config = {.base_url = "ftp://x", .api_key = "k"};
    assert_int_equal(provider_messages_new(b->loop, b->http, &config, &p, &msg), ERR_INVALID);
    config.base_url = "https://x";
    config.api_key = "";
    assert_int_equal(provider_messages_new(b->loop, b->http, &config, &p, &msg), ERR_INVALID);
    assert_string_equal(msg.text, "no API key; set ANTHROPIC_API_KEY");
    config.api_key = "secret\r\nx-evil: 1";
    assert_int_equal(provider_messages_new(b->loop, b->http, &config, &p, &msg), ERR_INVALID);
    assert_null(strstr(msg.text, "secret"));
    assert_null(p);
}

/* ---- refusals ---- */

static void refuse(struct bench *b, const char *status, const char *headers, const char *body)
{
    char *head =
        mem_printf("HTTP/1.1 %s\r\n%scontent-length: %zu\r\n\r\n", status, headers, strlen(body));
    bench_play(b, head, body);
    free(head);
    assert_false(b->end.billed || b->end.usage_final);
    assert_true(b->end.sent);
    assert_int_equal(b->end.usage.input + b->end.usage.output, 0);
}

static void fault_1_a_429_tells_how_long_and_which_limit(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 Too Many Requests",
           "retry-after: 7\r\nanthropic-ratelimit-input-tokens-limit: 50000\r\n"
           "anthropic-ratelimit-input-tokens-remaining: 0\r\n",
           ERROR("rate_limit_error", "slow down"));
    bench_check(b, CALL_THROTTLED, "");
    assert_int_equal(b->end.retry_after_us, 7 * USEC_PER_SEC);
    assert_int_equal(b->end.rates.input.remaining, 0);
    assert_int_equal(b->end.rates.input.limit, 50000);
    assert_int_equal(b->end.http_status, 429);
    assert_string_equal(b->error, "the provider answered 429 rate_limit_error: slow down");
}

static void fault_2_a_spend_limit_parks(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 Too Many Requests", "",
           ERROR_CODE("rate_limit_error", "enforced_spend_limit_reached"));
    bench_check(b, CALL_PARKED, "");
    assert_int_equal(b->end.retry_after_us, -1);
    assert_string_equal(b->error, "the provider answered 429 enforced_spend_limit_reached: m");
}

static void fault_2_a_contracts_spend_limit_parks(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 x", "retry-after: 3\r\n",
           ERROR_CODE("rate_limit_error", "contract_spend_limit_reached"));
    bench_check(b, CALL_PARKED, "");
}

static void fault_3_a_ramp_limit_is_told_apart(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 x", "", ERROR_CODE("rate_limit_error", "ramp_limit_exceeded"));
    bench_check(b, CALL_RAMP, "");
}

static void fault_4_overload_says_whether_to_retry(void **state)
{
    struct bench *b = *state;
    refuse(b, "529 Overloaded", "x-should-retry: true\r\n", ERROR("overloaded_error", "busy"));
    bench_check(b, CALL_OVERLOADED, "");
    assert_int_equal(b->end.should_retry, 1);
}

static void fault_5_a_500_can_forbid_the_retry(void **state)
{
    struct bench *b = *state;
    refuse(b, "500 Internal Server Error", "x-should-retry: false\r\n", ERROR("api_error", "no"));
    bench_check(b, CALL_OVERLOADED, "");
    assert_int_equal(b->end.should_retry, 0);
}

static void fault_6_an_http_date_is_a_time_to_wait(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 x", "retry-after: Fri, 31 Dec 2100 23:59:59 GMT\r\n",
           ERROR("rate_limit_error", "m"));
    assert_int_equal(b->end.retry_after_us, (int64_t)3600 * USEC_PER_SEC); /* clamped */
}

static void fault_6_senseless_times_are_clamped_or_ignored(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 x", "retry-after-ms: NaN\r\nretry-after: 1e9\r\n",
           ERROR("rate_limit_error", "m"));
    assert_int_equal(b->end.retry_after_us, (int64_t)3600 * USEC_PER_SEC);
}

static void fault_6_a_negative_time_is_none(void **state)
{
    struct bench *b = *state;
    refuse(b, "429 x", "retry-after: -5\r\n", ERROR("rate_limit_error", "m"));
    assert_int_equal(b->end.retry_after_us, -1);
}

static void fault_7_senseless_rate_headers_are_as_absent(void **state)
{
    struct bench *b = *state;
    bench_play(b,
               HEAD "connection: close\r\nanthropic-ratelimit-requests-limit: many\r\n"
                    "anthropic-ratelimit-requests-remaining: -4\r\n"
                    "anthropic-ratelimit-requests-reset: tomorrow\r\n"
                    "anthropic-ratelimit-input-tokens-limit: 99999999999999999999\r\n"
                    "anthropic-ratelimit-input-tokens-reset: 2026-02-30T00:00:00Z\r\n"
                    "anthropic-ratelimit-output-tokens-reset: 2026-11-23T18:00:00.5+01:00\r\n\r\n",
               START END_TURN STOP);
    bench_check(b, CALL_DONE, "");
    const struct rate_report *r = &b->end.rates;
    assert_int_equal(r->requests.limit, -1);
    assert_int_equal(r->requests.remaining, -1);
    assert_int_equal(r->requests.reset_us, -1);
    assert_int_equal(r->input.limit, -1);
    assert_int_equal(r->input.reset_us, -1);
    assert_int_equal(r->output.reset_us, (int64_t)1795453200 * USEC_PER_SEC + 500000);
}

static void a_refused_key_is_for_the_operator_and_never_shown(void **state)
{
    struct bench *b = *state;
    refuse(b, "401 Unauthorized", "",
           ERROR("authentication_error", "invalid x-api-key " KEY "\\nsee docs"));
    bench_check(b, CALL_OPERATOR, "");
    assert_string_equal(b->error, "the provider answered 401 authentication_error: invalid "
                                  "x-api-key  see docs; check the API key");
}

static void every_status_has_its_class(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        enum call_class class;
    } table[] = {
        {"302 Found", CALL_OPERATOR},      {"400 Bad Request", CALL_PERMANENT},
        {"402 Pay", CALL_OPERATOR},        {"403 Forbidden", CALL_OPERATOR},
        {"404 Not Found", CALL_OPERATOR},  {"408 Timeout", CALL_RETRY},
        {"409 Conflict", CALL_RETRY},      {"413 Too Large", CALL_PERMANENT},
        {"422 What", CALL_PERMANENT},      {"429 Slow", CALL_THROTTLED},
        {"500 Oops", CALL_OVERLOADED},     {"502 Bad Gateway", CALL_OVERLOADED},
        {"504 Too Late", CALL_OVERLOADED}, {"520 Strange", CALL_OVERLOADED},
        {"529 Busy", CALL_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        void *fresh;
        bench_setup(&fresh);
        struct bench *b = fresh;
        refuse(b, table[i].status, "", "");
        bench_check(b, table[i].class, "");
        bench_teardown(&fresh);
    }
}

static void fault_24_a_page_instead_of_json_is_classified_by_status(void **state)
{
    struct bench *b = *state;
    refuse(b, "413 Request Entity Too Large", "content-type: text/html\r\n",
           "<html><body><h1>413</h1></body></html>");
    bench_check(b, CALL_PERMANENT, "");
    assert_string_equal(b->error, "the provider answered 413: with a page that is not the "
                                  "provider's JSON");
}

static void fault_24_an_endless_error_page_is_read_to_a_bound(void **state)
{
    struct bench *b = *state;
    char *page = mem_alloc(100001);
    memset(page, 'x', 100000);
    scripted_send(b->server, "HTTP/1.1 520 Strange\r\nconnection: close\r\n\r\n");
    scripted_send(b->server, page);
    bench_run(b); /* the server never ends it */
    bench_check(b, CALL_OVERLOADED, "");
    free(page);
}

static void fault_24_a_reset_before_the_headers_was_sent_and_may_be_retried(void **state)
{
    struct bench *b = *state;
    scripted_rst(b->server);
    bench_run(b);
    bench_check(b, CALL_RETRY, "");
    assert_true(b->end.sent);
    assert_false(b->end.billed);
    assert_int_equal(b->end.http_status, 0);
}

static void fault_24_garbage_instead_of_an_event_stream_is_no_success(void **state)
{
    struct bench *b = *state;
    bench_play(b, HEAD "content-encoding: gzip\r\nconnection: close\r\n\r\n",
               "\x1f\x8b\x08\x01\x02 not gzip at all");
    bench_check(b, CALL_RETRY, "");
    assert_false(b->end.billed);
}

static void nobody_at_the_address_means_nothing_was_sent(void **state)
{
    struct bench *b = *state;
    char url[64];
    (void)snprintf(url, sizeof(url), "%s", scripted_server_url(b->server));
    scripted_server_free(b->server);
    b->server = NULL;
    bench_run(b);
    bench_check(b, CALL_UNREACHABLE, "");
    assert_false(b->end.sent);
    assert_non_null(strstr(b->error, url));
    assert_int_equal(b->end.http_status, 0);
}

/* ---- our own end ---- */

static void an_abort_tells_what_was_used_so_far(void **state)
{
    struct bench *b = *state;
    b->abort_after_text = 1;
    scripted_send(b->server,
                  STREAM START BLOCK("0", "text") TEXT("0", "one two three") TEXT("0", "never"));
    bench_run(b); /* aborted inside the callback: no further text, no end */
    assert_string_equal(buf_str(&b->text), "one two three");
    assert_int_equal(b->aborted.input, 25);
    assert_int_equal(b->aborted.output, tokens_estimate("one two three", 13));
    for (int i = 0; i < 5; i++)
        loop_turn(b->loop, 10 * MS);
    assert_int_equal(b->ends, 1);
}

static void an_abort_before_anything_came_costs_nothing(void **state)
{
    struct bench *b = *state;
    bench_start(b, &(struct provider_request){.model = &plain_model, .user = "x", .max_tokens = 1});
    struct usage usage = {.input = 9};
    provider_abort(b->call, &usage);
    assert_int_equal(usage.input + usage.output, 0);
    provider_abort(NULL, NULL);
    loop_turn(b->loop, 10 * MS);
    assert_int_equal(b->ends, 0);
}

static void freeing_the_provider_ends_what_runs(void **state)
{
    struct bench *b = *state;
    scripted_send(b->server, STREAM START);
    for (int i = 0; i < 3; i++)
        bench_start(
            b, &(struct provider_request){.model = &plain_model, .user = "x", .max_tokens = 1});
    for (int i = 0; i < 200 && b->starts < 3; i++)
        loop_turn(b->loop, 10 * MS);
    assert_int_equal(b->starts, 3);
    provider_free(b->provider);
    b->provider = NULL;
    for (int i = 0; i < 3; i++)
        loop_turn(b->loop, 10 * MS);
    assert_int_equal(b->ends, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_with_all_that_was_told),
        TEST(the_request_is_what_the_api_wants),
        TEST(a_long_system_prompt_is_cached_and_a_schema_only_sent_where_taken),
        TEST(a_schema_that_is_not_json_is_never_sent),
        TEST(bad_configuration_is_refused_without_showing_the_key),
        TEST(fault_1_a_429_tells_how_long_and_which_limit),
        TEST(fault_2_a_spend_limit_parks),
        TEST(fault_2_a_contracts_spend_limit_parks),
        TEST(fault_3_a_ramp_limit_is_told_apart),
        TEST(fault_4_overload_says_whether_to_retry),
        TEST(fault_5_a_500_can_forbid_the_retry),
        TEST(fault_6_an_http_date_is_a_time_to_wait),
        TEST(fault_6_senseless_times_are_clamped_or_ignored),
        TEST(fault_6_a_negative_time_is_none),
        TEST(fault_7_senseless_rate_headers_are_as_absent),
        TEST(a_refused_key_is_for_the_operator_and_never_shown),
        cmocka_unit_test(every_status_has_its_class),
        TEST(fault_24_a_page_instead_of_json_is_classified_by_status),
        TEST(fault_24_an_endless_error_page_is_read_to_a_bound),
        TEST(fault_24_a_reset_before_the_headers_was_sent_and_may_be_retried),
        TEST(fault_24_garbage_instead_of_an_event_stream_is_no_success),
        TEST(nobody_at_the_address_means_nothing_was_sent),
        TEST(an_abort_tells_what_was_used_so_far),
        TEST(an_abort_before_anything_came_costs_nothing),
        TEST(freeing_the_provider_ends_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
