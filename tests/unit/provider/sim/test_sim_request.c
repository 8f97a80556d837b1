/* In: requests, right and wrong. Out: are they taken and refused as the real API does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/sim/sim_request.h"

static const char models[] = "default: claude-new-5-5\n"
                             "models:\n"
                             "  - id: claude-new-5-5\n    name: New\n    aliases: [short]\n"
                             "    rate_class: new\n    api_version: \"2026-10-21\"\n"
                             "    sampling: false\n    schema: true\n"
                             "    context_tokens: 1000\n    max_output_tokens: 500\n"
                             "    prices:\n      - input: 1\n        output: 2\n"
                             "  - id: claude-old-4-5\n    name: Old\n"
                             "    rate_class: old\n    api_version: \"2023-06-01\"\n"
                             "    sampling: true\n    schema: false\n"
                             "    context_tokens: 100000\n    max_output_tokens: 8192\n"
                             "    prices:\n      - input: 1\n        output: 2\n";

static struct catalog *catalog;

static int set_up(void **state)
{
    (void)state;
    struct errmsg msg = {{0}};
    if (catalog_parse(models, sizeof(models) - 1, "models.yaml", &catalog, &msg) != OK)
        fail_msg("%s", msg.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    catalog_free(catalog);
    return 0;
}

static bool read_as(const char *version, const char *body, bool counting, struct sim_message *m,
                    struct sim_refusal *r)
{
    struct sim_headers headers = {.api_key = "k", .version = version};
    return sim_request_read(catalog, &headers, body, strlen(body), counting, m, r);
}

struct refused {
    const char *body;
    int status;
    const char *message; /* a part of it */
};

#define TURN "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define NEW  "\"model\":\"claude-new-5-5\",\"max_tokens\":10,"
#define OLD  "\"model\":\"claude-old-4-5\",\"max_tokens\":2000,"

static const struct refused bodies[] = {
    {"", 400, "not valid JSON"},
    {"[1]", 400, "must be a JSON object"},
    {"{\"max_tokens\":10," TURN "}", 400, "model: Field required"},
    {"{\"model\":5,\"max_tokens\":10," TURN "}", 400, "model: Input should be a valid string"},
    {"{\"model\":\"claude-none\",\"max_tokens\":10," TURN "}", 404, "model: claude-none"},
    {"{\"model\":\"short\",\"max_tokens\":10," TURN "}", 404, "model: short"},
    {"{\"model\":\"claude-new-5-5\"," TURN "}", 400, "max_tokens: Field required"},
    {"{\"model\":\"claude-new-5-5\",\"max_tokens\":0," TURN "}", 400, "greater than or equal to 1"},
    {"{\"model\":\"claude-new-5-5\",\"max_tokens\":1.5," TURN "}", 400, "valid integer"},
    {"{\"model\":\"claude-new-5-5\",\"max_tokens\":501," TURN "}", 400, "501 > 500"},
    {"{" NEW "\"stream\":\"yes\"," TURN "}", 400, "stream: "},
    {"{" NEW "\"colour\":1," TURN "}", 400, "colour: Extra inputs are not permitted"},
    {"{" NEW "\"messages\":[]}", 400, "at least one message"},
    {"{\"model\":\"claude-new-5-5\",\"max_tokens\":10}", 400, "messages: Field required"},
    {"{" NEW "\"messages\":\"hi\"}", 400, "messages: Input should be a valid list"},
    {"{" NEW "\"messages\":[7]}", 400, "messages.0"},
    {"{" NEW "\"messages\":[{\"role\":\"user\"}]}", 400, "messages.0.content: Field required"},
    {"{" NEW "\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", 400, "messages.0.role"},
    {"{" NEW "\"messages\":[{\"content\":\"x\"}]}", 400, "messages.0.role: Field required"},
    {"{" NEW "\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}", 400, "Unexpected role"},
    {"{" NEW "\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}", 400, "first message"},
    {"{" NEW "\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", 400, "non-empty content"},
    {"{" NEW "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"}]}]}",
     400, "must be non-empty"},
    {"{" NEW "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"film\"}]}]}", 400,
     "Input tag 'film'"},
    {"{" NEW "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
     "{\"role\":\"assistant\",\"content\":\"b\"}]}",
     400, "prefill"},
    {"{" NEW "\"temperature\":1," TURN "}", 400, "temperature: Extra inputs are not permitted"},
    {"{" NEW "\"top_k\":1," TURN "}", 400, "top_k: Extra inputs are not permitted"},
    {"{" OLD "\"temperature\":1.5," TURN "}", 400, "less than or equal to 1"},
    {"{" OLD "\"top_k\":1.5," TURN "}", 400, "valid integer"},
    {"{" NEW "\"stop_sequences\":[\"  \"]," TURN "}", 400, "non-whitespace"},
    {"{" NEW "\"stop_sequences\":\"x\"," TURN "}", 400, "valid list"},
    {"{" NEW "\"metadata\":{\"user_id\":7}," TURN "}", 400, "metadata.user_id"},
    {"{" NEW "\"service_tier\":\"gold\"," TURN "}", 400, "service_tier"},
    {"{" NEW "\"thinking\":{\"type\":\"deep\"}," TURN "}", 400, "thinking.type"},
    {"{" OLD "\"thinking\":{\"type\":\"enabled\"}," TURN "}", 400, "budget_tokens: Field required"},
    {"{" OLD "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1000}," TURN "}", 400, "1024"},
    {"{" OLD "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}," TURN "}", 400,
     "must be greater than"},
    {"{" NEW "\"output_config\":{\"effort\":\"none\"}," TURN "}", 400, "output_config.effort"},
    {"{" NEW "\"output_config\":{\"shape\":1}," TURN "}", 400, "output_config.shape"},
    {"{" NEW "\"output_config\":{\"format\":{\"type\":\"xml\"}}," TURN "}", 400, "json_schema"},
    {"{" NEW "\"output_config\":{\"format\":{\"type\":\"json_schema\"}}," TURN "}", 400,
     "schema: Field required"},
    {"{" OLD "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}," TURN "}",
     400, "does not support output format"},
    {"{" NEW "\"system\":7," TURN "}", 400, "system: "},
    {"{" NEW "\"system\":[{\"type\":\"image\"}]," TURN "}", 400, "system.0.type"},
};

static void wrong_bodies_are_refused_like_the_real_api_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct sim_message m = {0};
        struct sim_refusal r = {0};
        if (read_as("2023-06-01", bodies[i].body, false, &m, &r))
            fail_msg("taken: %s", bodies[i].body);
        if (r.status != bodies[i].status || strstr(r.message, bodies[i].message) == NULL)
            fail_msg("%d %s for: %s", r.status, r.message, bodies[i].body);
        assert_string_equal(r.type, r.status == 404 ? "not_found_error" : "invalid_request_error");
    }
}

static void the_new_version_takes_no_sampling_from_any_model(void **state)
{
    (void)state;
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_true(read_as("2023-06-01", "{" OLD "\"temperature\":0.5," TURN "}", false, &m, &r));
    sim_message_free(&m);
    assert_false(read_as("2026-10-21", "{" OLD "\"temperature\":0.5," TURN "}", false, &m, &r));
    assert_string_equal(r.message, "temperature: Extra inputs are not permitted");
    assert_true(read_as("2026-10-21", "{" OLD TURN "}", false, &m, &r));
    sim_message_free(&m);
}

static void the_version_header_is_needed_and_known(void **state)
{
    (void)state;
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_false(read_as(NULL, "{" NEW TURN "}", false, &m, &r));
    assert_string_equal(r.message, "anthropic-version: header is required");
    assert_false(read_as("2020-01-01", "{" NEW TURN "}", false, &m, &r));
    assert_string_equal(r.message, "anthropic-version: \"2020-01-01\" is not a valid version");
}

static void old_models_go_on_from_a_prefill(void **state)
{
    (void)state;
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_true(read_as("2023-06-01",
                        "{" OLD "\"messages\":[{\"role\":\"user\",\"content\":\"ask\"},"
                        "{\"role\":\"assistant\",\"content\":\"b\"}]}",
                        false, &m, &r));
    assert_string_equal(m.prompt, "ask");
    sim_message_free(&m);
}

static void a_good_body_is_read_in_full(void **state)
{
    (void)state;
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_true(read_as("2026-10-21",
                        "{" NEW "\"stream\":true,\"stop_sequences\":[\"END\"],"
                        "\"system\":[{\"type\":\"text\",\"text\":\"12345678\"}],"
                        "\"thinking\":{\"type\":\"adaptive\"},"
                        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                        "\"text\":\"abcd\"},{\"type\":\"text\",\"text\":\"efgh\"}]}]}",
                        false, &m, &r));
    assert_string_equal(m.model->id, "claude-new-5-5");
    assert_int_equal(m.max_tokens, 10);
    assert_true(m.stream);
    assert_true(m.thinking);
    assert_int_equal(json_array_size(m.stops), 1);
    assert_string_equal(m.prompt, "abcdefgh");
    assert_int_equal(m.input_tokens, 2 + 1 + 1 + 4); /* system, two blocks, the turn's frame */
    sim_message_free(&m);
}

static void a_prompt_past_the_window_is_refused(void **state)
{
    (void)state;
    char *text = mem_alloc(4001);
    memset(text, 'x', 4000);
    char *body = mem_printf("{" NEW "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", text);
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_false(read_as("2023-06-01", body, false, &m, &r));
    assert_string_equal(r.message, "prompt is too long: 1004 tokens > 1000 maximum");
    free(body);
    free(text);
}

static void counting_needs_no_max_tokens(void **state)
{
    (void)state;
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    assert_true(read_as("2023-06-01", "{\"model\":\"claude-new-5-5\"," TURN "}", true, &m, &r));
    assert_int_equal(m.input_tokens, 1 + 4);
    sim_message_free(&m);
    assert_false(read_as("2023-06-01", "{" NEW TURN "}", true, &m, &r));
    assert_string_equal(r.message, "max_tokens: Extra inputs are not permitted");
}

static void keys_are_checked_in_either_header(void **state)
{
    (void)state;
    static const struct {
        const char *api_key, *authorization, *key;
        bool right;
    } cases[] = {
        {NULL, NULL, "secret", false},
        {"", NULL, NULL, false},
        {"secret", NULL, "secret", true},
        {"secre", NULL, "secret", false},
        {"secrets", NULL, "secret", false},
        {"any", NULL, NULL, true},
        {NULL, "Bearer secret", "secret", true},
        {NULL, "bearer secret", "secret", true},
        {NULL, "Bearer ", NULL, false},
        {NULL, "Basic secret", "secret", false},
        {"wrong", "Bearer secret", "secret", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_headers headers = {.api_key = cases[i].api_key,
                                      .authorization = cases[i].authorization};
        struct sim_refusal r = {0};
        assert_int_equal(sim_auth_check(&headers, cases[i].key, &r), cases[i].right);
        if (!cases[i].right) {
            assert_int_equal(r.status, 401);
            assert_string_equal(r.type, "authentication_error");
        }
    }
}

static void an_error_body_has_the_real_shape(void **state)
{
    (void)state;
    char *body =
        sim_error_body("rate_limit_error", "Slow \"down\"", "ramp_limit_exceeded", "req_1");
    assert_string_equal(body, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
                              "\"message\":\"Slow \\\"down\\\"\",\"details\":{\"error_code\":"
                              "\"ramp_limit_exceeded\"}},\"request_id\":\"req_1\"}");
    free(body);
}

static void equal_prompts_have_equal_hashes_and_others_do_not(void **state)
{
    (void)state;
    struct sim_message a = {0}, b = {0}, c = {0};
    struct sim_refusal r = {0};
    assert_true(read_as("2023-06-01", "{" NEW TURN "}", false, &a, &r));
    assert_true(read_as("2023-06-01", "{" TURN "," NEW "\"stream\":true}", false, &b, &r));
    assert_true(read_as("2023-06-01", "{" NEW "\"system\":\"s\"," TURN "}", false, &c, &r));
    assert_true(a.hash == b.hash);
    assert_true(a.hash != c.hash);
    sim_message_free(&a);
    sim_message_free(&b);
    sim_message_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_bodies_are_refused_like_the_real_api_does),
        cmocka_unit_test(the_new_version_takes_no_sampling_from_any_model),
        cmocka_unit_test(the_version_header_is_needed_and_known),
        cmocka_unit_test(old_models_go_on_from_a_prefill),
        cmocka_unit_test(a_good_body_is_read_in_full),
        cmocka_unit_test(a_prompt_past_the_window_is_refused),
        cmocka_unit_test(counting_needs_no_max_tokens),
        cmocka_unit_test(keys_are_checked_in_either_header),
        cmocka_unit_test(an_error_body_has_the_real_shape),
        cmocka_unit_test(equal_prompts_have_equal_hashes_and_others_do_not),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
