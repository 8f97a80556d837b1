/* In: a server. Out: the PostgreSQL store as the suite wants it. Its time is the database's: one
 * function, which is made to stand still and moved by `pass`. */
#include "pg_plug.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/pg/store_pg.h"

#define TEMPLATE "scriptorium_template"

struct database {
    char *name, *url, *listen_url;
    PGconn *client;
    int64_t now_us; /* 0: the real time */
};

static char *url_of(const char *name)
{
    const char *server = getenv("PG_URL");
    assert_non_null(server);
    return mem_printf("%s/%s", server, name);
}

/* With PG_POOLER the store goes through a pooler, and only its listener to the server itself. */
static char *pooler_url_of(const char *name)
{
    const char *pooler = getenv("PG_POOLER");
    return pooler != NULL ? mem_printf("%s/%s", pooler, name) : url_of(name);
}

static PGconn *connect_to(const char *name)
{
    char *url = url_of(name);
    PGconn *c = PQconnectdb(url);
    if (PQstatus(c) != CONNECTION_OK)
        print_error("%s", PQerrorMessage(c));
    assert_int_equal(PQstatus(c), CONNECTION_OK);
    free(url);
    return c;
}

static bool exec(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(res);
    PQclear(res);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void admin(const char *what, const char *name, const char *how)
{
    PGconn *c = connect_to("postgres");
    char *sql = mem_printf("%s DATABASE %s %s", what, name, how);
    assert_true(exec(c, sql));
    free(sql);
    PQfinish(c);
}

bool pg_plug_sql(void *ctx, const char *sql)
{
    struct database *db = ctx;
    if (db->client != NULL && PQstatus(db->client) != CONNECTION_OK) {
        PQfinish(db->client);
        db->client = NULL;
    }
    if (db->client == NULL) {
        db->client = connect_to(db->name);
        (void)exec(db->client, "SET client_min_messages = error");
    }
    return exec(db->client, sql);
}

char *pg_plug_text(void *ctx, const char *sql)
{
    struct database *db = ctx;
    (void)pg_plug_sql(db, "SELECT 1");
    PGresult *res = PQexec(db->client, sql);
    char *text = NULL;
    if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) > 0 && !PQgetisnull(res, 0, 0))
        text = mem_strdup(PQgetvalue(res, 0, 0));
    PQclear(res);
    return text;
}

/* ---- a database with our schema, copied for each test ---- */

static void on_migrated(void *ctx, const struct store_result *r)
{
    bool *done = ctx;
    if (r->err != OK)
        print_error("migrate: %s\n", r->message);
    assert_int_equal(r->err, OK);
    *done = true;
}

static void make_template(void)
{
    static bool made;
    if (made)
        return;
    made = true;
    admin("CREATE", TEMPLATE, "");
    struct store *store = NULL;
    struct loop *loop = NULL;
    struct errmsg msg;
    char *url = url_of(TEMPLATE);
    assert_int_equal(loop_new(&loop), OK);
    struct store_pg_config config = {.url = url};
    assert_int_equal(store_pg_open(loop, &config, &store, &msg), OK);
    bool done = false;
    store_migrate(store, 0, on_migrated, &done);
    while (!done)
        loop_turn(loop, USEC_PER_SEC);
    store_free(store);
    loop_free(loop);
    free(url);
}

void *pg_plug_make(void)
{
    static int n;
    make_template();
    struct database *db = mem_alloc(sizeof *db);
    db->name = mem_printf("t%d", ++n);
    db->url = pooler_url_of(db->name);
    db->listen_url = url_of(db->name);
    admin("CREATE", db->name, "TEMPLATE " TEMPLATE);
    return db;
}

static void set_time(struct database *db)
{
    char iso[CLOCK_ISO_SIZE];
    char *sql = mem_printf("CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz"
                           " LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT ''%s''::timestamptz'",
                           clock_iso(db->now_us, iso));
    assert_true(pg_plug_sql(db, sql));
    free(sql);
}

static void *make(void)
{
    struct database *db = pg_plug_make();
    db->now_us = clock_wall();
    set_time(db);
    return db;
}

void pg_plug_drop(void *ctx)
{
    struct database *db = ctx;
    PQfinish(db->client);
    admin("DROP", db->name, "WITH (FORCE)");
    free(db->name);
    free(db->url);
    free(db->listen_url);
    free(db);
}

const char *pg_plug_url(const void *db)
{
    return ((const struct database *)db)->url;
}

static struct loop *make_loop(void)
{
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), OK);
    return loop;
}

static struct store *open_store(void *ctx, struct loop *loop, bool engine)
{
    struct database *db = ctx;
    const char *pool = getenv("PG_POOL"); /* 1: everything down one connection */
    struct store_pg_config config = {.url = db->url,
                                     .listen_url = db->listen_url,
                                     .application_name = engine ? "engine" : "cli",
                                     .pool = pool != NULL ? atoi(pool) : 0};
    struct store *store = NULL;
    struct errmsg msg = {0};
    enum err e = store_pg_open(loop, &config, &store, &msg);
    if (e != OK)
        print_error("%s\n", msg.text);
    assert_int_equal(e, OK);
    return store;
}

static void pass_time(void *ctx, struct loop *loop, int64_t us)
{
    struct database *db = ctx;
    (void)loop;
    db->now_us += us;
    set_time(db);
}

static int64_t its_time(void *ctx, struct loop *loop)
{
    const struct database *db = ctx;
    (void)loop;
    return db->now_us;
}

static bool run_raw(void *db, const char *sql)
{
    return pg_plug_sql(db, sql);
}

const struct conformance_plug pg_plug = {
    .name = "pg",
    .shared = true,
    .json_form = true,
    .make = make,
    .drop = pg_plug_drop,
    .loop = make_loop,
    .open = open_store,
    .pass = pass_time,
    .now = its_time,
    .raw = run_raw,
};
