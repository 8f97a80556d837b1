/* In: calls that want to be sent. Out: those that the provider's limits admit now, in the order in
 * which they came; the others when the pacer says so. */
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "engine/impl.h"
#include "job/retry.h"

#define PUT_OFF_SPREAD_US   (10 * USEC_PER_SEC) /* jobs that leave together do not come together */
#define BLOCKED_CLASSES_MAX 16                  /* more wait for the next round */

struct round { /* one pass over engine.pacing */
    const char *blocked[BLOCKED_CLASSES_MAX];
    size_t n_blocked;
    int64_t next_us;
};

static bool is_blocked(const struct round *round, const char *rate_class)
{
    for (size_t i = 0; i < round->n_blocked; i++) {
        if (strcmp(round->blocked[i], rate_class) == 0)
            return true;
    }
    return round->n_blocked == BLOCKED_CLASSES_MAX;
}

void pace_leave(struct run *r)
{
    DL_DELETE2(r->engine->pacing, r, call.prev, call.next);
    r->call.stage = STAGE_NONE;
}

/* However long a wait is said to be, the job looks again within RETRY_AFTER_MAX_US: limits are
 * raised, other nodes leave, and an estimate may have been wrong. */
void pace_put_off(struct run *r, int64_t wait_us, const char *why)
{
    struct engine *e = r->engine;
    if (wait_us < RETRY_HOLD_MAX_US)
        wait_us = RETRY_HOLD_MAX_US;
    wait_us += (int64_t)(rng_unit(&e->rng) * (double)PUT_OFF_SPREAD_US);
    if (wait_us > RETRY_AFTER_MAX_US)
        wait_us = RETRY_AFTER_MAX_US;
    run_release(r, wait_us, why);
}

struct pacer_need pace_need(const struct run *r)
{
    return (struct pacer_need){.rate_class = r->call.model->rate_class,
                               .input_tokens = r->call.estimated_input,
                               .output_tokens = ledger_expected_output(r->engine, &r->want)};
}

/* The first of a class that must wait holds up the others of its class, not those of another. */
static void ask(struct run *r, struct round *round)
{
    struct engine *e = r->engine;
    struct call *c = &r->call;
    if (is_blocked(round, c->model->rate_class))
        return;
    struct pacer_need need = pace_need(r);
    int64_t now = loop_now(e->loop);
    int64_t again = pacer_admit(e->pacer, &need, now, &c->ticket);
    if (again == 0) {
        pace_leave(r);
        call_admitted(r);
        return;
    }
    if (pacer_parked(e->pacer, c->model->rate_class) != NULL) {
        pace_leave(r);
        run_release(r, call_park_wait(e), "the model provider is parked");
        return;
    }
    if (again != INT64_MAX && again - now > RETRY_HOLD_MAX_US) {
        pace_leave(r);
        pace_put_off(r, again - now, "the model provider asked to wait");
        return;
    }
    round->blocked[round->n_blocked++] = c->model->rate_class;
    if (again < round->next_us)
        round->next_us = again;
}

static void pace_now(void *ctx)
{
    struct engine *e = ctx;
    struct round round = {.next_us = INT64_MAX};
    if (!lease_held(e) || engine_is_stopping(e))
        return;
    struct run *r, *next;
    DL_FOREACH_SAFE2(e->pacing, r, next, call.next) ask(r, &round);
    if (round.n_blocked > 0)
        share_hurry(e);
    if (round.next_us != INT64_MAX)
        timer_set(e->loop, &e->pacing_timer, round.next_us, pace_now, e);
}

void pace_soon(struct engine *e)
{
    e->pacing_task.fn = pace_now;
    e->pacing_task.ctx = e;
    loop_defer(e->loop, &e->pacing_task);
}

void pace_enter(struct run *r)
{
    struct engine *e = r->engine;
    if (engine_is_stopping(e)) {
        run_release(r, 0, NULL);
        return;
    }
    r->call.stage = STAGE_PACING;
    DL_APPEND2(e->pacing, r, call.prev, call.next);
    pace_soon(e);
}
