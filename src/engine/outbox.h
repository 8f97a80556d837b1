/* In: the ends of jobs, as the store has noted them. Out: those who want to hear of them told: the
 * users' hook on_ended. */
#ifndef ENGINE_OUTBOX_H
#define ENGINE_OUTBOX_H

#include "io/loop.h"
#include "store/store.h"

struct outbox;

/* Begins at once. Borrows both. */
struct outbox *outbox_new(struct loop *loop, struct store *store);
/* Nothing is told any more. */
void outbox_stop(struct outbox *o);
/* Stops, and turns the loop until the store has answered what is under way. Takes NULL. */
void outbox_free(struct outbox *o);

#endif
