/* In: argv. Out: an invocation, or one line that says what is wrong and the way out. */
#include "app/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/fmt.h"
#include "base/mem.h"
#include "base/near.h"

#define WORD_MAX 64

static const enum setting_id everywhere[] = {SET_CONFIG, SET_LOG_LEVEL, SET_HELP};
#define EVERYWHERE (sizeof everywhere / sizeof everywhere[0])

void command_options(const struct command *command,
                     void (*fn)(void *ctx, const struct setting *set), void *ctx)
{
    for (size_t i = 0; command->options[i] != SET_MAX; i++)
        fn(ctx, &setting_table[command->options[i]]);
    for (size_t i = 0; i < EVERYWHERE; i++)
        fn(ctx, &setting_table[everywhere[i]]);
}

int command_fail(const struct invocation *inv, int code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "scriptorium%s%s: ", inv->command != NULL ? " " : "",
                  inv->command != NULL ? inv->command->name : "");
    fmt_print(stderr, text);
    (void)fprintf(stderr, "\n");
    return code;
}

/* ---- suggestions ---- */

static void consider_option(void *ctx, const struct setting *set)
{
    near_consider(ctx, set->name, strlen(set->name));
}

static enum err unknown_option(const struct command *command, const char *name, struct errmsg *msg)
{
    struct near n = {.word = name, .distance = 3};
    command_options(command, consider_option, &n);
    if (n.best != NULL)
        return err_set(msg, ERR_INVALID, "unknown option --%s; did you mean --%s?", name, n.best);
    return err_set(msg, ERR_INVALID, "unknown option --%s; see: scriptorium %s --help", name,
                   command->name);
}

/* "list" for "jobs list" after "jobs": what a group's command is called inside it; or NULL. */
static const char *inside(const char *name, const char *group)
{
    size_t n = strlen(group);
    return strncmp(name, group, n) == 0 && name[n] == ' ' ? name + n + 1 : NULL;
}

static enum err unknown_command(const char *group, const char *word, struct errmsg *msg)
{
    struct near n = {.word = word, .distance = 3};
    for (size_t i = 0; i < command_count; i++) {
        const char *name = command_table[i].name;
        const char *rest = group != NULL ? inside(name, group) : name;
        if (rest != NULL)
            near_consider(&n, rest, strcspn(rest, " "));
    }
    const char *space = group != NULL ? " " : "";
    group = group != NULL ? group : "";
    if (n.best != NULL)
        return err_set(msg, ERR_INVALID,
                       "unknown command '%s%s%s'; did you mean '%s%s%.*s'? See: scriptorium help",
                       group, space, word, group, space, (int)strcspn(n.best, " "), n.best);
    return err_set(msg, ERR_INVALID, "unknown command '%s%s%s'; see: scriptorium help", group,
                   space, word);
}

/* ---- finding the command ---- */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    }
    return NULL;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        if (inside(command_table[i].name, word) != NULL)
            return true;
    }
    return false;
}

/* Takes one word, or two for a group's command, off the front. */
static enum err take_command(int *argc, char ***argv, const struct command **ret_command,
                             struct errmsg *msg)
{
    const char *word = *argc > 0 ? (*argv)[0] : "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    int used = *argc > 0 ? 1 : 0;
    if (word[0] == '-')
        return err_set(
            msg, ERR_INVALID,
            "the command comes first: scriptorium COMMAND [%s ...]; see: scriptorium help", word);
    const struct command *command = find(word);
    if (command == NULL && is_group(word)) {
        const char *second = *argc > 1 && (*argv)[1][0] != '-' ? (*argv)[1] : NULL;
        char name[2 * WORD_MAX];
        if (*argc > 1 && (strcmp((*argv)[1], "--help") == 0 || strcmp((*argv)[1], "-h") == 0)) {
            *ret_command = find("help"); /* of the group: `help jobs` */
            *argc = 1;
            return OK;
        }
        if (second == NULL) {
            *ret_command = NULL; /* the group's own help */
            return OK;
        }
        (void)snprintf(name, sizeof name, "%s %s", word, second);
        command = find(name);
        if (command == NULL)
            return unknown_command(word, second, msg);
        used = 2;
    }
    if (command == NULL)
        return unknown_command(NULL, word, msg);
    *argc -= used;
    *argv += used;
    *ret_command = command;
    return OK;
}

/* ---- options ---- */

struct wanted {
    const char *name;
    size_t len;
    const struct setting *found;
};

static void match_option(void *ctx, const struct setting *set)
{
    struct wanted *w = ctx;
    if (strlen(set->name) == w->len && strncmp(set->name, w->name, w->len) == 0)
        w->found = set;
}

/* One "--name value", "--name=value" or flag at argv[*at]; moves *at past it. */
static enum err take_option(const struct command *command, int argc, char **argv, int *at,
                            const char *options[SET_MAX], struct errmsg *msg)
{
    const char *text = argv[(*at)++];
    if (strcmp(text, "-h") == 0)
        text = "--help";
    if (text[1] != '-')
        return err_set(msg, ERR_INVALID,
                       "unknown option %s; options are written --name; see: "
                       "scriptorium %s --help",
                       text, command->name);
    size_t len = strcspn(text + 2, "=");
    struct wanted w = {.name = text + 2, .len = len};
    command_options(command, match_option, &w);
    if (w.found == NULL) {
        char name[WORD_MAX];
        (void)snprintf(name, sizeof name, "%.*s", (int)len, text + 2);
        return unknown_option(command, name, msg);
    }
    const char *value = text[2 + len] == '=' ? text + 2 + len + 1 : NULL;
    enum setting_id id = (enum setting_id)(w.found - setting_table);
    if (options[id] != NULL)
        return err_set(msg, ERR_INVALID, "--%s is given twice", w.found->name);
    if (w.found->value == NULL) {
        if (value != NULL)
            return err_set(msg, ERR_INVALID, "--%s takes no value", w.found->name);
        options[id] = "true";
        return OK;
    }
    if (value == NULL && *at < argc)
        value = argv[(*at)++];
    if (value == NULL)
        return err_set(msg, ERR_INVALID, "--%s needs a value: --%s %s", w.found->name,
                       w.found->name, w.found->value);
    options[id] = value;
    return OK;
}

static enum err check_args(const struct invocation *inv, struct errmsg *msg)
{
    const struct command *c = inv->command;
    if (inv->n_args < (size_t)c->min_args)
        return err_set(msg, ERR_INVALID, "%s is missing: scriptorium %s %s", c->args, c->name,
                       c->args);
    if (c->max_args >= 0 && inv->n_args > (size_t)c->max_args)
        return err_set(msg, ERR_INVALID,
                       "'%s' is one argument too many; see: scriptorium %s --help",
                       inv->args[c->max_args], c->name);
    return OK;
}

enum err command_parse(int argc, char **argv, env_fn env, struct invocation *ret_inv,
                       struct errmsg *msg)
{
    const struct command *command = NULL;
    const char *options[SET_MAX] = {NULL};
    const char *group[] = {argc > 0 ? argv[0] : ""};
    struct invocation inv = {.argc = argc, .argv = argv, .env = env};
    enum err e = take_command(&argc, &argv, &command, msg);
    if (e != OK)
        return e;
    if (command == NULL) /* a group alone: its overview is in help */
        return err_set(msg, ERR_INVALID, "'%s' needs one of its commands; see: scriptorium help %s",
                       group[0], group[0]);
    inv.command = command;
    inv.args = mem_array((size_t)argc + 1, sizeof *inv.args);
    for (int at = 0; e == OK && at < argc;) {
        if (strcmp(argv[at], "--") == 0) {
            for (at++; at < argc; at++)
                inv.args[inv.n_args++] = argv[at];
        } else if (argv[at][0] == '-' && argv[at][1] != '\0') {
            e = take_option(command, argc, argv, &at, options, msg);
        } else {
            inv.args[inv.n_args++] = argv[at++];
        }
    }
    if (e == OK && options[SET_HELP] != NULL)
        inv.set.help = true;
    else if (e == OK)
        e = check_args(&inv, msg);
    if (e == OK && !inv.set.help)
        e = settings_load(&inv.set, options, env, msg);
    for (int i = 0; i < SET_MAX; i++)
        inv.given[i] = options[i] != NULL;
    if (e == OK)
        *ret_inv = inv;
    else
        command_done(&inv);
    return e;
}

void command_done(struct invocation *inv)
{
    settings_free(&inv->set);
    free(inv->args);
    inv->args = NULL;
}
