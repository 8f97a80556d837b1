/* In: who wants to reach which host. Out: whether it may go now. libcurl starts a thread for each
 * name it does not know yet, so the first call to a name goes alone and tells it to the others.
 * Private to io. */
#ifndef IO_RESOLVE_GATE_H
#define IO_RESOLVE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#define RESOLVE_CACHE_S 300L /* how long libcurl is told to remember a name */

struct gate_host {
    char *name; /* "name:port" */
    int64_t fresh_until_us;
    const void *resolving; /* who went first, NULL = nobody */
    struct gate_host *next;
};

/* Zero-initialised. Hosts live as long as the gate. */
struct resolve_gate {
    struct gate_host *hosts;
};

void gate_free(struct resolve_gate *gate);

/* NULL: no look-up will be made (a literal address), or there are so many names that one look-up
 * each is no storm. All the functions below take that NULL as an open gate. */
struct gate_host *gate_host(struct resolve_gate *gate, const char *host, const char *port);

bool gate_may_pass(const struct gate_host *h, int64_t now_us);
void gate_pass(struct gate_host *h, const void *who, int64_t now_us);
/* `who` has connected (known) or ended; true when others may go now. */
bool gate_tell(struct gate_host *h, const void *who, bool known, int64_t now_us);

#endif
