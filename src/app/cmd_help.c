/* In: help, man, completion, version. Out: text made from the tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metric_table.h"
#include "api/routes.h"
#include "app/cmd.h"
#include "base/mem.h"

static int print(struct buf *text)
{
    (void)fwrite(buf_str(text), 1, text->len, stdout);
    buf_free(text);
    return EXIT_DONE;
}

/* The commands of a group: their help, one after the other. */
static bool put_group(struct buf *out, const char *group)
{
    bool any = false;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        size_t n = strlen(group);
        if (strncmp(c->name, group, n) == 0 && (c->name[n] == ' ' || c->name[n] == '\0')) {
            if (any)
                buf_puts(out, "\n");
            command_put_help(out, c);
            any = true;
        }
    }
    return any;
}

int cmd_help(struct invocation *inv)
{
    struct buf out = BUF_INIT(COMMAND_DOC_MAX);
    if (inv->n_args == 0) {
        command_put_overview(&out);
        return print(&out);
    }
    char *name = inv->n_args == 2 ? mem_printf("%s %s", inv->args[0], inv->args[1])
                                  : mem_strdup(inv->args[0]);
    bool any = put_group(&out, name);
    int code = EXIT_DONE;
    if (any)
        code = print(&out);
    else
        code = command_fail(inv, EXIT_USAGE, "no command '%s'; see: scriptorium help", name);
    buf_free(&out);
    free(name);
    return code;
}

static void put_routes(struct buf *out)
{
    static const char *const keys[ROUTE_ACCESS_MAX] = {[ROUTE_OPEN] = "none",
                                                       [ROUTE_ANYBODY] = "any",
                                                       [ROUTE_OPERATOR] = "operator",
                                                       [ROUTE_FUNCTION] = "operator"};
    buf_puts(out, "| route | key | does | query |\n|---|---|---|---|\n");
    for (size_t i = 0; i < route_count; i++) {
        const struct route *r = &route_table[i];
        buf_putf(out, "| `%s %s` | %s | %s |", r->method, r->pattern, keys[r->access], r->summary);
        for (const struct route_field *f = r->query; f != NULL && f->name != NULL; f++)
            buf_putf(out, "%s `%s`: %s", f == r->query ? "" : ";", f->name, f->about);
        buf_puts(out, " |\n");
    }
}

int cmd_man(struct invocation *inv)
{
    struct buf out = BUF_INIT(COMMAND_DOC_MAX);
    const char *page = inv->n_args > 0 ? inv->args[0] : "";
    if (strcmp(page, "commands") == 0)
        command_put_markdown(&out);
    else if (strcmp(page, "settings") == 0)
        command_put_settings_markdown(&out);
    else if (strcmp(page, "metrics") == 0)
        metrics_put_table(metric_table, METRIC_ID_MAX, &out);
    else if (strcmp(page, "routes") == 0)
        put_routes(&out);
    else if (page[0] == '\0')
        command_put_man(&out);
    else
        return command_fail(inv, EXIT_USAGE,
                            "no page '%s'; there are: commands, settings, metrics, routes", page);
    return print(&out);
}

int cmd_completion(struct invocation *inv)
{
    if (strcmp(inv->args[0], "bash") != 0)
        return command_fail(inv, EXIT_USAGE, "no completion for '%s'; there is one for bash",
                            inv->args[0]);
    struct buf out = BUF_INIT(COMMAND_DOC_MAX);
    command_put_completion(&out);
    return print(&out);
}

int cmd_version(struct invocation *inv)
{
    if (inv->set.json)
        (void)printf("{\"version\":\"%s\"}\n", SCRIPTORIUM_VERSION);
    else
        (void)printf("scriptorium %s\n", SCRIPTORIUM_VERSION);
    return EXIT_DONE;
}
