/* In: free slots, hints that work is due. Out: claimed jobs, each started as a run. */
#include "base/clock.h"
#include "engine/impl.h"

#define NOT_YET_US (100 * USEC_PER_MSEC)

static void claim_now(void *ctx);

int64_t claim_wall(const struct engine *e)
{
    return loop_wall(e->loop) + e->ahead_us;
}

void claim_soon(struct engine *e)
{
    e->claim_task.fn = claim_now;
    e->claim_task.ctx = e;
    loop_defer(e->loop, &e->claim_task);
}

static void unpark(struct engine *e)
{
    timer_stop(e->loop, &e->unpark_timer);
    e->parked = false;
    pacer_unpark(e->pacer, NULL);
}

void claim_stop(struct engine *e)
{
    timer_stop(e->loop, &e->claim_timer);
    if (timer_is_set(&e->unpark_timer))
        unpark(e);
}

/* Hints can be lost (another process, a pooler): look again each poll, or when a delayed job falls
 * due before that. What is due by our clock and not by the store's is not asked for at once. */
static void set_poll(struct engine *e)
{
    int64_t wait = e->config.poll_us;
    if (e->next_due_us > 0) {
        int64_t due = e->next_due_us - loop_wall(e->loop);
        due = due > 0 ? due : NOT_YET_US;
        wait = due < wait ? due : wait;
    }
    timer_set(e->loop, &e->claim_timer, loop_now(e->loop) + wait, claim_now, e);
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
    engine_tell(e, &(struct engine_event){
                       .kind = ENGINE_IDLE, .next_due_us = e->next_due_us, .paused = e->paused});
}

static void set_paused(struct engine *e, bool paused)
{
    if (paused == e->paused)
        return;
    e->paused = paused;
    e->idle_told = false;
    engine_tell(e, &(struct engine_event){.kind = paused ? ENGINE_PAUSED : ENGINE_RESUMED});
}

static void on_claimed(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    e->claiming = false;
    if (r->err == ERR_LOST)
        lease_renew_soon(e); /* finds out, and starts over */
    bool took = !engine_store_failed(e, r) && r->err == OK;
    if (took) {
        if (r->now_us > 0)
            e->ahead_us = r->now_us - loop_wall(e->loop);
        e->next_due_us = r->next_due_us > 0 ? r->next_due_us - e->ahead_us : 0;
    }
    if (took && !engine_is_stopping(e))
        set_paused(e, r->paused);
    for (size_t i = 0; took && !e->gave_up && i < r->n; i++)
        run_start(e, &r->claimed[i]);
    if (!engine_is_stopping(e)) {
        set_poll(e);
        if (e->claim_again)
            claim_soon(e);
        else if (took)
            tell_when_idle(e, r->n);
    }
    e->claim_again = false;
    engine_op_done(e);
}

static void claim_now(void *ctx)
{
    struct engine *e = ctx;
    if (e->stage != ENGINE_RUNNING || !lease_held(e) || e->parked || !scale_is_known(e))
        return; /* the end of each of these asks again */
    if (e->claiming) {
        e->claim_again = true;
        return;
    }
    size_t used = e->n_runs - e->n_batched;
    size_t slots = engine_slots(e) > used ? engine_slots(e) - used : 0;
    if (slots == 0)
        return; /* the end of a run asks again */
    struct store_claim claim = {.worker = e->worker,
                                .max = slots < STORE_BATCH_MAX ? slots : STORE_BATCH_MAX,
                                .cap_per_user = e->config.cap_per_user};
    e->claiming = true;
    e->ops++;
    store_claim(e->store, &claim, on_claimed, e);
}

static void on_unpark(void *ctx)
{
    struct engine *e = ctx;
    unpark(e);
    claim_soon(e);
    pace_soon(e);
}

void claim_try_again(struct engine *e)
{
    if (timer_is_set(&e->unpark_timer))
        timer_set(e->loop, &e->unpark_timer, loop_now(e->loop), on_unpark, e);
}

/* A key, billing, a spend limit, an address nobody answers at; or one model that is not there. What
 * waits to be sent is handed back by the pacing. */
void claim_park(struct engine *e, const char *reason, bool whole)
{
    bool news = !timer_is_set(&e->unpark_timer) || (whole && !e->parked);
    if (engine_is_stopping(e))
        return;
    if (whole) {
        e->parked = true;
        pacer_park(e->pacer, NULL, reason);
    }
    timer_set(e->loop, &e->unpark_timer, loop_now(e->loop) + ENGINE_PARK_US, on_unpark, e);
    pace_soon(e);
    if (news)
        engine_tell_trouble(e, OK, reason);
}
