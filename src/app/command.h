/* In: a command line. Out: the command it names, with settings and arguments, or one line that
 * says what is wrong. Parser, help, man page, completion and documents come from one table. */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "app/settings.h"
#include "base/buf.h"
#include "base/err.h"

enum { EXIT_DONE = 0, EXIT_WORK_FAILED = 1, EXIT_USAGE = 2 };

#define COMMAND_OPTIONS_MAX 24

struct invocation {
    const struct command *command;
    struct settings set;
    bool given[SET_MAX]; /* on the command line */
    char **args;         /* borrowed from argv */
    size_t n_args;
    int argc; /* what was parsed, to read the settings again; borrowed */
    char **argv;
    env_fn env;
    const char *part; /* which of several processes of one daemon this is; NULL = there is one */
};

struct command {
    const char *name; /* "run", "jobs list" */
    const char *args; /* "ID", "[ID...]", or NULL */
    int min_args, max_args;
    const char *summary;
    const char *about; /* paragraphs; may be NULL */
    const char *example;
    /* Ends with SET_MAX. --config, --log-level and --help are everywhere. */
    enum setting_id options[COMMAND_OPTIONS_MAX];
    int (*run)(struct invocation *inv); /* the exit code */
};
extern const struct command command_table[];
extern const size_t command_count;

/* argv without the program's name. OK: *ret_inv is filled, free it with command_done().
 * ERR_INVALID: msg is one line for people, the exit code is EXIT_USAGE. An empty command line is
 * `help`. */
enum err command_parse(int argc, char **argv, env_fn env, struct invocation *ret_inv,
                       struct errmsg *msg) MUST_CHECK;
void command_done(struct invocation *inv);

/* "scriptorium COMMAND: message" on standard error; returns `code`. */
int command_fail(const struct invocation *inv, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The options of a command in the order of help, with those that all have: calls fn for each. */
void command_options(const struct command *command,
                     void (*fn)(void *ctx, const struct setting *set), void *ctx);

/* ---- documents from the table (command_doc.c) ---- */
void command_put_overview(struct buf *out);
void command_put_help(struct buf *out, const struct command *command);
void command_put_man(struct buf *out);
void command_put_markdown(struct buf *out);          /* docs/commands.md */
void command_put_settings_markdown(struct buf *out); /* the table in docs/configuration.md */
void command_put_completion(struct buf *out);        /* bash */

#define COMMAND_DOC_MAX ((size_t)256 * 1024)

#endif
