/* In: how long ended jobs keep their texts. Out: those that are older lose them, a few at a time.
 */
#ifndef ENGINE_RETENTION_H
#define ENGINE_RETENTION_H

#include "io/loop.h"
#include "store/store.h"

struct retention;
/* Borrows loop and store. Begins at once; `look` is set here. */
struct retention *retention_new(struct loop *loop, struct store *store,
                                const struct store_sweep *sweep);
void retention_set(struct retention *r, const struct store_sweep *sweep); /* from now on */
void retention_free(struct retention *r); /* waits for the store's answer; takes NULL */

#endif
