/* In: free slots, hints that work is due. Out: claimed jobs, each started as a run. */
#include "base/clock.h"
#include "engine/impl.h"

static void claim_now(void *ctx);

void claim_soon(struct engine *e)
{
    e->claim_task.fn = claim_now;
    e->claim_task.ctx = e;
    loop_defer(e->loop, &e->claim_task);
}

void claim_stop(struct engine *e)
{
    timer_stop(e->loop, &e->claim_timer);
}

/* Hints can be lost (another process, a pooler): look again each poll, or when a delayed job falls
 * due before that. */
static void set_poll(struct engine *e)
{
    int64_t at = loop_now(e->loop) + e->config.poll_us;
    if (e->next_due_us > 0) {
        int64_t due = loop_now(e->loop) + (e->next_due_us - loop_wall(e->loop));
        if (due < at)
            at = due;
    }
    timer_set(e->loop, &e->claim_timer, at, claim_now, e);
}

static void tell_when_idle(struct engine *e, size_t claimed)
{
    if (claimed > 0 || e->n_runs > 0) {
        e->idle_told = false;
        return;
    }
    if (e->idle_told)
        return;
    e->idle_told = true;
    engine_tell(e, &(struct engine_event){.kind = ENGINE_IDLE, .next_due_us = e->next_due_us});
}

static void on_claimed(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    e->claiming = false;
    bool failed = engine_store_failed(e, r);
    if (!failed) {
        e->next_due_us = r->next_due_us;
        for (size_t i = 0; i < r->n; i++)
            run_start(e, &r->claimed[i]);
    }
    if (engine_is_stopping(e)) {
        engine_check_stopped(e);
        return;
    }
    set_poll(e);
    if (failed)
        return;
    if (e->claim_again) {
        e->claim_again = false;
        claim_soon(e);
    } else {
        tell_when_idle(e, r->n);
    }
}

static void claim_now(void *ctx)
{
    struct engine *e = ctx;
    if (e->stage != ENGINE_RUNNING || !lease_held(e))
        return;
    if (e->parked_until_us > loop_now(e->loop)) {
        timer_set(e->loop, &e->claim_timer, e->parked_until_us, claim_now, e);
        return;
    }
    if (e->parked_until_us > 0)
        pacer_unpark(e->pacer, NULL);
    e->parked_until_us = 0;
    if (e->claiming) {
        e->claim_again = true;
        return;
    }
    size_t slots = e->config.slots > e->n_runs ? e->config.slots - e->n_runs : 0;
    if (slots == 0)
        return; /* the end of a run asks again */
    struct store_claim claim = {.worker = e->worker,
                                .max = slots < STORE_BATCH_MAX ? slots : STORE_BATCH_MAX,
                                .cap_per_user = e->config.cap_per_user};
    e->claiming = true;
    store_claim(e->store, &claim, on_claimed, e);
}

/* The provider refuses us as a whole (key, billing, spend limit, not reachable): nothing is claimed
 * until the pause is over, and what waits to be sent is handed back. */
void claim_park(struct engine *e, const char *reason)
{
    bool first = e->parked_until_us == 0;
    e->parked_until_us = loop_now(e->loop) + ENGINE_PARK_US;
    if (first)
        engine_tell_trouble(e, reason);
    claim_soon(e);
}
