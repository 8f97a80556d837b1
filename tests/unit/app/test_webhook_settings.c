/* In: webhook_settings.c. Out: endpoints of the file and the environment, which of them wins, and
 * refusals that name the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/webhook_settings.h"
#include "store/store_webhooks.h"

#define EXAMPLE "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define COUNTED "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* 0, 1, ... 31 */
#define ALL     15u

static const char *const *variables; /* name, value, ..., NULL */

static const char *read_variable(const char *name)
{
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i += 2) {
        if (strcmp(variables[i], name) == 0)
            return variables[i + 1];
    }
    return NULL;
}

/* The file's `webhooks`, then the environment. */
static enum err load(struct webhook_settings *s, const char *yaml, const char *const *env,
                     struct errmsg *msg)
{
    struct yaml *root = NULL;
    variables = env;
    assert_int_equal(yaml_parse(yaml, strlen(yaml), "config.yaml", &root, msg), OK);
    enum err e = webhook_settings_read(s, yaml_get(root, "webhooks"), "config.yaml", msg);
    if (e == OK)
        e = webhook_settings_env(s, read_variable, msg);
    yaml_free(root);
    return e;
}

static void the_file_names_endpoints_and_what_they_hear(void **state)
{
    (void)state;
    struct webhook_settings s = {.n = 0};
    struct webhook_endpoint out[STORE_ENDPOINT_MAX];
    assert_int_equal(load(&s,
                          "webhooks:\n"
                          "  billing:\n    url: https://a.example/x\n    secret: " EXAMPLE "\n"
                          "  some-one:\n    url: http://b.example\n    secret: \"" EXAMPLE
                          " " COUNTED "\"\n    events: [failed, job.deleted]\n",
                          NULL, NULL),
                     OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(webhook_settings_endpoints(&s, out, NULL), OK);
    assert_string_equal(out[0].name, "billing");
    assert_string_equal(out[0].url, "https://a.example/x");
    assert_int_equal(out[0].ends, ALL);
    assert_int_equal(out[0].secrets.n, 1);
    assert_int_equal(out[0].secrets.items[0].n, 24);
    assert_string_equal(out[1].name, "some-one");
    assert_int_equal(out[1].ends, 1u << STORE_END_FAILED | 1u << STORE_END_DELETED);
    assert_int_equal(out[1].secrets.n, 2);
    assert_int_equal(out[1].secrets.items[1].n, 32);
    assert_int_equal(out[1].secrets.items[1].bytes[31], 31);
    webhook_settings_free(&s);
}

static void the_environment_makes_one_endpoint_and_stands_above_the_file(void **state)
{
    (void)state;
    static const char *const env[] = {"SCRIPTORIUM_WEBHOOK_URL",
                                      "https://new.example/",
                                      "SCRIPTORIUM_WEBHOOK_SECRET",
                                      COUNTED,
                                      "SCRIPTORIUM_WEBHOOK_EVENTS",
                                      "completed",
                                      "SCRIPTORIUM_WEBHOOK_SOME_ONE_SECRET",
                                      EXAMPLE " " COUNTED,
                                      NULL};
    static const char *const files[] = {
        "", "webhooks:\n  default:\n    url: https://old.example\n    secret: " EXAMPLE "\n"};
    for (size_t i = 0; i < 2; i++) {
        struct webhook_settings s = {.n = 0};
        struct webhook_endpoint out[STORE_ENDPOINT_MAX];
        assert_int_equal(load(&s, files[i], env, NULL), OK);
        assert_int_equal(s.n, 1);
        assert_int_equal(webhook_settings_endpoints(&s, out, NULL), OK);
        assert_string_equal(out[0].name, "default");
        assert_string_equal(out[0].url, "https://new.example/");
        assert_int_equal(out[0].ends, 1u << STORE_END_COMPLETED);
        assert_int_equal(out[0].secrets.items[0].n, 32);
        webhook_settings_free(&s);
    }
    struct webhook_settings s = {.n = 0};
    struct webhook_endpoint out[STORE_ENDPOINT_MAX];
    assert_int_equal(load(&s, "webhooks:\n  some-one:\n    url: https://b.example\n", env, NULL),
                     OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(webhook_settings_endpoints(&s, out, NULL), OK);
    assert_int_equal(out[0].secrets.n, 2);
    webhook_settings_free(&s);
}

static void a_secret_is_read_from_its_file_when_it_is_wanted(void **state)
{
    (void)state;
    char path[] = "/tmp/scriptorium-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *env[] = {"SCRIPTORIUM_WEBHOOK_URL", "https://a.example",
                         "SCRIPTORIUM_WEBHOOK_SECRET_FILE", path, NULL};
    struct webhook_settings s = {.n = 0};
    struct webhook_endpoint out[STORE_ENDPOINT_MAX];
    struct errmsg msg = {""};
    assert_int_equal(load(&s, "", env, NULL), OK);
    assert_int_equal(webhook_settings_endpoints(&s, out, &msg), ERR_INVALID); /* empty */
    assert_non_null(strstr(msg.text, "webhook 'default'"));
    assert_int_equal(write(fd, EXAMPLE "\n", strlen(EXAMPLE) + 1), strlen(EXAMPLE) + 1);
    assert_int_equal(webhook_settings_endpoints(&s, out, NULL), OK);
    assert_int_equal(out[0].secrets.n, 1);
    close(fd);
    unlink(path);
    assert_int_equal(webhook_settings_endpoints(&s, out, &msg), ERR_NOT_FOUND);
    assert_non_null(strstr(msg.text, path));
    webhook_settings_free(&s);
}

static void what_cannot_be_right_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        {"webhooks: [a]\n", "config.yaml:1:"},
        {"webhooks:\n  a: https://a.example\n", "config.yaml:2:"},
        {"webhooks:\n  a:\n    secret: " EXAMPLE "\n", "url"},
        {"webhooks:\n  a:\n    url: file:///etc/passwd\n", "https://"},
        {"webhooks:\n  a:\n    url: https://a.example\n    events: [done]\n", "done"},
        {"webhooks:\n  a:\n    url: https://a.example\n    secrets: x\n", "secrets"},
        {"webhooks:\n  a:\n    url: https://a.example\n    secret: x\n    secret_file: y\n",
         "secret_file"},
        {"webhooks:\n  'a.b':\n    url: https://a.example\n", "name"},
        {"webhooks:\n  a\"b:\n    url: https://a.example\n", "name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct webhook_settings s = {.n = 0};
        struct errmsg msg = {""};
        if (load(&s, cases[i].yaml, NULL, &msg) != ERR_INVALID ||
            strstr(msg.text, cases[i].message) == NULL)
            fail_msg("%s: '%s'", cases[i].yaml, msg.text);
        webhook_settings_free(&s);
    }
    struct webhook_settings s = {.n = 0};
    struct errmsg msg = {""};
    char many[4096] = "webhooks:\n";
    size_t len = strlen(many);
    for (int i = 0; i <= STORE_ENDPOINT_MAX; i++)
        len += (size_t)snprintf(many + len, sizeof many - len,
                                "  e%d: {url: 'https://a.example'}\n", i);
    assert_int_equal(load(&s, many, NULL, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "more than 32"));
    webhook_settings_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_names_endpoints_and_what_they_hear),
        cmocka_unit_test(the_environment_makes_one_endpoint_and_stands_above_the_file),
        cmocka_unit_test(a_secret_is_read_from_its_file_when_it_is_wanted),
        cmocka_unit_test(what_cannot_be_right_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
