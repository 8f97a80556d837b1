/* In: bodies of POST /v1/jobs. Out: the job they ask for, or what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "api/job_request.h"

#define ID "11111111-1111-4111-8111-111111111111"

static const struct principal operator_ = {.role = ROLE_OPERATOR};
static const struct principal user = {.role = ROLE_USER, .user_id = {{0x42}}};

static struct job_ceiling ceiling = {.priority = 5};

static struct job_request reads(const char *body, const char *key, const struct principal *who)
{
    struct job_request r = {0};
    struct errmsg msg = {""};
    if (job_request_read(body, strlen(body), key, who, &ceiling, &r, &msg) != OK)
        fail_msg("%s: %s", body, msg.text);
    return r;
}

static void refuses(const char *body, const struct principal *who, enum err wanted,
                    const char *named)
{
    struct job_request r = {0};
    struct errmsg msg = {""};
    assert_int_equal(job_request_read(body, strlen(body), NULL, who, &ceiling, &r, &msg), wanted);
    if (strstr(msg.text, named) == NULL)
        fail_msg("%s: %s", body, msg.text);
}

static void what_nobody_can_act_on_is_refused(void **state)
{
    (void)state;
    refuses("{\"topic\":\"Salt\",\"mode\":\"batch\"}", &user, ERR_INVALID, "mode: batch is not");
    refuses("{\"topic\":\"Salt\",\"exports\":[\"md\",\"docx\"]}", &user, ERR_INVALID,
            "exports: 'docx' is unknown");
    struct job_request r =
        reads("{\"topic\":\"Salt\",\"mode\":\"live\",\"exports\":\"json, txt, srt, "
              "vtt, teleprompter, fountain, md\",\"idempotencyKey\":\"k1\"}",
              NULL, &user);
    assert_string_equal(r.key, "k1");
    job_request_free(&r);
}

static void a_model_that_is_not_there_and_a_deadline_that_has_passed_are_refused(void **state)
{
    (void)state;
    static const char models[] = "default: m\nmodels:\n  - {id: m, context_tokens: 1000, "
                                 "max_output_tokens: 100, prices: [{input: 1, output: 1}]}\n";
    struct catalog *catalog = NULL;
    struct errmsg msg = {""};
    assert_int_equal(catalog_parse(models, sizeof models - 1, "models.yaml", &catalog, &msg), OK);
    struct job_request r = reads("{\"topic\":\"Salt\",\"model\":\"n\"}", NULL, &user);
    job_request_free(&r);
    ceiling.catalog = catalog;
    ceiling.now_us = 1893456000 * (int64_t)1000000; /* 2030-01-01 */
    refuses("{\"topic\":\"Salt\",\"model\":\"n\"}", &user, ERR_INVALID, "choose one of: m");
    refuses("{\"topic\":\"Salt\",\"deadline\":\"2029-12-31T23:59:59Z\"}", &user, ERR_INVALID,
            "deadline: that time has passed");
    r = reads("{\"topic\":\"Salt\",\"model\":\"m\",\"deadline\":\"2030-01-01T00:00:01Z\"}", NULL,
              &user);
    job_request_free(&r);
    ceiling.catalog = NULL;
    ceiling.now_us = 0;
    catalog_free(catalog);
}

static void the_longest_video_is_configured(void **state)
{
    (void)state;
    ceiling.duration_s = 300;
    refuses("{\"topic\":\"Salt\",\"targetDuration\":301}", &operator_, ERR_INVALID, "user_id");
    refuses("{\"topic\":\"Salt\",\"targetDuration\":301}", &user, ERR_INVALID, "(15 to 300)");
    struct job_request r = reads("{\"topic\":\"Salt\",\"targetDuration\":300}", NULL, &user);
    job_request_free(&r);
    ceiling.duration_s = 0;
    r = reads("{\"topic\":\"Salt\",\"targetDuration\":14400}", NULL, &user);
    job_request_free(&r);
}

static void what_was_sent_is_kept_byte_for_byte(void **state)
{
    (void)state;
    static const char body[] = "{ \"topic\": \"Salt\",\n \"rate\": 1.10, \"x\":\"\\u00e4\" }";
    struct job_request r = reads(body, NULL, &user);
    assert_string_equal(r.params, body);
    assert_true(uuid_equal(&r.user_id, &user.user_id));
    assert_null(r.key);
    assert_int_equal(r.priority, 0);
    job_request_free(&r);
}

static void members_of_the_row_are_taken_out(void **state)
{
    (void)state;
    struct job_request r = reads("{\"user_id\":\"" ID "\",\"topic\":\"Salt\",\"workflow_id\":null,"
                                 "\"priority\":9,\"run_at\":\"2030-01-31T12:00:00+01:00\",\"b\":1,"
                                 "\"a\":2}",
                                 NULL, &operator_);
    char text[UUID_TEXT_SIZE];
    assert_string_equal(uuid_text(&r.user_id, text), ID);
    assert_true(uuid_is_nil(&r.workflow_id));
    assert_int_equal(r.priority, 9);
    assert_int_equal(r.run_at_us, INT64_C(1896087600000000));
    assert_string_equal(r.params, "{\"topic\":\"Salt\",\"b\":1,\"a\":2}");
    job_request_free(&r);
}

static void a_users_priority_is_lowered_to_the_most_they_get(void **state)
{
    (void)state;
    struct job_request r = reads("{\"topic\":\"Salt\",\"priority\":9}", NULL, &user);
    assert_int_equal(r.priority, 5);
    job_request_free(&r);
    r = reads("{\"topic\":\"Salt\",\"priority\":2}", NULL, &user);
    assert_int_equal(r.priority, 2);
    job_request_free(&r);
}

static void the_header_comes_before_the_bodys_key(void **state)
{
    (void)state;
    static const char body[] = "{\"topic\":\"Salt\",\"idempotencyKey\":\"inside\"}";
    struct job_request r = reads(body, NULL, &user);
    assert_string_equal(r.key, "inside");
    job_request_free(&r);
    r = reads(body, "outside", &user);
    assert_string_equal(r.key, "outside");
    job_request_free(&r);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refuses("", &user, ERR_INVALID, "JSON");
    refuses("[1]", &user, ERR_INVALID, "object");
    refuses("{}", &user, ERR_INVALID, "topic");
    refuses("{\"topic\":\"Salt\"}", &operator_, ERR_INVALID, "user_id");
    refuses("{\"topic\":\"Salt\",\"user_id\":1}", &operator_, ERR_INVALID, "user_id");
    refuses("{\"topic\":\"Salt\",\"user_id\":\"" ID "\"}", &user, ERR_PERMISSION, "user_id");
    refuses("{\"topic\":\"Salt\",\"workflow_id\":\"x\"}", &user, ERR_INVALID, "workflow_id");
    refuses("{\"topic\":\"Salt\",\"priority\":0}", &user, ERR_INVALID, "priority");
    refuses("{\"topic\":\"Salt\",\"run_at\":\"tomorrow\"}", &user, ERR_INVALID, "run_at");
    refuses("{\"topic\":\"Salt\",\"run_at\":1896087600}", &user, ERR_INVALID, "run_at");
    refuses("{\"topic\":\"Salt\",\"priority\":5.0}", &user, ERR_INVALID, "priority");
    refuses("{\"topic\":\"Salt\",\"targetDuration\":99999}", &user, ERR_INVALID, "targetDuration");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_can_act_on_is_refused),
        cmocka_unit_test(a_model_that_is_not_there_and_a_deadline_that_has_passed_are_refused),
        cmocka_unit_test(the_longest_video_is_configured),
        cmocka_unit_test(what_was_sent_is_kept_byte_for_byte),
        cmocka_unit_test(members_of_the_row_are_taken_out),
        cmocka_unit_test(a_users_priority_is_lowered_to_the_most_they_get),
        cmocka_unit_test(the_header_comes_before_the_bodys_key),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
