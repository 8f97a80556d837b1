/* In: statuses and error bodies. Out: their class and their line for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "provider/classify.h"
#include "provider/messages_request.h"

static struct provider_error read_error(int status, const char *body)
{
    struct provider_error error = {.status = status, .should_retry = -1};
    provider_error_read(&error, body, strlen(body));
    return error;
}

static void an_error_event_is_classified_by_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum call_class class;
    } table[] = {
        {"invalid_request_error", CALL_PERMANENT},
        {"request_too_large", CALL_PERMANENT},
        {"authentication_error", CALL_OPERATOR},
        {"billing_error", CALL_OPERATOR},
        {"permission_error", CALL_OPERATOR},
        {"not_found_error", CALL_OPERATOR},
        {"conflict_error", CALL_RETRY},
        {"rate_limit_error", CALL_THROTTLED},
        {"api_error", CALL_OVERLOADED},
        {"timeout_error", CALL_OVERLOADED},
        {"overloaded_error", CALL_OVERLOADED},
        {"invented_tomorrow", CALL_RETRY},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *body = mem_printf("{\"error\":{\"type\":\"%s\"}}", table[i].type);
        struct provider_error error = read_error(200, body);
        assert_int_equal(provider_error_class(&error), table[i].class);
        free(body);
    }
}

static void a_spend_limit_inside_a_stream_parks_too(void **state)
{
    (void)state;
    struct provider_error error =
        read_error(200, "{\"error\":{\"type\":\"rate_limit_error\",\"details\":"
                        "{\"error_code\":\"enforced_spend_limit_reached\"}}}");
    assert_int_equal(provider_error_class(&error), CALL_PARKED);
}

static void their_word_makes_a_refusal_worth_repeating(void **state)
{
    (void)state;
    struct provider_error error = read_error(400, "{}");
    assert_int_equal(provider_error_class(&error), CALL_PERMANENT);
    error.should_retry = 1;
    assert_int_equal(provider_error_class(&error), CALL_RETRY);
    error = read_error(401, "{}");
    error.should_retry = 1; /* a key does not become good by repeating */
    assert_int_equal(provider_error_class(&error), CALL_OPERATOR);
}

static void bodies_of_any_shape_make_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *body, *line;
    } table[] = {
        {"", "the provider answered 500: without a reason"},
        {"[]", "the provider answered 500: without a reason"},
        {"{\"error\":\"text\"}", "the provider answered 500: without a reason"},
        {"{\"error\":{\"type\":7,\"message\":null}}",
         "the provider answered 500: without a reason"},
        {"<html>", "the provider answered 500: with a page that is not the provider's JSON"},
        {"{\"error\":{\"type\":\"api_error\",\"message\":\"a\\tb\\nc key-1 d key-1\"}}",
         "the provider answered 500 api_error: a b c  d "},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct provider_error error = read_error(500, table[i].body);
        char line[512];
        provider_error_line(&error, "key-1", line, sizeof(line));
        assert_string_equal(line, table[i].line);
    }
}

static void a_long_line_is_cut_between_characters(void **state)
{
    (void)state;
    /* 200 euro signs of three bytes: 400 bytes hold 133 of them and no part of another. */
    struct buf body = BUF_INIT(4096);
    buf_puts(&body, "{\"error\":{\"message\":\"");
    for (int i = 0; i < 200; i++)
        buf_puts(&body, "\xe2\x82\xac");
    buf_puts(&body, "\"}}");
    struct provider_error error = read_error(500, body.data);
    char line[64];
    provider_error_line(&error, NULL, line, sizeof(line));
    /* 63 bytes: 27 of "the provider answered 500: ", then twelve whole signs. */
    assert_int_equal(strlen(line), 27 + 36);
    provider_error_line(&error, NULL, line, 62);
    assert_int_equal(strlen(line), 27 + 33);
    buf_free(&body);
}

static void a_prompt_larger_than_the_provider_takes_is_refused_here(void **state)
{
    (void)state;
    struct model model = {.id = "m"};
    size_t n = MESSAGES_BODY_MAX / 2;
    char *user = mem_alloc(n + 1);
    struct provider_request request = {.model = &model, .user = user, .max_tokens = 1};
    struct buf body;
    struct errmsg msg;
    memset(user, 'x', n);
    assert_int_equal(messages_request_write(&request, &body, &msg), OK);
    buf_free(&body);
    memset(user, '"', n); /* twice the size in JSON */
    assert_int_equal(messages_request_write(&request, &body, &msg), ERR_TOO_BIG);
    assert_string_equal(msg.text, "the prompt is larger than the provider takes (32 MB)");
    free(user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_event_is_classified_by_its_type),
        cmocka_unit_test(a_spend_limit_inside_a_stream_parks_too),
        cmocka_unit_test(their_word_makes_a_refusal_worth_repeating),
        cmocka_unit_test(bodies_of_any_shape_make_a_line),
        cmocka_unit_test(a_long_line_is_cut_between_characters),
        cmocka_unit_test(a_prompt_larger_than_the_provider_takes_is_refused_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
