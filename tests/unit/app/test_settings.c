/* In: options, an environment and a file that disagree. Out: who wins, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/settings.h"

static char file_path[] = "/tmp/scriptorium-settings-XXXXXX";
static const char *variables[8]; /* name, value, ..., NULL */

static const char *environment(const char *name)
{
    for (size_t i = 0; variables[i] != NULL; i += 2) {
        if (strcmp(variables[i], name) == 0)
            return variables[i + 1];
    }
    return NULL;
}

static void write_file(const char *text)
{
    FILE *f = fopen(file_path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file_path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(file_path);
}

static int clear_environment(void **state)
{
    (void)state;
    memset(variables, 0, sizeof variables);
    return 0;
}

static enum err load(struct settings *s, const char *const options[SET_MAX], struct errmsg *msg)
{
    memset(s, 0, sizeof *s);
    msg->text[0] = '\0';
    return settings_load(s, options, environment, msg);
}

static void each_source_wins_over_those_behind_it(void **state)
{
    (void)state;
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {NULL};
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.database, "sqlite:scriptorium.db");
    settings_free(&s);

    write_file("database: sqlite:file.db\nspeed: 4\n");
    options[SET_CONFIG] = file_path;
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.database, "sqlite:file.db");
    assert_true(s.speed == 4);
    settings_free(&s);

    variables[0] = "DATABASE_URL";
    variables[1] = "sqlite:environment.db";
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.database, "sqlite:environment.db");
    assert_true(s.speed == 4);
    settings_free(&s);

    options[SET_DATABASE] = "sqlite:option.db";
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.database, "sqlite:option.db");
    settings_free(&s);
}

static void groups_of_the_file_are_bound_to_their_settings(void **state)
{
    (void)state;
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {[SET_CONFIG] = file_path};
    write_file("anthropic:\n  base_url: http://127.0.0.1:1\n  idle_timeout: 90s\n");
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.base_url, "http://127.0.0.1:1");
    assert_int_equal(s.idle_timeout_us, 90000000);
    settings_free(&s);
}

static void refuses_file(const char *text, const char *line, const char *part)
{
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {[SET_CONFIG] = file_path};
    char where[128];
    write_file(text);
    assert_int_not_equal(load(&s, options, &msg), OK);
    settings_free(&s);
    (void)snprintf(where, sizeof where, "%s:%s: ", file_path, line);
    if (strncmp(msg.text, where, strlen(where)) != 0 || strstr(msg.text, part) == NULL)
        fail_msg("refused with '%s', not '%s... %s'", msg.text, where, part);
}

static void mistakes_in_the_file_are_named_with_file_and_line(void **state)
{
    (void)state;
    refuses_file("log_level: info\nspeeed: 3\n", "2", "speeed");
    refuses_file("log_level: loud\n", "1", "loud");
    refuses_file("topic: x\n", "1", "topic"); /* an option only */
    refuses_file("anthropic: 3\n", "1", "anthropic");
    refuses_file("\nanthropic:\n  idle: 3s\n", "3", "idle");
    refuses_file("- a\n- b\n", "1", "name: value");
}

static void a_secret_may_lie_in_a_file_of_its_own(void **state)
{
    (void)state;
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {NULL};
    write_file("sk-secret\r\n");
    variables[0] = "ANTHROPIC_API_KEY_FILE";
    variables[1] = file_path;
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.api_key, "sk-secret");
    settings_free(&s);

    variables[2] = "ANTHROPIC_API_KEY";
    variables[3] = "sk-direct";
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.api_key, "sk-direct");
    settings_free(&s);

    /* a database's URL may hold a password */
    write_file("postgres://u:p@h/d\n");
    variables[0] = "DATABASE_URL_FILE";
    variables[2] = NULL;
    assert_int_equal(load(&s, options, &msg), OK);
    assert_string_equal(s.database, "postgres://u:p@h/d");
    settings_free(&s);

    variables[0] = "ANTHROPIC_API_KEY_FILE";
    variables[1] = "/nowhere/key";
    assert_int_equal(load(&s, options, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "ANTHROPIC_API_KEY_FILE: /nowhere/key: "));
    settings_free(&s);
}

static void a_secret_file_without_a_secret_is_refused(void **state)
{
    (void)state;
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {NULL};
    variables[0] = "SCRIPTORIUM_SERVICE_KEY_FILE";
    variables[1] = file_path;
    write_file("\n");
    assert_int_equal(load(&s, options, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "SCRIPTORIUM_SERVICE_KEY_FILE: "));
    assert_non_null(strstr(msg.text, " is empty"));
    settings_free(&s);
    int fd = open(file_path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "sb_sec\0ret", 10), 10);
    (void)close(fd);
    assert_int_equal(load(&s, options, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "NUL"));
    assert_null(strstr(msg.text, "sb_sec"));
    settings_free(&s);
}

static void a_wrong_variable_is_named(void **state)
{
    (void)state;
    struct settings s;
    struct errmsg msg;
    const char *options[SET_MAX] = {NULL};
    variables[0] = "SCRIPTORIUM_SPEED";
    variables[1] = "fast";
    assert_int_equal(load(&s, options, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "SCRIPTORIUM_SPEED wants "));
    assert_non_null(strstr(msg.text, "'fast'"));
    settings_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_source_wins_over_those_behind_it, clear_environment),
        cmocka_unit_test_setup(groups_of_the_file_are_bound_to_their_settings, clear_environment),
        cmocka_unit_test_setup(mistakes_in_the_file_are_named_with_file_and_line,
                               clear_environment),
        cmocka_unit_test_setup(a_secret_may_lie_in_a_file_of_its_own, clear_environment),
        cmocka_unit_test_setup(a_secret_file_without_a_secret_is_refused, clear_environment),
        cmocka_unit_test_setup(a_wrong_variable_is_named, clear_environment),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
