/* In: the time that it is. Out: a store whose requests are carried out when the test turns its
 * loop.
 */
#include "world_store.h"

#include <libpq-fe.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../lib/temp_dir.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/pg/store_pg.h"
#include "store/sqlite/store_sqlite.h"

struct world_store {
    struct loop *loop; /* the store's, which nobody else turns */
    struct store *store;
    bool shared;    /* PostgreSQL */
    PGconn *pg;     /* a client of its own */
    int64_t now_us; /* what the server was told */
    char dir[64];   /* SQLite's */
};

static void exec(PGconn *pg, const char *sql)
{
    PGresult *res = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(res);
}

static void on_migrated(void *ctx, const struct store_result *r)
{
    if (r->err != OK)
        fail_msg("migrate: %s", r->message);
    *(bool *)ctx = true;
}

/* Its clock is a row that the test writes. */
static void open_pg(struct world_store *w, const char *server)
{
    struct errmsg msg = {""};
    char *url = mem_printf("%s/postgres", server);
    struct store_pg_config config = {.url = url, .pool = 1};
    bool migrated = false;
    assert_int_equal(loop_new(&w->loop), OK);
    assert_int_equal(store_pg_open(w->loop, &config, &w->store, &msg), OK);
    store_migrate(w->store, 0, on_migrated, &migrated);
    while (!migrated)
        world_store_turn(w);
    w->pg = PQconnectdb(url);
    assert_int_equal(PQstatus(w->pg), CONNECTION_OK);
    exec(w->pg, "SET client_min_messages = warning;"
                "CREATE TABLE public.world_clock (at timestamptz);"
                "INSERT INTO public.world_clock VALUES (now());"
                "CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz LANGUAGE sql"
                " VOLATILE PARALLEL SAFE AS 'SELECT at FROM public.world_clock'");
    free(url);
}

static void open_sqlite(struct world_store *w, int64_t now_us)
{
    struct errmsg msg = {""};
    temp_dir(w->dir, sizeof w->dir, "world");
    char *path = mem_printf("%s/jobs.db", w->dir);
    struct store_sqlite_config config = {.path = path, .engine = true};
    w->loop = loop_new_manual(0, now_us);
    assert_int_equal(store_sqlite_open(w->loop, &config, &w->store, &msg), OK);
    free(path);
}

struct world_store *world_store_new(int64_t now_us)
{
    struct world_store *w = mem_alloc(sizeof *w);
    const char *server = getenv("PG_URL");
    w->shared = server != NULL;
    if (w->shared)
        open_pg(w, server);
    else
        open_sqlite(w, now_us);
    world_store_time(w, now_us);
    return w;
}

void world_store_free(struct world_store *w)
{
    store_free(w->store);
    loop_free(w->loop);
    PQfinish(w->pg);
    if (!w->shared) {
        char *command = mem_printf("rm -r %s", w->dir);
        assert_int_equal(system(command), 0);
        free(command);
    }
    free(w);
}

struct store *world_store_get(const struct world_store *w)
{
    return w->store;
}

void world_store_time(struct world_store *w, int64_t now_us)
{
    char iso[CLOCK_ISO_SIZE];
    if (!w->shared || w->now_us == now_us)
        return;
    w->now_us = now_us;
    char *sql = mem_printf("UPDATE public.world_clock SET at = '%s'", clock_iso(now_us, iso));
    exec(w->pg, sql);
    free(sql);
}

void world_store_turn(struct world_store *w)
{
    if (w->shared) {
        loop_turn(w->loop, USEC_PER_SEC);
    } else {
        loop_turn(w->loop, 0); /* it stands still: its thread answers */
        (void)sched_yield();
    }
}
