/* In: how the store hears of changes. Out: lines in the log when that changes. */
#include "app/hints_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/pg/store_pg.h"

#define LOOK_US USEC_PER_SEC

static void look(void *ctx)
{
    struct hints_watch *w = ctx;
    struct loop *loop = w->context->loop;
    const char *why = NULL;
    enum store_pg_hints now = store_pg_hints(w->context->store, &why);
    api_hears(w->api, now == PG_HINTS_LISTENING);
    if (now == PG_HINTS_POLLING && !w->polls) {
        w->polls = true;
        log_warn(NULL, "the database's notifications do not come; jobs are found by polling: %s",
                 why);
    } else if (now == PG_HINTS_LISTENING && w->polls) {
        w->polls = false;
        log_info(NULL, "the database's notifications come again");
    }
    timer_set(loop, &w->timer, loop_now(loop) + LOOK_US, look, w);
}

void hints_watch_start(struct hints_watch *w, const struct context *context, struct api *api)
{
    w->context = context;
    w->api = api;
    if (context->shared)
        look(w);
}

void hints_watch_stop(struct hints_watch *w)
{
    if (w->context != NULL)
        timer_stop(w->context->loop, &w->timer);
}
