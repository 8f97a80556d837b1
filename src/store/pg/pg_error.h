/* In: what libpq or the server said. Out: an error code and one line that says what to do. */
#ifndef STORE_PG_PG_ERROR_H
#define STORE_PG_PG_ERROR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/err.h"

struct pg_failure {
    enum err err;
    bool lasting; /* connecting again soon will not help: an operator must act */
    bool drop;    /* the connection is of no use any more */
    bool again;   /* nothing was done and the same statement may work in a moment */
    bool options; /* a pooler refused our startup options: connect without */
    struct errmsg msg;
};

/* A statement's error; OK without one. `res` NULL: the connection broke. */
void pg_error_of_result(const PGresult *res, const char *server, struct pg_failure *ret);
/* By the parts of an error report; any may be NULL. */
void pg_error_of_state(const char *state, const char *text, const char *server,
                       struct pg_failure *ret);
/* Why there is no connection, from PQerrorMessage() with PQERRORS_VERBOSE. */
void pg_error_of_connect(const char *text, const char *server, struct pg_failure *ret);

#endif
