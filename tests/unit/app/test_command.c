/* In: command lines. Out: the command, its arguments and settings, or one line that says why not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "app/command.h"

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

#define WORDS_MAX 8

/* Words are separated by one space. */
static enum err parse(const char *line, struct invocation *inv, struct errmsg *msg)
{
    static char copy[256];
    static char *argv[WORDS_MAX + 1]; /* arguments are borrowed from it */
    int argc = 0;
    (void)strcpy(copy, line);
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " "))
        argv[argc++] = p;
    argv[argc] = NULL;
    memset(inv, 0, sizeof *inv);
    msg->text[0] = '\0';
    return command_parse(argc, argv, no_environment, inv, msg);
}

static void accepts(const char *line, const char *command)
{
    struct invocation inv;
    struct errmsg msg;
    assert_int_equal(parse(line, &inv, &msg), OK);
    assert_string_equal(inv.command->name, command);
    command_done(&inv);
}

static void refuses(const char *line, const char *part)
{
    struct invocation inv;
    struct errmsg msg;
    assert_int_equal(parse(line, &inv, &msg), ERR_INVALID);
    if (strstr(msg.text, part) == NULL)
        fail_msg("'%s' was refused with '%s', not '%s'", line, msg.text, part);
    assert_null(strchr(msg.text, '\n'));
}

static void a_command_is_one_word_or_a_group_and_one(void **state)
{
    (void)state;
    accepts("stats", "stats");
    accepts("jobs list", "jobs list");
    accepts("", "help");
    accepts("--version", "version");
    accepts("jobs watch a b c", "jobs watch");
    accepts("jobs --help", "help");
    accepts("cron -h", "help");
    refuses("jobs", "'jobs' needs one of its commands");
    refuses("jobs --json", "'jobs' needs one of its commands");
    refuses("--json stats", "the command comes first");
}

static void near_misses_are_suggested_and_far_ones_are_not(void **state)
{
    (void)state;
    refuses("stat", "did you mean 'stats'");
    refuses("jobs sho", "did you mean 'jobs show'");
    refuses("jbos list", "did you mean 'jobs'");
    refuses("xyzzy", "see: scriptorium help");
    refuses("stats --jsn", "did you mean --json");
    refuses("run --concurency 3", "did you mean --concurrency");
    refuses("stats --topic x", "unknown option --topic; see");
}

static void options_take_their_value_beside_or_behind(void **state)
{
    (void)state;
    struct invocation inv;
    struct errmsg msg;
    assert_int_equal(parse("run --topic=a=b --jobs 3 --minutes 2.5", &inv, &msg), OK);
    assert_string_equal(inv.set.topic, "a=b");
    assert_int_equal(inv.set.jobs, 3);
    assert_true(inv.set.minutes == 2.5);
    assert_true(inv.given[SET_JOBS]);
    assert_false(inv.given[SET_USERS]);
    assert_int_equal(inv.set.users, 1); /* the default */
    command_done(&inv);
    refuses("run --topic", "--topic needs a value");
    refuses("run --json=1", "--json takes no value");
    refuses("run --jobs 1 --jobs 2", "--jobs is given twice");
    refuses("run -t x", "unknown option -t");
}

static void arguments_are_counted_and_two_hyphens_end_the_options(void **state)
{
    (void)state;
    struct invocation inv;
    struct errmsg msg;
    refuses("jobs show", "ID is missing");
    refuses("jobs show a b", "'b' is one argument too many");
    assert_int_equal(parse("jobs watch a -- --json", &inv, &msg), OK);
    assert_int_equal(inv.n_args, 2);
    assert_string_equal(inv.args[1], "--json");
    assert_false(inv.set.json);
    command_done(&inv);
}

static void help_wins_over_what_is_missing_or_wrong(void **state)
{
    (void)state;
    struct invocation inv;
    struct errmsg msg;
    assert_int_equal(parse("jobs show --help", &inv, &msg), OK);
    assert_true(inv.set.help);
    command_done(&inv);
    assert_int_equal(parse("run --jobs zero -h", &inv, &msg), OK);
    assert_true(inv.set.help);
    command_done(&inv);
}

static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        assert_non_null(c->run);
        assert_true(strlen(c->name) <= 15); /* the overview's column */
        size_t n = 0;
        while (n < COMMAND_OPTIONS_MAX && c->options[n] != SET_MAX)
            assert_true((setting_table[c->options[n++]].from & FROM_OPTION) != 0);
        assert_true(n < COMMAND_OPTIONS_MAX);
    }
    for (int i = 0; i < SET_MAX; i++) {
        assert_non_null(setting_table[i].name);
        assert_non_null(setting_table[i].help);
        if (setting_table[i].secret) /* a command line is visible to everybody */
            assert_int_equal(setting_table[i].from & FROM_OPTION, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_one_word_or_a_group_and_one),
        cmocka_unit_test(near_misses_are_suggested_and_far_ones_are_not),
        cmocka_unit_test(options_take_their_value_beside_or_behind),
        cmocka_unit_test(arguments_are_counted_and_two_hyphens_end_the_options),
        cmocka_unit_test(help_wins_over_what_is_missing_or_wrong),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
