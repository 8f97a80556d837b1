/* In: ends of runs, as the store has noted them for endpoints. Out: each told by a signed request.
 * A few at a time for each endpoint; while one fails, a single one, with pauses that grow. */
#include "engine/webhooks.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/webhooks_impl.h"
#include "store/store_webhooks.h"

#define PARALLEL   8 /* requests to one endpoint at once */
#define LOOK_US    USEC_PER_SEC
#define SOON_US    (20 * USEC_PER_MSEC)
#define TROUBLE_US (5 * USEC_PER_SEC)  /* the store's */
#define LEASE_US   (60 * USEC_PER_SEC) /* more than a request and the store's answer take */
#define TURN_US    (50 * USEC_PER_MSEC)

static void look(void *ctx);

static void look_in(struct endpoint *e, int64_t us)
{
    struct loop *loop = e->webhooks->config.loop;
    if (!e->webhooks->stopped && !e->off)
        timer_set(loop, &e->timer, loop_now(loop) + us, look, e);
}

/* ---- what is due ---- */

static size_t room(const struct endpoint *e)
{
    size_t most = webhook_is_troubled(e) ? 1 : PARALLEL;
    return e->running < most ? most - e->running : 0;
}

int64_t webhook_wall(const struct webhooks *w)
{
    return loop_wall(w->config.loop) + w->ahead_us;
}

static void on_taken(void *ctx, const struct store_result *r)
{
    struct endpoint *e = ctx;
    struct webhooks *w = e->webhooks;
    w->ops--;
    e->taking = false;
    if (r->n > 0) /* due again when their lease is over, which has begun now */
        w->ahead_us = r->deliveries[0].due_us - LEASE_US - loop_wall(w->config.loop);
    e->more = r->err == OK && r->n == e->asked;
    for (size_t i = 0; i < r->n; i++) {
        if (w->stopped || e->off)
            webhook_hand_back(e, &r->deliveries[i]);
        else
            webhook_send(e, &r->deliveries[i]);
    }
    if (r->err != OK)
        look_in(e, TROUBLE_US);
    else if (!e->more)
        look_in(e, webhook_is_troubled(e) ? webhook_pause_us(e) : LOOK_US);
}

static void look(void *ctx)
{
    struct endpoint *e = ctx;
    struct webhooks *w = e->webhooks;
    size_t most = room(e);
    if (e->taking || most == 0) /* an answer comes, and looks again */
        return;
    e->taking = true;
    e->asked = most;
    w->ops++;
    store_deliveries_take(w->config.store, e->name, most, LEASE_US, on_taken, e);
}

void webhook_over(struct endpoint *e)
{
    if (webhook_is_troubled(e) || e->more)
        look_in(e, webhook_pause_us(e));
    else if (!timer_is_set(&e->timer) && !e->taking)
        look_in(e, LOOK_US);
}

void webhooks_poke(struct webhooks *w)
{
    if (w == NULL)
        return;
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        /* Never later than it would be: ends come faster than that. */
        bool later =
            !timer_is_set(&e->timer) || e->timer.node.key > loop_now(w->config.loop) + SOON_US;
        if (later && !e->taking && !webhook_is_troubled(e))
            look_in(e, SOON_US);
    }
}

/* ---- endpoints ---- */

static struct endpoint *endpoint_named(struct webhooks *w, const char *name)
{
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    e = mem_alloc(sizeof *e);
    e->webhooks = w;
    e->name = mem_strdup(name);
    LL_APPEND(w->endpoints, e);
    return e;
}

static void declare(void *ctx);

static void on_declared(void *ctx, const struct store_result *r)
{
    struct webhooks *w = ctx;
    w->ops--;
    if (r->err != OK && !w->stopped) {
        log_error(NULL, "webhooks, tried again in 5 s: %s", r->message);
        timer_set(w->config.loop, &w->timer, loop_now(w->config.loop) + TROUBLE_US, declare, w);
        return;
    }
    if (r->count > 0)
        log_warn(NULL, "%lld webhooks for endpoints that are not configured any more are given up",
                 (long long)r->count);
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e)
        look_in(e, 0);
}

/* Tells the store for whom ends are to be noted. */
static void declare(void *ctx)
{
    struct webhooks *w = ctx;
    struct store_endpoint watched[STORE_ENDPOINT_MAX];
    struct endpoint *e = NULL;
    size_t n = 0;
    LL_FOREACH (w->endpoints, e) {
        if (!e->off && n < STORE_ENDPOINT_MAX)
            watched[n++] = (struct store_endpoint){.name = e->name, .ends = e->ends};
    }
    w->ops++;
    store_endpoints_set(w->config.store, watched, n, on_declared, w);
}

void webhooks_set(struct webhooks *w, const struct webhook_endpoint *endpoints, size_t n)
{
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e) {
        e->off = true;
        timer_stop(w->config.loop, &e->timer);
    }
    for (size_t i = 0; i < n; i++) {
        e = endpoint_named(w, endpoints[i].name);
        free(e->url);
        e->url = mem_strdup(endpoints[i].url);
        e->ends = endpoints[i].ends;
        e->secrets = endpoints[i].secrets;
        e->off = false;
        e->failures = 0;
    }
    declare(w);
}

/* ---- life ---- */

struct webhooks *webhooks_new(const struct webhooks_config *config,
                              const struct webhook_endpoint *endpoints, size_t n)
{
    struct webhooks *w = mem_alloc(sizeof *w);
    w->config = *config;
    w->rng = rng_seed(rng_seed_from_os(), 1);
    webhooks_set(w, endpoints, n);
    return w;
}

void webhooks_stop(struct webhooks *w)
{
    if (w == NULL)
        return;
    w->stopped = true;
    timer_stop(w->config.loop, &w->timer);
    struct endpoint *e = NULL;
    LL_FOREACH (w->endpoints, e)
        timer_stop(w->config.loop, &e->timer);
}

size_t webhooks_running(const struct webhooks *w)
{
    return w == NULL ? 0 : w->running;
}

bool webhooks_totals(const struct webhooks *w, size_t i, struct webhook_totals *ret_totals)
{
    const struct endpoint *e = w == NULL ? NULL : w->endpoints;
    for (; e != NULL && i > 0; i--)
        e = e->next;
    if (e == NULL)
        return false;
    *ret_totals = e->totals;
    ret_totals->name = e->name;
    ret_totals->troubled = webhook_is_troubled(e);
    return true;
}

void webhooks_free(struct webhooks *w)
{
    if (w == NULL)
        return;
    webhooks_stop(w);
    webhook_break_off(w);
    while (w->ops > 0)
        loop_turn(w->config.loop, TURN_US);
    struct endpoint *e = NULL, *next_endpoint = NULL;
    LL_FOREACH_SAFE (w->endpoints, e, next_endpoint) {
        free(e->name);
        free(e->url);
        free(e);
    }
    free(w);
}
