/* In: whose jobs somebody wants to see. Out: which those are: what runs, what waits, and what has
 * ended since a given time. Asked once for all who may see the same. */
#ifndef API_SCOPE_H
#define API_SCOPE_H

#include "io/loop.h"
#include "store/store.h"

#define SCOPE_RUNNING_MAX 500 /* the newest */
#define SCOPE_WAITING_MAX 200
#define SCOPE_ENDED_MAX   500 /* looked through for what has ended lately */

struct scope;

/* Of each job that is found, again and again. `done`: a look is over. */
struct scope_handlers {
    void (*job)(void *ctx, struct scope *s, const struct store_job *job);
    void (*done)(void *ctx, struct scope *s);
};

/* `user`: nil = everybody's. Looks at once and then each second. */
struct scope *scope_new(struct loop *loop, struct store *store, const struct uuid *user,
                        const struct scope_handlers *handlers, void *ctx);
void scope_free(struct scope *s); /* takes NULL; not from inside a handler */
const struct uuid *scope_user(const struct scope *s);
void scope_hint(struct scope *s);                   /* something began or ended */
void scope_since(struct scope *s, int64_t wall_us); /* once: what has ended since then, too */
bool scope_tells_ended(const struct scope *s);      /* in this look */

#endif
