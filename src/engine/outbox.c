/* In: the ends of jobs, as the store has noted them. Out: those who want to hear of them told. */
#include "engine/outbox.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_US   USEC_PER_SEC
#define TURN_US   (50 * USEC_PER_MSEC)
#define HOOKS_MAX 1 /* in one transaction: what a hook locks it locks for one job only */

struct outbox {
    struct loop *loop;
    struct store *store;
    struct loop_timer look_timer;
    int ops; /* store requests that will still call back */
    bool stopped;
};

static void look(void *ctx);

static void look_at(struct outbox *o, int64_t us)
{
    if (!o->stopped)
        timer_set(o->loop, &o->look_timer, loop_now(o->loop) + us, look, o);
}

static void on_hooks(void *ctx, const struct store_result *r)
{
    struct outbox *o = ctx;
    o->ops--;
    if (r->err == OK && r->failed > 0)
        log_warn(NULL, "hooks.on_ended raised; it is tried again");
    look_at(o, r->err == OK && r->count + r->failed > 0 ? 0 : LOOK_US);
}

static void look(void *ctx)
{
    struct outbox *o = ctx;
    o->ops++;
    store_run_ended(o->store, HOOKS_MAX, on_hooks, o);
}

struct outbox *outbox_new(struct loop *loop, struct store *store)
{
    struct outbox *o = mem_alloc(sizeof *o);
    o->loop = loop;
    o->store = store;
    if ((store_hooks(store) & STORE_HOOK_ENDED) != 0)
        look_at(o, 0);
    return o;
}

void outbox_stop(struct outbox *o)
{
    o->stopped = true;
    timer_stop(o->loop, &o->look_timer);
}

void outbox_free(struct outbox *o)
{
    if (o == NULL)
        return;
    outbox_stop(o);
    while (o->ops > 0)
        loop_turn(o->loop, TURN_US);
    free(o);
}
