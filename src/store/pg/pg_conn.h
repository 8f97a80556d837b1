/* In: parameterised statements. Out: their results, on the loop. One connection to the server: each
 * statement is one transaction and several may be on their way at once, unless a pooler is in
 * between; nothing depends on what a session was asked before, so that it may be any server
 * connection of that. */
#ifndef STORE_PG_PG_CONN_H
#define STORE_PG_PG_CONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "store/pg/pg_codec.h"
#include "store/pg/pg_error.h"
#include "store/pg/pg_url.h"

struct pg_conn;

/* Lives in its owner until `done` was called, once. `res` is the statement's result, borrowed;
 * NULL: the connection broke, or the statement failed to be sent. `f` says how it went. */
struct pg_request {
    struct pg_request *next;
    int64_t timeout_us;
    void (*done)(void *ctx, const PGresult *res, const struct pg_failure *f);
    void *ctx;
    PGresult *res; /* kept until its transaction has ended */
    /* Until it is its turn, what has to be sent. */
    const char *sql;
    struct pg_params *held;
    /* `discard`: of the last statement of the script, its rows, the first value of the last one,
     * and what it says it did; cut to what fits. */
    int64_t rows;
    char value[64], tag[64];
};

struct pg_conn_config {
    const struct pg_url *url; /* borrowed */
    const char *name;         /* application_name; borrowed */
    const char *options;      /* for the server, when no pooler is in between; borrowed */
    const char *database;     /* instead of the URL's; NULL = that; borrowed */
    bool script;              /* whole scripts as text, one at a time, instead of statements */
    bool discard;             /* of a script: rows are counted, not kept; `done` gets errors too */
    /* Ready, or closed, and why: also after a connection could not be made. */
    void (*on_ready)(void *ctx);
    void (*on_closed)(void *ctx, const struct pg_failure *f);
    void (*on_notify)(void *ctx, const char *channel, const char *payload); /* or NULL */
    void *ctx;
};

struct pg_conn *pg_conn_new(struct loop *loop, const struct pg_conn_config *config);
/* Requests in flight are not answered. Takes NULL. */
void pg_conn_free(struct pg_conn *c);
void pg_conn_open(struct pg_conn *c); /* a closed one */
/* The server is there again: an attempt that began before is perhaps waiting for an answer that was
 * lost on the way, and starts over. */
void pg_conn_hurry(struct pg_conn *c);
/* Requests in flight fail with `why`; then on_closed. */
void pg_conn_fail(struct pg_conn *c, const struct pg_failure *why);

bool pg_conn_is_closed(const struct pg_conn *c);
bool pg_conn_is_ready(const struct pg_conn *c);
size_t pg_conn_in_flight(const struct pg_conn *c);
int pg_conn_pid(const struct pg_conn *c); /* of a ready one: the process that serves it */

/* To a ready connection. Nothing of p is needed afterwards; sql stays until `done`. */
void pg_conn_send(struct pg_conn *c, struct pg_request *r, const char *sql,
                  const struct pg_params *p);
/* A script connection only; one at a time. The result is the last one, or the first error. */
void pg_conn_script(struct pg_conn *c, struct pg_request *r, const char *sql);
/* Asks the server, from a thread of its own, to end the statement that a ready connection runs; it
 * then fails as any other. */
void pg_conn_cancel(struct pg_conn *c);

#endif
