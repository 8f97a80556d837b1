/* In: argv and the environment. Out: one command, run; its exit code. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "app/command.h"
#include "app/title.h"

static const char *environment(const char *name)
{
    return getenv(name);
}

/* A thousand streams are a thousand descriptors; the soft limit is often 1024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int print_help(const struct command *command)
{
    struct buf text = BUF_INIT(COMMAND_DOC_MAX);
    command_put_help(&text, command);
    (void)fwrite(buf_str(&text), 1, text.len, stdout);
    buf_free(&text);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct invocation inv = {0};
    struct errmsg msg = {""};
    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    int words = argc > 0 ? argc - 1 : 0;
    char **copy = title_copy(words, argv + 1);
    title_hide_passwords(words, argv + 1);
    if (command_parse(words, copy, environment, &inv, &msg) != OK) {
        (void)fprintf(stderr, "scriptorium: %s\n", msg.text);
        free(copy);
        return EXIT_USAGE;
    }
    log_set_level(inv.set.log_level == LOG_LEVEL_AUTO ? LOG_WARN
                                                      : (enum log_level)inv.set.log_level);
    log_set_json(inv.set.log_format == 1);
    int code = inv.set.help ? print_help(inv.command) : inv.command->run(&inv);
    command_done(&inv);
    free(copy);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        if (errno != EPIPE) /* `| head` has seen enough */
            perror("scriptorium: standard output");
        code = EXIT_WORK_FAILED;
    }
    return code;
}
