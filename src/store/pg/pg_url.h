/* In: a database URL as people write it. Out: its parts, as libpq takes them, and a name for
 * messages, which never show a password. */
#ifndef STORE_PG_PG_URL_H
#define STORE_PG_PG_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/pg/pg_resolve.h"

#define PG_URL_MAX    4096 /* bytes of a URL */
#define PG_PARAMS_MAX 64   /* connection parameters */

struct pg_url {
    struct arena arena;
    const char *label;                                               /* "db.example.com:5432/app" */
    const char *keys[PG_PARAMS_MAX + 1], *values[PG_PARAMS_MAX + 1]; /* NULL-terminated */
    struct pg_names names; /* hosts to look up; empty: libpq can connect without waiting */
};

/* Fills in PGHOST and friends where the URL is silent, as libpq would. Owned. */
enum err pg_url_parse(const char *url, struct pg_url **ret_url, struct errmsg *msg) MUST_CHECK;
void pg_url_free(struct pg_url *u); /* takes NULL */

struct pg_params_out { /* what PQconnectStartParams() takes */
    const char *keys[PG_PARAMS_MAX + 16], *values[PG_PARAMS_MAX + 16];
};
/* The URL's parameters, its hosts replaced by the addresses found, and ours: name, encoding, probes
 * for a dead peer, and, unless `plain`, `options` for the server. Borrows from u and a. */
void pg_url_params(const struct pg_url *u, const struct pg_addresses *found, const char *name,
                   const char *options, bool plain, struct arena *a, struct pg_params_out *ret);
/* Another value for one of them; borrowed. */
void pg_url_override(struct pg_params_out *params, const char *key, const char *value);
/* Adds to application_name, the URL's or else `name`, which of several processes connects. */
void pg_url_add_part(struct pg_url *u, const char *name, const char *part);
/* Who the URL logs in as; borrowed, NULL when neither it nor the environment says. */
const char *pg_url_user(const struct pg_url *u);

#endif
