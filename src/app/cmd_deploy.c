/* In: deploy, deployments, rollback. Out: a version of the pipeline more, the list of them, another
 * one of them active. */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/deployment_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/deployed.h"
#include "app/fmt.h"
#include "app/pipeline_folder.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/bundle.h"
#include "text/json.h"
#include "store/store_deployments.h"

#define HASH_SHOWN 12

struct deploy {
    struct invocation *inv;
    struct pipeline *pipeline;
    char *content;
    int version;
    bool is_new;
};

/* ---- deploy ---- */

static enum err check(struct deploy *d, const struct catalog *catalog, struct errmsg *msg)
{
    struct pipeline_folder *folder = NULL;
    enum err e = pipeline_folder_read(d->inv->args[0], &folder, msg);
    if (e == OK)
        e = pipeline_folder_parse(folder, catalog, &d->pipeline, msg);
    if (e == OK)
        e = bundle_write(folder->files, folder->n, &d->content, msg);
    pipeline_folder_free(folder);
    return e;
}

/* user@host. */
static char *whoami(void)
{
    char host[HOST_NAME_MAX + 1] = "", name[64] = "?", store[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, store, sizeof store, &found) == 0 && found != NULL)
        (void)snprintf(name, sizeof name, "%s", found->pw_name);
    (void)gethostname(host, sizeof host - 1);
    return mem_printf("%s@%s", name, host);
}

static void take_added(void *ctx, const struct store_result *r)
{
    struct deploy *d = ctx;
    d->version = r->version;
    d->is_new = r->count > 0;
}

static int store_it(struct deploy *d)
{
    struct context c;
    int code = context_open(&c, d->inv, CONTEXT_CREATE);
    if (code != EXIT_DONE)
        return code;
    char *by = whoami();
    struct store_deployment row = {.hash = d->pipeline->hash,
                                   .name = d->pipeline->name,
                                   .content = d->content,
                                   .by = by,
                                   .program = SCRIPTORIUM_VERSION,
                                   .note = d->inv->set.note};
    struct answer a = answer_new(&c, take_added, d);
    store_deployment_add(c.store, &row, answer_take, &a);
    code = answer_wait(&c, &a);
    free(by);
    context_close(&c);
    return code;
}

/* ---- what it says ---- */

static void print_deployed(const struct deploy *d)
{
    const struct pipeline *p = d->pipeline;
    struct buf notes = BUF_INIT(PIPELINE_NOTES_MAX);
    pipeline_put_notes(&notes, p, d->inv->set.json);
    if (d->inv->set.json) {
        struct buf out = BUF_INIT((size_t)1 << 20);
        buf_putf(&out, "{\"version\":%d,\"new\":%s,\"hash\":\"%s\",\"name\":", d->version,
                 d->is_new ? "true" : "false", p->hash);
        json_put_string(&out, p->name, strlen(p->name));
        (void)printf("%s,\"notes\":[%s]}\n", buf_str(&out), buf_str(&notes));
        buf_free(&out);
    } else {
        (void)fputs(buf_str(&notes), stderr);
        (void)printf(d->is_new ? "Version %d (%s %s) is active: jobs that begin now are made by "
                                 "it.\n"
                               : "These files are version %d already (%s %s); nothing was added, "
                                 "and that version is active.\n",
                     d->version, p->name, p->version);
    }
    buf_free(&notes);
}

int cmd_deploy(struct invocation *inv)
{
    struct deploy d = {.inv = inv};
    struct catalog *catalog = NULL;
    struct errmsg msg = {""};
    int code = workshop_catalog(inv, &catalog);
    if (code != EXIT_DONE)
        return code;
    if (check(&d, catalog, &msg) != OK)
        code = command_fail(inv, EXIT_USAGE, "%s", msg.text);
    if (code == EXIT_DONE && d.pipeline != NULL)
        code = store_it(&d);
    if (code == EXIT_DONE && d.pipeline != NULL)
        print_deployed(&d);
    catalog_free(catalog);
    pipeline_free(d.pipeline);
    free(d.content);
    return code;
}

/* ---- deployments ---- */

static void print_row(const struct store_deployment *d)
{
    char at[CLOCK_ISO_SIZE] = "", who[64];
    struct buf note = BUF_INIT((size_t)64 * 1024);
    if (d->at_us > 0)
        clock_iso(d->at_us, at);
    (void)snprintf(who, sizeof who, "%s", d->by != NULL ? d->by : "");
    if (d->note != NULL)
        fmt_fit(&note, d->note, 40);
    (void)printf("%c %7d  %-20.20s %-12.*s  %-27s %-24s %s\n", d->active ? '*' : ' ', d->version,
                 d->name, HASH_SHOWN, d->hash != NULL ? d->hash : "", at, who, buf_str(&note));
    buf_free(&note);
}

static void take_list(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    struct store_deployment built_in = {.name = "built-in", .active = true};
    if (inv->set.json) {
        struct buf out = BUF_INIT(DEPLOYMENTS_JSON_MAX);
        deployments_put_json(&out, r);
        (void)printf("%s\n", buf_str(&out));
        buf_free(&out);
        return;
    }
    (void)printf("  %7s  %-20s %-12s  %-27s %-24s %s\n", "version", "name", "hash", "deployed",
                 "by", "note");
    for (size_t i = 0; i < r->n; i++) {
        print_row(&r->deployments[i]);
        if (r->deployments[i].active)
            built_in.active = false;
    }
    print_row(&built_in);
}

int cmd_deployments(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_list, inv);
    store_deployments(c.store, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}

/* ---- rollback ---- */

static int read_version(const struct invocation *inv, int *ret_version)
{
    *ret_version = -1;
    if (inv->n_args == 0)
        return EXIT_DONE;
    char *end = NULL;
    const char *text = inv->args[0];
    long version = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || version > INT_MAX)
        return command_fail(inv, EXIT_USAGE,
                            "'%.40s' is no version; `scriptorium deployments` lists them", text);
    *ret_version = (int)version;
    return EXIT_DONE;
}

static void take_active(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    if (inv->set.json)
        (void)printf("{\"active\":%d}\n", r->version);
    else if (r->version == 0)
        (void)printf("Version 0, the built-in pipeline, is active: jobs that begin now are made by "
                     "it.\n");
    else
        (void)printf("Version %d is active: jobs that begin now are made by it.\n", r->version);
}

/* The nodes that cannot use it keep what they have: worth knowing now, not from their logs. */
static void warn_if_unusable(struct context *c)
{
    struct catalog *catalog = NULL;
    struct deployed d = {0};
    struct errmsg msg = {""};
    if (workshop_catalog(c->inv, &catalog) == EXIT_DONE &&
        deployed_read(c, catalog, &d, &msg) == OK && d.unusable.text[0] != '\0')
        (void)fprintf(stderr,
                      "note: this program cannot use version %d, and daemons like it keep the one "
                      "they have: %s\n",
                      d.version, d.unusable.text);
    pipeline_free(d.pipeline);
    catalog_free(catalog);
}

int cmd_rollback(struct invocation *inv)
{
    struct context c;
    int version;
    int code = read_version(inv, &version);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_active, inv);
    store_deployment_activate(c.store, version, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE)
        warn_if_unusable(&c);
    context_close(&c);
    return code;
}
