/* In: hosts, by name and port. Out: one look-up at a time for each. */
#include "io/resolve_gate.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"

#define FRESH_US ((RESOLVE_CACHE_S - 30) * USEC_PER_SEC) /* libcurl forgets first */
#define HOST_MAX 256

static bool is_literal(const char *host)
{
    unsigned char address[sizeof(struct in_addr)];
    return host[0] == '[' || strcasecmp(host, "localhost") == 0 ||
           inet_pton(AF_INET, host, address) == 1;
}

struct gate_host *gate_host(struct resolve_gate *gate, const char *host, const char *port)
{
    if (is_literal(host))
        return NULL;
    char *name = mem_printf("%s:%s", host, port);
    struct gate_host *h = gate->hosts;
    int count = 0;
    for (; h != NULL && strcmp(h->name, name) != 0; h = h->next)
        count++;
    if (h != NULL || count >= HOST_MAX) {
        free(name);
        return h;
    }
    h = mem_alloc(sizeof(*h));
    h->name = name;
    LL_PREPEND(gate->hosts, h);
    return h;
}

void gate_free(struct resolve_gate *gate)
{
    struct gate_host *h = NULL, *next = NULL;
    LL_FOREACH_SAFE (gate->hosts, h, next) {
        free(h->name);
        free(h);
    }
    gate->hosts = NULL;
}

bool gate_may_pass(const struct gate_host *h, int64_t now_us)
{
    return h == NULL || h->resolving == NULL || h->fresh_until_us > now_us;
}

void gate_pass(struct gate_host *h, const void *who, int64_t now_us)
{
    if (h != NULL && h->resolving == NULL && h->fresh_until_us <= now_us)
        h->resolving = who;
}

bool gate_tell(struct gate_host *h, const void *who, bool known, int64_t now_us)
{
    if (h == NULL || h->resolving != who)
        return false;
    h->resolving = NULL;
    h->fresh_until_us = known ? now_us + FRESH_US : 0;
    return true;
}
