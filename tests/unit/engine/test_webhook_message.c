/* In: webhook_message.c. Out: signatures as the specification's own example and openssl(1) make
 * them, and a body without what does not belong there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/webhook_message.h"
#include "text/json.h"
#include "store/store_webhooks.h"

#define EXAMPLE "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"             /* of the specification */
#define COUNTED "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* 0, 1, ... 31 */

static struct webhook_secrets secrets_of(const char *text)
{
    struct webhook_secrets s = {.n = 0};
    assert_int_equal(webhook_secrets_parse(text, &s, NULL), OK);
    return s;
}

static void the_signature_is_that_of_the_specification(void **state)
{
    (void)state;
    struct webhook_secrets s = secrets_of(EXAMPLE);
    char *text =
        webhook_signature(&s, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}");
    assert_string_equal(text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    free(text);
}

static void while_a_secret_changes_both_sign(void **state)
{
    (void)state;
    struct webhook_secrets s = secrets_of(" " COUNTED " \n" EXAMPLE "\n");
    char *text = webhook_signature(&s, "a", 1, "{}");
    assert_string_equal(text, "v1,Q/d4xijJDXlrErtYLK3wbSnZMhFKsh98lSN+HynuthY= "
                              "v1,xy9R1nQI1NtwNgZlCc2Y2d5M2AgQk8wvtHJlol6LdWg=");
    free(text);
}

static void a_secret_that_is_none_is_refused_without_showing_it(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "  ",
        "hunter2hunter2hunter2hunter2",
        "whsec_",
        "whsec_aHVudGVyMg==",                   /* 7 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", /* no padding */
        EXAMPLE "," COUNTED,
        EXAMPLE " hunter2",
        EXAMPLE " " EXAMPLE " " EXAMPLE " " EXAMPLE " " EXAMPLE,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct webhook_secrets s = {.n = 7};
        struct errmsg msg = {""};
        if (webhook_secrets_parse(bad[i], &s, &msg) != ERR_INVALID)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(s.n, 7);
        assert_true(msg.text[0] != '\0');
        assert_null(strstr(msg.text, "hunter2"));
    }
}

static struct store_delivery delivery(void)
{
    return (struct store_delivery){.n = 1,
                                   .id = {{1}},
                                   .endpoint = "billing",
                                   .job = {{0xaa, [15] = 1}},
                                   .user_id = {{0xbb, [15] = 2}},
                                   .run = 2,
                                   .end = STORE_END_COMPLETED,
                                   .ended_us = 1700000000123456,
                                   .words = "1300",
                                   .calls = 3,
                                   .usage = {.input = 1000,
                                             .output = 200,
                                             .cache_read = 30,
                                             .cache_write_5m = 4,
                                             .cache_write_1h = 5},
                                   .cost_udollar = 1006009};
}

static void a_body_says_what_happened(void **state)
{
    (void)state;
    struct store_delivery d = delivery();
    char *body = webhook_body(&d);
    assert_string_equal(
        body, "{\"type\":\"job.completed\",\"timestamp\":\"2023-11-14T22:13:20.123456Z\","
              "\"data\":{\"status\":\"completed\","
              "\"job_id\":\"aa000000-0000-0000-0000-000000000001\","
              "\"user_id\":\"bb000000-0000-0000-0000-000000000002\",\"run\":2,\"error\":null,"
              "\"words\":1300,\"usage\":{\"calls\":3,\"input_tokens\":1000,"
              "\"output_tokens\":200,\"cache_read_tokens\":30,\"cache_write_tokens\":9},"
              "\"cost_usd\":1.006009}}");
    free(body);
}

static void what_comes_from_outside_is_quoted_and_bounded(void **state)
{
    (void)state;
    struct store_delivery d = delivery();
    static char message[5001];
    for (size_t i = 0; i < 5000; i += 2)
        memcpy(message + i, "\xc3\xa4", 2);
    static const char *const words[] = {"12x", "", "-1", "007", "12345678901", "{\"a\":1}"};
    d.end = STORE_END_DELETED;
    d.user_id = (struct uuid){{0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        d.words = words[i];
        d.job_error = i % 2 == 0 ? "it \"broke\"\n\xff" : message;
        char *body = webhook_body(&d);
        json_t *json = NULL;
        assert_int_equal(json_parse(body, strlen(body), 65536, &json, NULL), OK);
        assert_string_equal(json_str(json, "type"), "job.deleted");
        const json_t *data = json_obj(json, "data");
        assert_null(json_str(data, "user_id"));
        assert_int_equal(json_int(data, "words", -5), -5);
        assert_in_range(strlen(json_str(data, "error")), 1, 2000);
        json_decref(json);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signature_is_that_of_the_specification),
        cmocka_unit_test(while_a_secret_changes_both_sign),
        cmocka_unit_test(a_secret_that_is_none_is_refused_without_showing_it),
        cmocka_unit_test(a_body_says_what_happened),
        cmocka_unit_test(what_comes_from_outside_is_quoted_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
