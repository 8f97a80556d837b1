/* In: host names. Out: their addresses, found on a thread of their own: the loop never waits for
 * DNS, which libpq would. */
#ifndef STORE_PG_PG_RESOLVE_H
#define STORE_PG_PG_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "io/loop.h"

#define PG_HOSTS_MAX   8   /* hosts in one URL */
#define PG_ADDRESS_MAX 4   /* addresses used of one host */
#define PG_NAME_MAX    256 /* bytes of a host name and NUL */

struct pg_names {
    size_t n;
    struct pg_name {
        char name[PG_NAME_MAX], port[16];
        bool as_is; /* a socket directory or an address: nothing to look up */
    } items[PG_HOSTS_MAX];
};

struct pg_addresses {
    size_t n[PG_HOSTS_MAX];
    char text[PG_HOSTS_MAX][PG_ADDRESS_MAX][64]; /* numeric */
    int error; /* EAI_..., of the first host that was not found; 0 = all were */
};

struct pg_resolve;
typedef void (*pg_resolve_fn)(void *ctx, const struct pg_addresses *found);
/* NULL: no thread could be started. Calls back once on the loop, then is gone. */
struct pg_resolve *pg_resolve_start(struct loop *loop, const struct pg_names *names,
                                    pg_resolve_fn fn, void *ctx);
/* The callback will not come. Takes NULL. */
void pg_resolve_cancel(struct pg_resolve *r);

#endif
