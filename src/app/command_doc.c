/* In: the tables of commands and settings. Out: help, the manual page, Markdown, completion. */
#include "app/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WIDTH 79

/* Appends text, wrapped at WIDTH, each line after the first indented; \n\n starts a paragraph. */
static void put_wrapped(struct buf *out, const char *text, size_t indent, size_t column)
{
    while (*text != '\0') {
        if (*text == '\n') {
            size_t n = strspn(text, "\n");
            buf_puts(out, n > 1 ? "\n\n" : "\n");
            text += n;
            buf_putf(out, "%*s", (int)indent, "");
            column = indent;
            continue;
        }
        size_t word = strcspn(text, " \n");
        if (column > indent && column + 1 + word > WIDTH) {
            buf_putf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_puts(out, " ");
            column++;
        }
        buf_put(out, text, word);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
}

static void put_usage(struct buf *out, const struct command *c)
{
    buf_putf(out, "scriptorium %s", c->name);
    if (c->args != NULL)
        buf_putf(out, " %s", c->args);
    if (c->options[0] != SET_MAX)
        buf_puts(out, " [OPTION...]");
}

static void put_default(struct buf *out, const struct setting *s)
{
    if (s->fallback != NULL)
        buf_putf(out, " (default %s)", s->fallback);
}

void command_put_overview(struct buf *out)
{
    buf_puts(out, "Scriptorium turns rows of a table into finished video scripts.\n\n"
                  "usage: scriptorium COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        buf_putf(out, "  %-15s  ", c->name);
        put_wrapped(out, c->summary, 19, 19);
        buf_puts(out, "\n");
    }
    buf_puts(out, "\nscriptorium COMMAND --help explains one; exit status: 0 done, 1 the work "
                  "failed,\n2 wrong usage.\n");
}

static void put_option(void *ctx, const struct setting *s)
{
    struct buf *out = ctx;
    char left[64];
    (void)snprintf(left, sizeof left, "--%s%s%s", s->name, s->value != NULL ? " " : "",
                   s->value != NULL ? s->value : "");
    struct buf text = BUF_INIT(1024);
    buf_puts(&text, s->help);
    put_default(&text, s);
    for (size_t i = 0; s->env[i] != NULL; i++)
        buf_putf(&text, "%s%s", i == 0 ? "; also " : ", ", s->env[i]);
    buf_putf(out, "  %-24s ", left);
    if (strlen(left) > 24)
        buf_putf(out, "\n%27s", "");
    put_wrapped(out, buf_str(&text), 27, 27);
    buf_puts(out, "\n");
    buf_free(&text);
}

void command_put_help(struct buf *out, const struct command *c)
{
    buf_puts(out, "usage: ");
    put_usage(out, c);
    buf_puts(out, "\n\n");
    put_wrapped(out, c->summary, 0, 0);
    buf_puts(out, "\n\n");
    if (c->about != NULL) {
        put_wrapped(out, c->about, 0, 0);
        buf_puts(out, "\n\n");
    }
    command_options(c, put_option, out);
    if (c->example != NULL)
        buf_putf(out, "\nexample: %s\n", c->example);
}

/* ---- the manual page (man 7 man) ---- */

/* A leading dot or quote, and every backslash and hyphen, mean something to troff. */
static void put_roff(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\')
            buf_puts(out, *text == '-' ? "\\-" : "\\e");
        else if (text[0] == '\n')
            buf_puts(out, text[1] == '\n' ? (text++, "\n.PP\n") : "\n");
        else
            buf_put(out, text, 1);
    }
}

static void put_roff_option(void *ctx, const struct setting *s)
{
    struct buf *out = ctx;
    buf_puts(out, ".TP\n\\fB\\-\\-");
    put_roff(out, s->name);
    buf_puts(out, "\\fR");
    if (s->value != NULL)
        buf_putf(out, " \\fI%s\\fR", s->value);
    buf_puts(out, "\n");
    put_roff(out, s->help);
    struct buf fallback = BUF_INIT(256);
    put_default(&fallback, s);
    put_roff(out, buf_str(&fallback));
    buf_free(&fallback);
    buf_puts(out, "\n");
}

static void put_roff_environment(struct buf *out)
{
    buf_puts(out, ".SH ENVIRONMENT\nAn option comes before its variable, a variable before the "
                  "configuration file.\n");
    for (int i = 0; i < SET_MAX; i++) {
        const struct setting *s = &setting_table[i];
        for (size_t k = 0; s->env[k] != NULL; k++) {
            buf_putf(out, ".TP\n\\fB%s\\fR", s->env[k]);
            if (setting_in_file(s))
                buf_putf(out, ", \\fB%s_FILE\\fR", s->env[k]);
            buf_puts(out, "\n");
            put_roff(out, s->help);
            buf_puts(out, "\n");
        }
    }
}

void command_put_man(struct buf *out)
{
    buf_puts(out, ".TH SCRIPTORIUM 1 \"\" \"scriptorium " SCRIPTORIUM_VERSION "\"\n"
                  ".SH NAME\nscriptorium \\- turns rows of a table into finished video scripts\n"
                  ".SH SYNOPSIS\n.B scriptorium\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n"
                  ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        buf_puts(out, ".SS ");
        put_usage(out, c);
        buf_puts(out, "\n");
        put_roff(out, c->summary);
        buf_puts(out, ".\n");
        if (c->about != NULL) {
            buf_puts(out, ".PP\n");
            put_roff(out, c->about);
            buf_puts(out, "\n");
        }
        command_options(c, put_roff_option, out);
        if (c->example != NULL) {
            buf_puts(out, ".PP\nExample:\n.PP\n.nf\n.RS\n");
            put_roff(out, c->example);
            buf_puts(out, "\n.RE\n.fi\n");
        }
    }
    put_roff_environment(out);
    buf_puts(out, ".SH EXIT STATUS\n0 done, 1 the work failed, 2 wrong usage.\n"
                  ".SH SEE ALSO\nThe documents, in share/doc/scriptorium/docs beside the program; "
                  "README.md there lists them.\n");
}

/* ---- Markdown ---- */

static void put_markdown_option(void *ctx, const struct setting *s)
{
    struct buf *out = ctx;
    buf_putf(out, "| `--%s%s%s` | %s | %s |\n", s->name, s->value != NULL ? " " : "",
             s->value != NULL ? s->value : "", s->help, s->fallback != NULL ? s->fallback : "");
}

void command_put_markdown(struct buf *out)
{
    buf_puts(out,
             "# Commands\n\n"
             "Written by `make docs` from the table that also makes the parser and `--help`.\n"
             "Exit status: 0 done, 1 the work failed, 2 wrong usage. `--json` prints data for\n"
             "programs on standard output; progress goes to standard error. Colour and bars\n"
             "appear on a terminal only, and never with `NO_COLOR`.\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        buf_putf(out, "\n## %s\n\n`", c->name);
        put_usage(out, c);
        buf_putf(out, "`: %s.\n\n", c->summary);
        if (c->about != NULL) {
            put_wrapped(out, c->about, 0, 0);
            buf_puts(out, "\n\n");
        }
        if (c->example != NULL)
            buf_putf(out, "    %s\n\n", c->example);
        buf_puts(out, "| option | meaning | default |\n|---|---|---|\n");
        command_options(c, put_markdown_option, out);
    }
}

void command_put_settings_markdown(struct buf *out)
{
    buf_puts(out, "| setting | option | environment | file | default | meaning |\n"
                  "|---|---|---|---|---|---|\n");
    for (int i = 0; i < SET_MAX; i++) {
        const struct setting *s = &setting_table[i];
        if ((s->from & (FROM_ENV | FROM_FILE)) == 0)
            continue;
        buf_putf(out, "| %s | %s%s%s | ", s->name, (s->from & FROM_OPTION) != 0 ? "`--" : "",
                 (s->from & FROM_OPTION) != 0 ? s->name : "",
                 (s->from & FROM_OPTION) != 0 ? "`" : "");
        for (size_t k = 0; s->env[k] != NULL; k++) {
            buf_putf(out, "%s`%s`", k > 0 ? ", " : "", s->env[k]);
            if (setting_in_file(s))
                buf_putf(out, ", `%s_FILE`", s->env[k]);
        }
        buf_putf(out, " | %s | %s | %s |\n", (s->from & FROM_FILE) != 0 ? "yes" : "",
                 s->fallback != NULL ? s->fallback : "", s->help);
    }
}

/* ---- completion ---- */

static void put_completion_option(void *ctx, const struct setting *s)
{
    buf_putf(ctx, "--%s ", s->name);
}

/* The first words, or, with a group, the second ones. */
static void put_words(struct buf *out, const char *group)
{
    char last[64] = "";
    for (size_t i = 0; i < command_count; i++) {
        const char *name = command_table[i].name;
        size_t n = group != NULL ? strlen(group) : 0;
        if (n > 0 && (strncmp(name, group, n) != 0 || name[n] != ' '))
            continue;
        const char *word = n > 0 ? name + n + 1 : name;
        char text[64];
        (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(word, " "), word);
        if (strcmp(text, last) != 0)
            buf_putf(out, "%s ", text);
        (void)snprintf(last, sizeof last, "%s", text);
    }
}

/* A line for each first word that has second ones. */
static void put_groups(struct buf *out)
{
    char *last = mem_strdup("");
    for (size_t i = 0; i < command_count; i++) {
        const char *name = command_table[i].name;
        if (strchr(name, ' ') == NULL)
            continue;
        char *group = mem_strndup(name, strcspn(name, " "));
        if (strcmp(group, last) != 0) {
            buf_putf(out, "    %s\\ *) words=\"", group);
            put_words(out, group);
            buf_puts(out, "\" ;;\n");
        }
        free(last);
        last = group;
    }
    free(last);
}

void command_put_completion(struct buf *out)
{
    buf_puts(out, "_scriptorium() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} words= files=\n"
                  "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        buf_putf(out, "    \"%s\"%s) ", c->name, strchr(c->name, ' ') ? "" : "\\ *");
        if (strcmp(c->name, "help") == 0) {
            buf_puts(out, "words=\"");
            put_words(out, NULL);
        } else {
            buf_puts(out, "files=1 words=\"");
            command_options(c, put_completion_option, out);
        }
        buf_puts(out, "\" ;;\n");
    }
    put_groups(out);
    buf_puts(out, "    *) words=\"");
    put_words(out, NULL);
    buf_puts(out, "\" ;;\n    esac\n"
                  "    [[ $cur == -* || -z $files ]] &&\n"
                  "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                  "}\n"
                  "complete -o default -F _scriptorium scriptorium\n");
}
