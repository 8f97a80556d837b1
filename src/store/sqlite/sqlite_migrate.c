/* In: a file of any schema version up to ours. Out: the same data in today's schema. One file of
 * sql/ is one version; it is never changed once released, and only adds. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>

#include "base/buf.h"
#include "migrations.h"

#define PLAN_MAX ((size_t)1 << 20)

static int64_t latest(void)
{
    return (int64_t)migrations_count;
}

bool sqlite_schema_is_current(const struct sqlite_store *s)
{
    return s->schema == latest();
}

static enum err read_int(struct db *db, const char *sql, int64_t *ret)
{
    struct query *q = db_query(db, sql);
    if (query_next(q)) {
        *ret = query_get_int(q, 0);
        query_end(q);
    }
    return db_error(db);
}

enum err sqlite_schema_read(struct sqlite_store *s, struct errmsg *msg)
{
    int64_t version = 0, ours = 0, theirs = 0;
    enum err e = read_int(s->db, "PRAGMA user_version", &version);
    if (e == OK)
        e = read_int(s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'scriptorium_queue'",
                     &ours);
    if (e == OK)
        e = read_int(s->db,
                     "SELECT count(*) FROM sqlite_schema WHERE name = 'script_generation_jobs'",
                     &theirs);
    if (e != OK)
        return err_set(msg, e, "%s", db_message(s->db));
    if ((version != 0 && ours == 0) || (version == 0 && theirs != 0))
        return err_set(msg, ERR_INVALID,
                       "%s: a database of another program; name another file with --database",
                       s->path);
    if (version > latest())
        return err_set(msg, ERR_NEWER,
                       "%s: written by a newer scriptorium (schema %lld, this one knows %lld); "
                       "upgrade this program",
                       s->path, (long long)version, (long long)latest());
    s->schema = version;
    return OK;
}

static enum err apply(struct db *db, int64_t version)
{
    enum err e = db_exec(db, (const char *)migrations[version - 1].data);
    if (e != OK)
        return e;
    char pragma[64];
    (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %lld", (long long)version);
    return db_exec(db, pragma);
}

/* The version is read again inside the transaction: another process may have been faster. */
enum err sqlite_schema_migrate(struct sqlite_store *s, struct errmsg *msg)
{
    struct db *db = s->db;
    enum err e = db_exec(db, "BEGIN IMMEDIATE");
    if (e == OK) {
        e = sqlite_schema_read(s, msg);
        if (e == OK) {
            for (int64_t v = s->schema + 1; v <= latest() && db_error(db) == OK; v++)
                e = apply(db, v);
        }
        if (e == OK)
            e = db_exec(db, "COMMIT");
    }
    if (e == OK) {
        s->schema = latest();
        return OK;
    }
    if (db_error(db) != OK)
        (void)err_set(msg, e, "%s", db_message(db));
    if (db_in_transaction(db)) {
        db_clear(db);
        (void)!db_exec(db, "ROLLBACK");
    }
    db_clear(db);
    return e;
}

char *sqlite_schema_plan(const struct sqlite_store *s, struct arena *a)
{
    struct buf plan = BUF_INIT(PLAN_MAX);
    for (int64_t v = s->schema + 1; v <= latest(); v++) {
        buf_putf(&plan, "-- %s\n", migrations[v - 1].name);
        buf_put(&plan, migrations[v - 1].data, migrations[v - 1].len);
    }
    char *text = arena_strdup(a, buf_str(&plan));
    buf_free(&plan);
    return text;
}
