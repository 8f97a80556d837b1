/* In: nothing. Out: the SQLite store as the suite wants it. Its time is a manual loop's; clients'
 * statements run on a plain connection, as another program would make them. */
#include "sqlite_plug.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/temp_dir.h"
#include "base/clock.h"
#include "store/sqlite/store_sqlite.h"

struct database {
    char *dir, *path;
    sqlite3 *client;
};

static void *make(void)
{
    struct database *db = mem_alloc(sizeof *db);
    char dir[200];
    temp_dir(dir, sizeof dir, "store");
    db->dir = mem_strdup(dir);
    db->path = mem_printf("%s/jobs.db", dir);
    return db;
}

static void drop(void *ctx)
{
    struct database *db = ctx;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".writers"};
    sqlite3_close(db->client);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = mem_printf("%s%s", db->path, suffixes[i]);
        (void)unlink(name);
        free(name);
    }
    assert_int_equal(rmdir(db->dir), 0); /* the store leaves nothing else behind */
    free(db->dir);
    free(db->path);
    free(db);
}

static struct loop *make_loop(void)
{
    return loop_new_manual(0, clock_wall());
}

static struct store *open_store(void *ctx, struct loop *loop, bool engine)
{
    struct database *db = ctx;
    struct store_sqlite_config config = {.path = db->path, .engine = engine};
    struct store *store = NULL;
    struct errmsg msg = {0};
    enum err e = store_sqlite_open(loop, &config, &store, &msg);
    if (e != OK)
        print_error("%s\n", msg.text);
    assert_int_equal(e, OK);
    return store;
}

static void pass_time(void *ctx, struct loop *loop, int64_t us)
{
    (void)ctx;
    if (us < 0)
        loop_shift_wall(loop, us);
    else
        loop_advance(loop, us);
}

static bool run_raw(void *ctx, const char *sql)
{
    struct database *db = ctx;
    if (db->client == NULL) {
        assert_int_equal(sqlite3_open(db->path, &db->client), SQLITE_OK);
        sqlite3_busy_timeout(db->client, 5000);
    }
    return sqlite3_exec(db->client, sql, NULL, NULL, NULL) == SQLITE_OK;
}

const char *sqlite_plug_path(const void *db)
{
    return ((const struct database *)db)->path;
}

const struct conformance_plug sqlite_plug = {
    .name = "sqlite",
    .make = make,
    .drop = drop,
    .loop = make_loop,
    .open = open_store,
    .pass = pass_time,
    .raw = run_raw,
};
