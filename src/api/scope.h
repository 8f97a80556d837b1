/* In: whose jobs somebody wants to see. Out: which those are: what runs, what waits, and what has
 * ended since the last look. Asked once for all who may see the same. */
#ifndef API_SCOPE_H
#define API_SCOPE_H

#include <stdbool.h>

#include "api/told.h"
#include "io/loop.h"
#include "store/store.h"

#define SCOPE_RUNNING_MAX 500 /* the last to begin */
#define SCOPE_WAITING_MAX 200 /* next in line, and last in line */
#define SCOPE_ENDED_MAX   500 /* at a time; all are told, page by page */
#define SCOPE_SLACK_US                                                                             \
    TOLD_SLACK_US /* it is looked back so much further: who hears it twice                         \
                     must know */

struct scope;

/* Of each job that is found, again and again; of ended ones twice or so, in the order of their
 * ends. `page`: more have ended than were told by now; false: not yet. `done`: a whole look is
 * over. */
struct scope_handlers {
    void (*job)(void *ctx, struct scope *s, const struct store_live_job *job);
    bool (*page)(void *ctx, struct scope *s);
    void (*done)(void *ctx, struct scope *s);
};

/* `user`: nil = everybody's. Looks at once and then each second. */
struct scope *scope_new(struct loop *loop, struct store *store, const struct uuid *user,
                        const struct scope_handlers *handlers, void *ctx);
void scope_free(struct scope *s); /* takes NULL; not from inside a handler */
const struct uuid *scope_user(const struct scope *s);
void scope_hint(struct scope *s);                   /* somebody waits for a look */
void scope_since(struct scope *s, int64_t wall_us); /* once: what has ended since then, too */
/* Of this look, in a handler: when it began, by the loop's clock and by the wall's. */
int64_t scope_began_us(const struct scope *s);
int64_t scope_wall_us(const struct scope *s);
bool scope_forgot(const struct scope *s); /* the store does not remember all ends it asked for */

#endif
