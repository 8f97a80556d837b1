/* In: an invocation. Out: a loop and an open store. */
#include "app/context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/pg/store_pg.h"
#include "store/sqlite/store_sqlite.h"

/* The path of a sqlite: URL; a path alone will do as well. NULL: another kind of store. */
static const char *sqlite_path(const char *url)
{
    if (strncmp(url, "sqlite:", 7) == 0) {
        url += 7;
        return url[0] == '/' && url[1] == '/' && url[2] == '/' ? url + 2 : url;
    }
    return strstr(url, "://") == NULL ? url : NULL;
}

/* A server's address with a slip in it: as a file's name it would be quoted with its password. */
static bool is_mistaken(const char *url)
{
    return strncmp(url, "sqlite:", 7) != 0 && strpbrk(url, "@=") != NULL;
}

static bool is_postgres(const char *url)
{
    return strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
}

static enum err open_pg(struct context *c, struct errmsg *msg)
{
    const struct settings *set = &c->inv->set;
    struct store_pg_config config = {.url = set->database,
                                     .listen_url = set->listen_url,
                                     .pool = (int)set->pool,
                                     .part = c->inv->part,
                                     .schema = set->schema,
                                     .engine_role = set->engine_role,
                                     .input_hook = set->hook_input,
                                     .completion_hook = set->hook_completed,
                                     .ended_hook = set->hook_ended};
    return store_pg_open(c->loop, &config, &c->store, msg);
}

static enum err open_sqlite(struct context *c, const char *path, unsigned flags, struct errmsg *msg)
{
    struct store_sqlite_config config = {.path = path,
                                         .engine = (flags & CONTEXT_ENGINE) != 0,
                                         .create = (flags & CONTEXT_CREATE) != 0};
    return store_sqlite_open(c->loop, &config, &c->store, msg);
}

int context_begin(struct context *c, struct invocation *inv)
{
    memset(c, 0, sizeof *c);
    c->inv = inv;
    const char *path = sqlite_path(inv->set.database);
    c->shared = is_postgres(inv->set.database);
    if (!c->shared && (path == NULL || path[0] == '\0' || is_mistaken(inv->set.database)))
        return command_fail(inv, EXIT_USAGE,
                            "the database must be given as sqlite:PATH or postgres://...");
    if (loop_new(&c->loop) != OK)
        return command_fail(inv, EXIT_WORK_FAILED, "the event loop cannot be started");
    return EXIT_DONE;
}

enum err context_connect(struct context *c, unsigned flags, struct errmsg *msg)
{
    const char *path = sqlite_path(c->inv->set.database);
    return c->shared ? open_pg(c, msg) : open_sqlite(c, path, flags, msg);
}

int context_open(struct context *c, struct invocation *inv, unsigned flags)
{
    struct errmsg msg = {""};
    bool hooks = inv->set.hook_input != NULL || inv->set.hook_completed != NULL ||
                 inv->set.hook_ended != NULL;
    int code = context_begin(c, inv);
    if (code == EXIT_DONE && hooks && !c->shared && (flags & CONTEXT_ENGINE) != 0)
        code = command_fail(inv, EXIT_USAGE,
                            "hooks are functions in PostgreSQL; this database is SQLite: "
                            "take them out of the configuration, or use webhooks");
    enum err e = code == EXIT_DONE ? context_connect(c, flags, &msg) : OK;
    if (e != OK)
        code = command_fail(inv, c->shared && e == ERR_INVALID ? EXIT_USAGE : EXIT_WORK_FAILED,
                            "%s", msg.text);
    if (code != EXIT_DONE)
        context_close(c);
    return code;
}

bool context_has_store(const struct invocation *inv)
{
    const char *path = sqlite_path(inv->set.database);
    return path == NULL || inv->given[SET_DATABASE] || access(path, F_OK) == 0;
}

void context_close(struct context *c)
{
    store_free(c->store);
    loop_free(c->loop);
    c->store = NULL;
    c->loop = NULL;
}

struct answer answer_new(struct context *c, void (*take)(void *ctx, const struct store_result *r),
                         void *ctx)
{
    return (struct answer){.loop = c->loop, .take = take, .ctx = ctx};
}

void answer_take(void *answer, const struct store_result *r)
{
    struct answer *a = answer;
    a->done = true;
    a->err = r->err;
    a->count = r->count;
    if (r->err != OK)
        (void)snprintf(a->msg.text, sizeof a->msg.text, "%s",
                       r->message != NULL && r->message[0] != '\0' ? r->message : err_name(r->err));
    else if (a->take != NULL)
        a->take(a->ctx, r);
    loop_stop(a->loop);
}

enum err answer_await(struct answer *a)
{
    while (!a->done)
        loop_run(a->loop);
    return a->err;
}

int answer_wait(struct context *c, struct answer *a)
{
    if (answer_await(a) == OK)
        return EXIT_DONE;
    return command_fail(c->inv, EXIT_WORK_FAILED, "%s", a->msg.text);
}

int context_uuid(const struct invocation *inv, const char *what, const char *text,
                 struct uuid *ret_id)
{
    if (uuid_parse(text, strlen(text), ret_id) == OK)
        return EXIT_DONE;
    return command_fail(inv, EXIT_USAGE,
                        "%s: '%.60s' is no id; ids look like "
                        "0190163d-8694-739b-aea5-966c26f8ad91",
                        what, text);
}
