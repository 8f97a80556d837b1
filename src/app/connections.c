/* In: how many connections this daemon may open. Out: a warning when the server has not so many. */
#include "app/connections.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct wish {
    size_t processes, connections;
};

static long long fact(const struct store_result *r, const char *name, long long fallback)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->facts[i].name, name) == 0 && r->facts[i].value != NULL)
            return strtoll(r->facts[i].value, NULL, 10);
    }
    return fallback;
}

static void on_facts(void *ctx, const struct store_result *r)
{
    struct wish *wish = ctx;
    long long most = r->err == OK ? fact(r, "connections_max", 0) : 0;
    long long others =
        most > 0 ? fact(r, "connections_used", 0) - fact(r, "connections_ours", 0) : 0;
    if (most > 0 && (long long)wish->connections > most - others)
        log_warn(
            NULL,
            "%zu process%s may take %zu connections; the server has %lld, and others use %lld "
            "of them: start fewer processes, lower SCRIPTORIUM_POOL, raise max_connections, or "
            "put a pooler in between",
            wish->processes, wish->processes == 1 ? "" : "es", wish->connections, most, others);
    free(wish);
}

void connections_check(struct store *store, size_t processes, size_t pool)
{
    struct wish *wish = mem_alloc(sizeof *wish);
    *wish = (struct wish){processes, processes * (pool + 1)}; /* and one that listens */
    store_examine(store, on_facts, wish);
}
