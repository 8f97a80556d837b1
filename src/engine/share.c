/* In: what this process uses of the provider's limits, and what waits. Out: a pacer that keeps to
 * the part that all processes on this store have agreed on, each second anew. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/impl.h"
#include "provider/share.h"

#define ROUND_US    USEC_PER_SEC          /* also what a part is for */
#define HURRY_US    (250 * USEC_PER_MSEC) /* where a call waits for want of a part */
#define CLASSES_MAX 16

struct asking {
    struct engine *engine;
    int64_t asked_us;
    size_t n;
    char *names[CLASSES_MAX];
};

static void ask(void *ctx);

static void plan(struct engine *e, int64_t at_us)
{
    if (!engine_is_stopping(e) || e->n_runs > 0)
        timer_set(e->loop, &e->share_timer, at_us, ask, e);
}

static void copy_limits(int64_t *to, const int64_t *from)
{
    for (int i = 0; i < STORE_LIMITS; i++)
        to[i] = from[i];
}

static void on_shares(void *ctx, const struct store_result *r)
{
    struct asking *a = ctx;
    struct engine *e = a->engine;
    e->sharing = false;
    bool ok = !engine_store_failed(e, r); /* else the last parts go on, and shrink */
    for (size_t i = 0; i < a->n; i++) {
        struct share share;
        if (ok && i < r->n) {
            copy_limits(share.part, r->budgets[i].part);
            copy_limits(share.limit, r->budgets[i].limit);
            copy_limits(share.frozen_us, r->budgets[i].frozen_us);
            share.cut_us = r->budgets[i].cut_us;
            pacer_share_set(e->pacer, a->names[i], &share, a->asked_us, loop_now(e->loop));
        }
        free(a->names[i]);
    }
    free(a);
    if (ok)
        pace_soon(e);
    engine_op_done(e);
}

static void send_asks(struct engine *e, const struct share_ask *asks, size_t n)
{
    struct store_budget_ask out[CLASSES_MAX];
    struct asking *a = mem_alloc(sizeof *a);
    *a = (struct asking){.engine = e, .asked_us = loop_now(e->loop), .n = n};
    for (size_t i = 0; i < n; i++) {
        a->names[i] = mem_strdup(asks[i].rate_class);
        out[i] = (struct store_budget_ask){.rate_class = a->names[i],
                                           .committed = asks[i].committed,
                                           .told_us = asks[i].told_us,
                                           .cut_us = asks[i].cut_us};
        copy_limits(out[i].wanted, asks[i].wanted);
        copy_limits(out[i].limit, asks[i].limit);
        copy_limits(out[i].frozen_us, asks[i].frozen_us);
    }
    e->sharing = true;
    e->ops++;
    store_budget(e->store, &e->worker, out, n, on_shares, a);
}

static void ask(void *ctx)
{
    struct engine *e = ctx;
    int64_t now = loop_now(e->loop);
    plan(e, now + ROUND_US);
    if (e->sharing)
        return;
    for (struct run *r = e->pacing; r != NULL; r = r->call.next) {
        struct pacer_need need = pace_need(r);
        pacer_share_waits(e->pacer, &need);
    }
    struct share_ask asks[CLASSES_MAX];
    size_t n = pacer_share_asks(e->pacer, asks, CLASSES_MAX, now);
    e->shared_us = now;
    if (n > 0)
        send_asks(e, asks, n);
}

void share_start(struct engine *e)
{
    if (!store_is_shared(e->store))
        return;
    pacer_share_begin(e->pacer);
    plan(e, loop_now(e->loop));
}

void share_stop(struct engine *e)
{
    timer_stop(e->loop, &e->share_timer);
}

void share_hurry(struct engine *e)
{
    if (!timer_is_set(&e->share_timer) || e->sharing || !pacer_share_lacks(e->pacer))
        return;
    int64_t at_us = e->shared_us + HURRY_US, now = loop_now(e->loop);
    plan(e, at_us > now ? at_us : now);
}
