/* In: SQL text and values. Out: rows, or an error that people can read. */
#include "store/sqlite/db.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/sqlite_files.h"

#define BUSY_TIMEOUT_MS 5000
#define CACHE_SLOTS     256 /* a power of two, more than twice the statements of the program */

struct query {
    struct db *db;
    const char *sql;
    sqlite3_stmt *stmt;
    int bound;
};

struct db {
    sqlite3 *handle;
    char *path;
    enum err err;
    struct errmsg msg;
    int wal_pages;
    struct query cache[CACHE_SLOTS];
};

static enum err err_of_code(sqlite3 *h, const char *path, int rc, struct errmsg *msg)
{
    const char *detail = h != NULL ? sqlite3_errmsg(h) : sqlite3_errstr(rc);
    int sys = h != NULL ? sqlite3_system_errno(h) : 0;
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(msg, ERR_CORRUPT,
                       "%s: not a readable database (%s); restore a backup, or name another file "
                       "with --database",
                       path, detail);
    case SQLITE_FULL:
        return err_set(msg, ERR_FULL, "%s: no space left on the device; free some and try again",
                       path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return err_set(msg, ERR_PERMISSION,
                       "%s: no permission to write here; change it or name another file with "
                       "--database",
                       path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(msg, ERR_BUSY, "%s: another program holds the database; try again", path);
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
            return err_set(msg, ERR_EXISTS, "it exists already (%s)", detail);
        return err_set(msg, ERR_INVALID, "the store refuses it: %s", detail);
    case SQLITE_TOOBIG:
        return err_set(msg, ERR_TOO_BIG, "a text is too large for the store");
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return sqlite_files_error(path, sys != 0 ? sys : EIO, msg);
    default:
        return err_set(msg, ERR_IO, "%s: %s", path, detail);
    }
}

static enum err keep_error(struct db *db, int rc)
{
    if (db->err == OK)
        db->err = err_of_code(db->handle, db->path, rc, &db->msg);
    return db->err;
}

enum err db_error(const struct db *db)
{
    return db->err;
}

const char *db_message(const struct db *db)
{
    return db->msg.text;
}

void db_clear(struct db *db)
{
    db->err = OK;
    db->msg.text[0] = '\0';
}

static int on_commit(void *ctx, sqlite3 *h, const char *name, int pages)
{
    (void)h;
    (void)name;
    ((struct db *)ctx)->wal_pages = pages;
    return SQLITE_OK;
}

static enum err exec_or_tell(struct db *db, const char *sql, struct errmsg *msg)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : err_of_code(db->handle, db->path, rc, msg);
}

/* Counting memory takes a lock at each allocation: a tenth of the whole time. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum err open_with(const char *path, int flags, struct db **ret_db, struct errmsg *msg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure);
    struct db *db = mem_alloc(sizeof *db);
    db->path = mem_strdup(path);
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    enum err e = rc == SQLITE_OK ? OK : err_of_code(db->handle, path, rc, msg);
    if (e == OK) {
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
        e = exec_or_tell(db, "SELECT count(*) FROM sqlite_schema", msg);
    }
    if (e != OK) {
        db_close(db, false);
        return e;
    }
    *ret_db = db;
    return OK;
}

enum err db_open(const char *path, bool create, struct db **ret_db, struct errmsg *msg)
{
    return open_with(path, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), ret_db, msg);
}

enum err db_open_reader(const char *path, struct db **ret_db, struct errmsg *msg)
{
    struct db *db;
    enum err e = open_with(path, SQLITE_OPEN_READONLY, &db, msg);
    if (e != OK)
        return e;
    e = exec_or_tell(db, "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192", msg);
    if (e != OK) {
        db_close(db, false);
        return e;
    }
    *ret_db = db;
    return OK;
}

enum err db_prepare(struct db *db, struct errmsg *msg)
{
    static const char *const settings[] = {
        "PRAGMA journal_mode=WAL",  "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",   "PRAGMA wal_autocheckpoint=0",
        "PRAGMA temp_store=MEMORY", "PRAGMA cache_size=-65536",
        "PRAGMA secure_delete=ON",  "PRAGMA journal_size_limit=67108864",
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        enum err e = exec_or_tell(db, settings[i], msg);
        if (e != OK)
            return e;
    }
    sqlite3_wal_hook(db->handle, on_commit, db);
    return OK;
}

void db_close(struct db *db, bool checkpoint)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        sqlite3_finalize(db->cache[i].stmt);
    if (db->handle != NULL)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, NULL);
    sqlite3_close(db->handle);
    free(db->path);
    free(db);
}

enum err db_exec(struct db *db, const char *sql)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : keep_error(db, rc);
}

static struct query *cache_slot(struct db *db, const char *sql)
{
    uint64_t h = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = (size_t)(h >> 56);; i++) {
        struct query *q = &db->cache[i & (CACHE_SLOTS - 1)];
        if (q->sql == NULL || q->sql == sql)
            return q;
    }
}

struct query *db_query(struct db *db, const char *sql)
{
    struct query *q = cache_slot(db, sql);
    q->db = db;
    q->bound = 0;
    if (q->stmt != NULL) {
        sqlite3_reset(q->stmt);
        return q;
    }
    q->sql = sql;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
    if (rc != SQLITE_OK)
        (void)keep_error(db, rc);
    return q;
}

/* Binding fails only for a text above SQLite's limit, or when the statement did not compile. */
static void check_bind(struct query *q, int rc)
{
    if (rc != SQLITE_OK)
        (void)keep_error(q->db, rc);
}

void query_int(struct query *q, int64_t value)
{
    check_bind(q, sqlite3_bind_int64(q->stmt, ++q->bound, value));
}

void query_bytes(struct query *q, const char *text, size_t n)
{
    check_bind(q, sqlite3_bind_text64(q->stmt, ++q->bound, text, n, SQLITE_TRANSIENT, SQLITE_UTF8));
}

void query_text(struct query *q, const char *text)
{
    query_bytes(q, text, text == NULL ? 0 : strlen(text));
}

void query_borrow(struct query *q, const char *text)
{
    check_bind(q, sqlite3_bind_text64(q->stmt, ++q->bound, text, text == NULL ? 0 : strlen(text),
                                      SQLITE_STATIC, SQLITE_UTF8));
}

void query_id(struct query *q, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    if (id == NULL || uuid_is_nil(id))
        query_bytes(q, NULL, 0);
    else
        query_bytes(q, uuid_text(id, text), UUID_TEXT_SIZE - 1);
}

bool query_next(struct query *q)
{
    if (q->db->err != OK)
        return false;
    int rc = sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        (void)keep_error(q->db, rc);
    sqlite3_reset(q->stmt);
    return false;
}

void query_end(struct query *q)
{
    sqlite3_reset(q->stmt);
}

enum err query_run(struct query *q)
{
    while (query_next(q))
        ;
    return q->db->err;
}

bool query_is_null(struct query *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t query_get_int(struct query *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

double query_get_double(struct query *q, int column)
{
    return sqlite3_column_double(q->stmt, column);
}

const char *query_get_text(struct query *q, int column)
{
    return (const char *)sqlite3_column_text(q->stmt, column);
}

char *query_copy_text(struct query *q, int column, struct arena *a)
{
    const char *text = query_get_text(q, column);
    if (text == NULL)
        return NULL;
    return arena_strndup(a, text, (size_t)sqlite3_column_bytes(q->stmt, column));
}

struct uuid query_get_id(struct query *q, int column)
{
    struct uuid id = {0};
    const char *text = query_get_text(q, column);
    if (text == NULL || uuid_parse(text, strlen(text), &id) != OK)
        return (struct uuid){0};
    return id;
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t db_total_changes(const struct db *db)
{
    return sqlite3_total_changes64(db->handle);
}

bool db_in_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

size_t db_wal_pages(const struct db *db)
{
    return (size_t)db->wal_pages;
}

enum err db_checkpoint(struct db *db)
{
    int left = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &moved);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        return keep_error(db, rc);
    db->wal_pages = left - moved;
    return OK;
}

enum err db_empty_log(struct db *db)
{
    sqlite3_busy_timeout(db->handle, 0);
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (rc != SQLITE_OK)
        return keep_error(db, rc);
    db->wal_pages = 0;
    return OK;
}

/* The source is a connection of its own that stays at one moment: one that others write through, or
 * that sees what they write, would start the copy over at each of their commits. */
struct db_copy {
    sqlite3 *source, *target;
    sqlite3_backup *backup;
    char *from, *to;
};

static int open_snapshot(const char *path, sqlite3 **ret_handle)
{
    int rc = sqlite3_open_v2(path, ret_handle, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*ret_handle, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*ret_handle, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL,
                          NULL);
    return rc;
}

enum err db_copy_start(struct db *db, const char *path, struct db_copy **ret_copy,
                       struct errmsg *msg)
{
    struct db_copy *copy = mem_alloc(sizeof *copy);
    copy->from = mem_strdup(db->path);
    copy->to = mem_strdup(path);
    enum err e = OK;
    int rc = open_snapshot(copy->from, &copy->source);
    if (rc != SQLITE_OK)
        e = err_of_code(copy->source, copy->from, rc, msg);
    if (e == OK) {
        rc = sqlite3_open_v2(path, &copy->target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
        if (rc == SQLITE_OK)
            copy->backup = sqlite3_backup_init(copy->target, "main", copy->source, "main");
        if (copy->backup == NULL)
            e = err_of_code(copy->target, path,
                            rc != SQLITE_OK ? rc : sqlite3_errcode(copy->target), msg);
    }
    if (e != OK) {
        db_copy_free(copy);
        return e;
    }
    *ret_copy = copy;
    return OK;
}

enum err db_copy_step(struct db_copy *copy, int pages, bool *ret_done, struct errmsg *msg)
{
    int rc = sqlite3_backup_step(copy->backup, pages);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        *ret_done = false;
        return OK;
    }
    if (rc != SQLITE_DONE)
        return err_of_code(copy->target, copy->to, rc, msg);
    *ret_done = true;
    return OK;
}

void db_copy_free(struct db_copy *copy)
{
    if (copy == NULL)
        return;
    if (copy->backup != NULL)
        sqlite3_backup_finish(copy->backup);
    sqlite3_close(copy->target);
    sqlite3_close(copy->source);
    free(copy->from);
    free(copy->to);
    free(copy);
}
