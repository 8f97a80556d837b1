/* In: nothing. Out: what webhooks, their endpoints and deliveries consist of. Private to
 * webhooks.c, which says when to look and to whom, and webhook_sending.c, which tells. */
#ifndef ENGINE_WEBHOOKS_IMPL_H
#define ENGINE_WEBHOOKS_IMPL_H

#include "base/rng.h"
#include "engine/webhooks.h"

struct sending; /* one delivery on its way */

struct endpoint {
    struct webhooks *webhooks;
    char *name, *url;
    unsigned ends;
    struct webhook_secrets secrets;
    bool off;     /* not configured any more, or it answered 410 Gone */
    bool taking;  /* the store has been asked */
    size_t asked; /* for so many */
    bool more;    /* and gave as many: there may be others */
    size_t running;
    int failures; /* in a row, those at the same time counted once */
    int64_t failed_us, pause_max_us;
    struct webhook_totals totals; /* the counts */
    struct loop_timer timer;
    struct endpoint *next;
};

struct webhooks {
    struct webhooks_config config;
    struct endpoint *endpoints;
    struct sending *sendings;
    size_t running;
    struct loop_timer timer; /* when the store did not take the list of endpoints */
    int ops;                 /* store requests that will still call back */
    bool stopped;
    struct rng rng;
    int64_t ahead_us; /* the store's clock before ours, as the last that were taken told */
};

/* ---- webhook_sending.c ---- */
void webhook_send(struct endpoint *e, const struct store_delivery *d);
/* Taken too late to be sent: others may have it at once. */
void webhook_hand_back(struct endpoint *e, const struct store_delivery *d);
void webhook_break_off(struct webhooks *w);         /* all that is on its way */
bool webhook_is_troubled(const struct endpoint *e); /* it fails again and again */
int64_t webhook_pause_us(const struct endpoint *e); /* to leave it alone; 0 unless it is */

/* ---- webhooks.c ---- */
/* The store's wall clock, by which deliveries are due and given up. */
int64_t webhook_wall(const struct webhooks *w);
void webhook_over(struct endpoint *e); /* a delivery has ended: there is room for another */

#endif
