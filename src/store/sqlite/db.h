/* In: SQL text and values. Out: rows, or an error that people can read. A thin layer over SQLite:
 * the one home of sqlite3.h. A db is used by one thread at a time. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"

struct db;
struct query; /* a prepared statement, kept by the db and used again */

/* Opens and reads the file, but writes nothing to it. ERR_CORRUPT, ERR_PERMISSION, ERR_BUSY ... */
enum err db_open(const char *path, bool create, struct db **ret_db, struct errmsg *msg) MUST_CHECK;
/* A further connection to a file that is open already, for reading alone. */
enum err db_open_reader(const char *path, struct db **ret_db, struct errmsg *msg) MUST_CHECK;
/* Before the first write: WAL mode, synchronous=FULL. */
enum err db_prepare(struct db *db, struct errmsg *msg) MUST_CHECK;
/* checkpoint: the last one to close may move the log into the file. Takes NULL. */
void db_close(struct db *db, bool checkpoint);

/* The last failure: its code and one line for people. db_clear() forgets it. */
enum err db_error(const struct db *db);
const char *db_message(const struct db *db);
void db_clear(struct db *db);

/* Statements without parameters, several allowed. */
enum err db_exec(struct db *db, const char *sql) MUST_CHECK;

/* `sql` must be a string constant: its address is the key of the statement cache. The query is
 * reset and its parameters unbound. Errors are kept and come out of query_run() or
 * query_next(). */
struct query *db_query(struct db *db, const char *sql);
/* Bind the next parameter. Text and ids need not outlive the call; a NULL text and a nil id are
 * NULL. */
void query_int(struct query *q, int64_t value);
void query_text(struct query *q, const char *text);
void query_bytes(struct query *q, const char *text, size_t n);
void query_id(struct query *q, const struct uuid *id);
/* The text must stay until the query is run or finished: no copy is made. */
void query_borrow(struct query *q, const char *text);

enum err query_run(struct query *q) MUST_CHECK; /* to the end, ignoring rows */
/* True: a row is there. False: the end, or an error (db_error() tells which). */
bool query_next(struct query *q);
void query_end(struct query *q); /* after the last wanted row, when query_next() was true */

bool query_is_null(struct query *q, int column);
int64_t query_get_int(struct query *q, int column);
double query_get_double(struct query *q, int column);
const char *query_get_text(struct query *q, int column); /* borrowed until the next row */
char *query_copy_text(struct query *q, int column, struct arena *a); /* NULL stays NULL */
struct uuid query_get_id(struct query *q, int column);               /* nil when NULL or no UUID */

int64_t db_changes(const struct db *db); /* rows changed by the last query, without triggers */
int64_t db_total_changes(const struct db *db); /* rows ever changed, with those of triggers */
bool db_in_transaction(const struct db *db);
size_t db_wal_pages(const struct db *db); /* in the log after the last commit of this db */
/* Moves what it can of the log into the file, without waiting for anybody. */
enum err db_checkpoint(struct db *db) MUST_CHECK;
/* All of it, so that the log's file is empty; ERR_BUSY at once when somebody reads or writes. */
enum err db_empty_log(struct db *db) MUST_CHECK;

/* A copy of what is there now, made in pieces so that others get their turn; what they write
 * meanwhile is not in it. */
struct db_copy;
enum err db_copy_start(struct db *db, const char *path, struct db_copy **ret_copy,
                       struct errmsg *msg) MUST_CHECK;
enum err db_copy_step(struct db_copy *copy, int pages, bool *ret_done,
                      struct errmsg *msg) MUST_CHECK;
void db_copy_free(struct db_copy *copy); /* takes NULL */

#endif
