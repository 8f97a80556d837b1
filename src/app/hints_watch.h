/* In: an open store. Out: a line in the log when other programs' changes are no longer told at
 * once, and one when they are again; the API knows which. */
#ifndef APP_HINTS_WATCH_H
#define APP_HINTS_WATCH_H

#include <stdbool.h>

#include "api/api.h"
#include "app/context.h"

struct hints_watch {
    const struct context *context;
    struct api *api;
    bool polls; /* as it was told last */
    struct loop_timer timer;
};

/* Borrows both until it is stopped. An embedded store needs no watch: nothing happens. */
void hints_watch_start(struct hints_watch *w, const struct context *context, struct api *api);
void hints_watch_stop(struct hints_watch *w); /* takes one that was not started */

#endif
