/* In: a PostgreSQL URL. Out: a store in that database, shared by any number of processes. */
#ifndef STORE_PG_STORE_PG_H
#define STORE_PG_STORE_PG_H

#include "base/err.h"
#include "io/loop.h"
#include "store/store.h"

#define STORE_PG_POOL_DEFAULT 6
#define STORE_PG_POOL_MAX     32

struct store_pg_config {
    const char *url;              /* postgres://... or "host=... dbname=..." */
    const char *listen_url;       /* past a transaction pooler, for LISTEN; NULL = url */
    int pool;                     /* connections at most, besides the one that listens; 0 = 6 */
    const char *application_name; /* NULL = "scriptorium"; one in the URL wins */
    const char *part;   /* which of several processes, added to that name; NULL = there is one */
    const char *schema; /* of the users' table; NULL = where migrate found it */
    const char *engine_role; /* who the engine logs in as, for migrate; NULL = who migrates */
    const char *input_hook;  /* the users' functions by schema and name; NULL = none */
    const char *completion_hook;
    const char *ended_hook;
    int64_t wait_us;      /* how long a verb waits for a connection; 0 = 3 s */
    int64_t statement_us; /* how long a statement may take; 0 = 30 s */
};

/* Connects when the first verb needs it, never waits. ERR_INVALID: the URL or a limit is wrong.
 * Verbs fail with ERR_CONNECT while the database is away (also: their answer got lost; repeat
 * them), ERR_PERMISSION, ERR_UNSUPPORTED (run migrate), ERR_NEWER, ERR_BUSY, ERR_FULL, ... and one
 * line that says what to do. The result of verbs in flight at store_free() is awaited for a few
 * seconds. Borrows nothing. */
enum err store_pg_open(struct loop *loop, const struct store_pg_config *config,
                       struct store **ret_store, struct errmsg *msg) MUST_CHECK;

/* Whether other processes' changes are told at once or found by polling. */
enum store_pg_hints { PG_HINTS_OFF, PG_HINTS_STARTING, PG_HINTS_LISTENING, PG_HINTS_POLLING };
/* `ret_why`: for PG_HINTS_POLLING, one line for people; may be NULL. Borrowed. */
enum store_pg_hints store_pg_hints(const struct store *store, const char **ret_why);

#endif
