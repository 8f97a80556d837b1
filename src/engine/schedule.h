/* In: schedules that are due, by the store's clock. Out: their calls made, once each over all
 * nodes, and their ends recorded. engine/firings.h says what fires. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include <stdbool.h>

#include "io/loop.h"
#include "store/store.h"
#include "store/store_schedules.h"

struct schedule;
struct schedule_call; /* a firing that is carried out */

struct schedule_config {
    /* The worker whose lease is held now; false = none, nothing fires. */
    bool (*worker)(void *ctx, struct uuid *ret_worker);
    /* Carries it out, then schedule_called(). `run` is borrowed for the call. */
    void (*call)(void *ctx, const struct store_run *run, struct schedule_call *call);
    void *ctx;
    int64_t keep; /* runs of each schedule that stay in the store; 0 = 1000 */
    bool boot;    /* this start is one for @reboot */
};

/* Begins at once. Borrows loop and store. */
struct schedule *schedule_new(struct loop *loop, struct store *store,
                              const struct schedule_config *config);
void schedule_stop(struct schedule *s); /* nothing fires any more; ends are still recorded */
/* Stops, and turns the loop until the store has answered what is under way. Nobody may call
 * schedule_called() after it. Takes NULL. */
void schedule_free(struct schedule *s);

struct schedule_outcome {
    /* OK; or why not. When the store was away or the lease is gone the firing stays as it is, to be
     * carried out again by whoever has the lease. */
    enum err err;
    const char *message; /* for people */
    struct uuid invocation;
};
void schedule_called(struct schedule_call *call, const struct schedule_outcome *outcome);

#endif
