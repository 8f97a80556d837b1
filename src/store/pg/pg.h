/* In: store_ops on the loop. Out: their results. What the files of this folder share. The path of
 * an op: pg_open.c -> pg_pool.c (a lane, a connection) -> pg_verbs.c (statement and result). */
#ifndef STORE_PG_PG_H
#define STORE_PG_PG_H

#include "base/rng.h"
#include "store/pg/pg_codec.h"
#include "store/pg/pg_conn.h"
#include "store/pg/pg_error.h"
#include "store/pg/store_pg.h"
#include "store/store_driver.h"

/* Ops of one lane start in the order they were asked for; a lane with one connection also ends them
 * in that order. What running jobs write goes down one connection, as the SQL functions need it. A
 * trigger or a hook of the users' may take its time: what they run in does not share a connection
 * with what must not wait. */
enum pg_lane_name {
    LANE_WRITE, /* progress, checkpoints, ends of attempts, the ledger */
    LANE_LEASE, /* leases, looks at running ids, parts of limits: no code of the users' runs here */
    LANE_CLAIM, /* claims, and jobs taken back */
    LANE_HOOK,  /* hooks, one at a time on a connection */
    LANE_ANY,   /* clients' requests and reading: as many connections as are left */
    LANE_MAX
};

struct pg_task;
struct pg_verb {
    enum pg_lane_name lane;
    bool changes; /* others may have work now */
    bool repeats; /* done twice is done once: sent again when a connection dies under it */
    const char *sql;
    int columns;
    void (*put)(struct pg_params *p, struct pg_task *t);
    bool (*take)(struct pg_task *t, struct pg_reader *r); /* true: items are left, send it again */
};

/* An op on its way; lives in the op's arena. */
struct pg_task {
    struct pg_task *next; /* in its lane, or among those that pause */
    struct store_op *op;
    struct pg_store *store;
    struct pg_request request;
    struct pg_conn *conn; /* that it was sent down */
    int64_t until_us;     /* waits for a connection until then */
    int64_t again_us;     /* pauses until then */
    int64_t seq;          /* in the order of asking */
    int tries;            /* that found a row or the server busy */
    bool repeated;        /* its connection has died once */
    int conflicts;        /* completions that lost against another transaction */
    bool claim_again;     /* this claim asks for what an earlier one got */
    size_t *left;         /* of a batch: items to be sent again; NULL = all */
    size_t n_left;
    enum store_lost *lost; /* of the whole batch */
};

struct pg_member { /* of the pool */
    struct pg_store *store;
    struct pg_conn *conn;
    struct pg_request greeting;
    bool usable; /* connected, and the schema is one that we know */
    struct loop_timer retry;
    int failures; /* in a row */
};

struct pg_lane {
    struct pg_task *head, **tail;
    int first, n; /* members that serve it */
    size_t depth; /* statements in flight on one of them */
};

struct pg_listener;
struct pg_migration;

struct pg_store {
    struct store base; /* first: a struct store is cast to this */
    struct pg_url *url, *listen_url;
    char *name, *engine_role, *options;
    char *schema;                         /* that the users' table is to be in; or NULL */
    char *input_hook, *hook, *ended_hook; /* hook: of completions */
    int64_t wait_us, statement_us;
    struct rng rng;
    bool closing;

    struct pg_member *members;
    int n_members;
    struct pg_lane lanes[LANE_MAX];
    struct pg_task *paused; /* by again_us */
    struct loop_timer wait_timer, pause_timer;
    struct pg_failure last; /* why there is no connection */
    struct pg_params params;
    int64_t next_seq;
    size_t n_tasks; /* ops not given back yet */

    struct store_op *done, **done_end; /* answered without the database */
    struct loop_task done_task, hint_task;

    int64_t fence_seen;  /* the largest that a claim has told us */
    int64_t claim_epoch; /* claims of an earlier one are refused: they may come late */
    bool claim_unsure;   /* a claim's answer got lost */

    struct pg_listener *listener;
    struct pg_migration *migration;
};

/* ---- pg_pool.c ---- */
void pg_pool_init(struct pg_store *s, int members);
void pg_pool_free(struct pg_store *s); /* nothing may wait any more */
void pg_pool_submit(struct pg_store *s, struct store_op *op);
/* Gives up on everything that waits or is in flight. */
void pg_pool_abandon(struct pg_store *s);
/* A statement of the driver's own, on any ready connection; false when there is none. */
bool pg_pool_send(struct pg_store *s, struct pg_request *r, const char *sql,
                  const struct pg_params *p);
/* Connections that were refused because of the schema may be tried again now. */
void pg_pool_schema_changed(struct pg_store *s);
/* Delay before connection attempt `failures`, with jitter. */
int64_t pg_backoff(struct rng *rng, int failures);

/* ---- pg_open.c ---- */
void pg_give_back(struct pg_store *s, struct store_op *op); /* later in this turn */
void pg_hint(struct pg_store *s);                           /* the change hint, once a turn */

/* ---- pg_verbs.c, pg_attempts.c ---- */
const struct pg_verb *pg_verb_of(enum store_verb verb);
enum pg_lane_name pg_verb_lane(const struct pg_store *s, const struct store_op *op);
/* The statement and its parameters for what is left of the op. */
const char *pg_verb_put(struct pg_task *t, struct pg_params *p);
/* Reads a result. True: some items found their row busy, send those again. */
bool pg_verb_take(struct pg_task *t, const PGresult *res);

/* ---- pg_listen.c ---- */
void pg_listen_start(struct pg_store *s);
void pg_listen_stop(struct pg_store *s);
void pg_listen_hurry(struct pg_store *s); /* the server is there again */
enum store_pg_hints pg_listen_status(const struct pg_listener *l, const char **ret_why);

/* ---- pg_migrate.c ---- */
void pg_migrate_start(struct pg_store *s, struct store_op *op);
void pg_migrate_abandon(struct pg_store *s);
int pg_schema_latest(void); /* the version that this program brings */
/* Of a database of that version. */
enum err pg_schema_check(const char *server, int64_t version, struct errmsg *msg) MUST_CHECK;

#endif
