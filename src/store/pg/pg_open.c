/* In: a database URL. Out: an open store; its ops, each to where it is worked on; its end. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/pg/pg.h"
#include "store/store_places.h"

#define WAIT_US      (3 * USEC_PER_SEC)
#define STATEMENT_US (30 * USEC_PER_SEC)
#define CLOSE_US     (5 * USEC_PER_SEC) /* for what is in flight at the end */
#define TURN_US      (50 * USEC_PER_MSEC)

/* ---- answers that need no database ---- */

static void deliver(void *ctx)
{
    struct pg_store *s = ctx;
    struct store_op *op = s->done;
    s->done = NULL;
    s->done_end = &s->done;
    while (op != NULL) {
        struct store_op *next = op->next;
        store_op_done(&s->base, op);
        op = next;
    }
}

void pg_give_back(struct pg_store *s, struct store_op *op)
{
    op->next = NULL;
    *s->done_end = op;
    s->done_end = &op->next;
    loop_defer(s->base.loop, &s->done_task);
}

static void hint(void *ctx)
{
    struct pg_store *s = ctx;
    store_changed(&s->base);
}

void pg_hint(struct pg_store *s)
{
    loop_defer(s->base.loop, &s->hint_task);
}

/* ---- the driver ---- */

static void pg_submit(struct store *base, struct store_op *op)
{
    struct pg_store *s = (struct pg_store *)base;
    if (s->closing)
        store_op_fail(op, ERR_CLOSED, "%s: the store is closed", s->url->label);
    if (op->verb == VERB_BACKUP)
        store_op_fail(op, ERR_UNSUPPORTED,
                      "PostgreSQL is backed up by its own tools; use pg_dump or pg_basebackup");
    if (op->result.err != OK)
        pg_give_back(s, op);
    else if (op->verb == VERB_MIGRATE)
        pg_migrate_start(s, op);
    else
        pg_pool_submit(s, op);
}

static void pg_watch(struct store *base, bool on)
{
    struct pg_store *s = (struct pg_store *)base;
    if (on)
        pg_listen_start(s);
    else
        pg_listen_stop(s);
}

static bool is_quiet(const struct pg_store *s)
{
    return s->n_tasks == 0 && s->migration == NULL && s->done == NULL;
}

static void close_all(struct pg_store *s)
{
    pg_listen_stop(s);
    pg_pool_free(s);
    loop_cancel(s->base.loop, &s->done_task);
    loop_cancel(s->base.loop, &s->hint_task);
    pg_url_free(s->url);
    pg_url_free(s->listen_url);
    free(s->name);
    free(s->schema);
    free(s->engine_role);
    free(s->input_hook);
    free(s->hook);
    free(s->ended_hook);
    free(s->options);
    store_places_free(&s->base);
    free(s);
}

static void pg_free(struct store *base)
{
    struct pg_store *s = (struct pg_store *)base;
    int64_t end = clock_mono() + CLOSE_US;
    s->closing = true;
    pg_listen_stop(s);
    while (!is_quiet(s) && clock_mono() < end)
        loop_turn(s->base.loop, TURN_US);
    pg_migrate_abandon(s);
    pg_pool_abandon(s);
    while (s->done != NULL) /* a callback may still ask for something */
        deliver(s);
    close_all(s);
}

static const struct store_driver driver = {.submit = pg_submit, .watch = pg_watch, .free = pg_free};

/* Statements end before we give up on their connection. A pooler gets none of these options: there
 * we only have our own deadline. */
static char *make_options(int64_t statement_us)
{
    return mem_printf("-c statement_timeout=%lld -c lock_timeout=%lld -c jit=off",
                      (long long)(statement_us / USEC_PER_MSEC),
                      (long long)(statement_us / 2 / USEC_PER_MSEC));
}

static char *copy_or(const char *text, const char *fallback)
{
    return mem_strdup(text != NULL ? text : fallback);
}

enum err store_pg_open(struct loop *loop, const struct store_pg_config *config,
                       struct store **ret_store, struct errmsg *msg)
{
    int pool = config->pool != 0 ? config->pool : STORE_PG_POOL_DEFAULT;
    struct pg_url *url = NULL, *listen_url = NULL;
    if (pool < 1 || pool > STORE_PG_POOL_MAX)
        return err_set(msg, ERR_INVALID, "a pool has 1 to %d connections", STORE_PG_POOL_MAX);
    enum err e = pg_url_parse(config->url, &url, msg);
    if (e == OK)
        e = pg_url_parse(config->listen_url != NULL ? config->listen_url : config->url, &listen_url,
                         msg);
    if (e != OK) {
        pg_url_free(url);
        return e;
    }
    struct pg_store *s = mem_alloc(sizeof *s);
    s->name = copy_or(config->application_name, "scriptorium");
    if (config->part != NULL) {
        pg_url_add_part(url, s->name, config->part);
        pg_url_add_part(listen_url, s->name, config->part);
    }
    s->base.driver = &driver;
    s->base.loop = loop;
    s->base.shared = true;
    s->url = url;
    s->listen_url = listen_url;
    s->schema = mem_strdup(config->schema);
    s->engine_role = mem_strdup(config->engine_role);
    s->input_hook = mem_strdup(config->input_hook);
    s->hook = mem_strdup(config->completion_hook);
    s->ended_hook = mem_strdup(config->ended_hook);
    s->base.hooks = (s->input_hook != NULL ? STORE_HOOK_INPUT : 0) |
                    (s->hook != NULL ? STORE_HOOK_COMPLETED : 0) |
                    (s->ended_hook != NULL ? STORE_HOOK_ENDED : 0);
    s->wait_us = config->wait_us > 0 ? config->wait_us : WAIT_US;
    s->statement_us = config->statement_us > 0 ? config->statement_us : STATEMENT_US;
    s->options = make_options(s->statement_us);
    s->rng = rng_seed(rng_seed_from_os(), 1);
    s->done_end = &s->done;
    s->done_task = (struct loop_task){.fn = deliver, .ctx = s};
    s->hint_task = (struct loop_task){.fn = hint, .ctx = s};
    pg_pool_init(s, pool);
    *ret_store = &s->base;
    return OK;
}

enum store_pg_hints store_pg_hints(const struct store *store, const char **ret_why)
{
    return pg_listen_status(((const struct pg_store *)store)->listener, ret_why);
}
