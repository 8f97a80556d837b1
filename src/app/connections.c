/* In: how many connections this daemon may open. Out: a warning when the server has not so many. */
#include "app/connections.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define BESIDE_POOL 2 /* one that listens, one that looks what SQL asks for */

struct wish {
    size_t processes, pool, commands;
};

static const char *fact(const struct store_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->facts[i].name, name) == 0 && r->facts[i].value != NULL)
            return r->facts[i].value;
    }
    return "";
}

static long long count(const struct store_result *r, const char *name)
{
    return strtoll(fact(r, name), NULL, 10);
}

static void on_facts(void *ctx, const struct store_result *r)
{
    struct wish *wish = ctx;
    long long most = r->err == OK ? count(r, "connections_max") : 0;
    long long others = most > 0 ? count(r, "connections_used") - count(r, "connections_ours") : 0;
    bool ours = r->err == OK && strcmp(fact(r, "cron"), "scriptorium") == 0;
    size_t surface = ours ? wish->commands + 1 : 0; /* and one for requests from SQL */
    size_t wanted = wish->processes * (wish->pool + BESIDE_POOL + surface);
    if (most > 0 && (long long)wanted > most - others)
        log_warn(
            NULL,
            "%zu process%s may take %zu connections; the server has %lld, and others use %lld "
            "of them: start fewer processes, lower SCRIPTORIUM_POOL, raise max_connections, or "
            "put a pooler in between",
            wish->processes, wish->processes == 1 ? "" : "es", wanted, most, others);
    free(wish);
}

void connections_check(struct store *store, size_t processes, size_t pool, size_t commands)
{
    struct wish *wish = mem_alloc(sizeof *wish);
    *wish = (struct wish){processes, pool, commands};
    store_examine(store, on_facts, wish);
}
