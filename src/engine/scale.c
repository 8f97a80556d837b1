/* In: how many workers with how many jobs each somebody wants of the whole system. Out: this
 * engine's share of the slots, looked up twice a second and at each hint. */
#include "base/clock.h"
#include "engine/impl.h"

static void look(void *ctx);

bool scale_is_known(const struct engine *e)
{
    return !e->config.scaled || e->scale_known;
}

size_t engine_slots(const struct engine *e)
{
    if (e->share < 0 || e->config.slots == 0)
        return e->config.slots;
    return (size_t)e->share;
}

/* All engines see the same order of themselves, so the shares add up to the whole. */
static int64_t share_of(const struct store_scale *s)
{
    if (s->workers == 0 || s->concurrency == 0)
        return -1;
    int64_t total = (int64_t)s->workers * s->concurrency;
    if (s->place == 0)
        return 0;
    return total / s->processes + (s->place <= total % s->processes);
}

static void on_scale(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    e->scale_asking = false;
    if (r->err == OK && !engine_is_stopping(e)) { /* the other verbs tell of trouble */
        int64_t share = share_of(r->scale);
        bool news = !e->scale_known || share != e->share;
        e->scale_known = true;
        e->share = share;
        if (news)
            claim_soon(e);
    }
    if (!engine_is_stopping(e))
        timer_set(e->loop, &e->scale_timer, loop_now(e->loop) + e->config.check_us, look, e);
    engine_op_done(e);
}

static void look(void *ctx)
{
    struct engine *e = ctx;
    if (e->scale_asking || e->stage != ENGINE_RUNNING)
        return;
    e->scale_asking = true;
    e->ops++;
    store_scale_get(e->store, &e->worker, false, on_scale, e);
}

void scale_look_soon(struct engine *e)
{
    if (e->config.scaled)
        look(e);
}

void scale_start(struct engine *e)
{
    scale_look_soon(e);
}

void scale_stop(struct engine *e)
{
    timer_stop(e->loop, &e->scale_timer);
}
