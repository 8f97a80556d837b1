/* In: endpoints outside the database, and what became of telling them. Out: the ends of runs that
 * they are to hear of, leased to one sender at a time. Verbs as in store.h. */
#ifndef STORE_STORE_WEBHOOKS_H
#define STORE_STORE_WEBHOOKS_H

#include "store/store.h"

#define STORE_ENDPOINT_MAX  32 /* endpoints */
#define STORE_ENDPOINT_NAME 64 /* bytes of a name */

enum store_end {
    STORE_END_COMPLETED,
    STORE_END_FAILED,
    STORE_END_CANCELLED,
    STORE_END_DELETED, /* while it waited or ran */
    STORE_END_MAX
};
const char *store_end_name(enum store_end end); /* "completed" */

struct store_endpoint {
    const char *name;
    unsigned ends; /* which it hears of: 1u << enum store_end, or-ed */
};
/* From now on each end is noted for these, in a row for each, in the transaction in which it
 * happens. What waits for others is given up when it is a day old. -> count of those. */
void store_endpoints_set(struct store *s, const struct store_endpoint *endpoints, size_t n,
                         store_fn fn, void *ctx);
/* It wants no more: nothing is noted for it until it is set again, and what waits is given up for
 * that reason. -> count. */
void store_endpoint_drop(struct store *s, const char *name, const char *why, store_fn fn,
                         void *ctx);

enum store_delivery_state {
    STORE_DELIVERY_WAITING,
    STORE_DELIVERY_DONE,
    STORE_DELIVERY_GIVEN_UP,
    STORE_DELIVERY_MAX
};
struct store_delivery { /* one end, for one endpoint */
    int64_t n;          /* its place: 1.., rising */
    struct uuid id;     /* the same however often it is sent */
    const char *endpoint;
    struct uuid job, user_id; /* user_id: nil = not known any more */
    int run;
    enum store_end end;
    int64_t ended_us;
    enum store_delivery_state state;
    int attempts;             /* begun */
    int64_t since_us, due_us; /* tried since; again at: wall */
    int64_t done_us;          /* 0 = not over */
    int http_status;          /* of the last answer, 0 = none */
    const char *error;        /* of the last attempt, may be NULL */
    /* What is known of the run now: */
    const char *job_error, *words; /* failed: its message; completed: a number; may be NULL */
    int64_t calls, cost_udollar;
    struct usage usage;
};
/* Due ones of an endpoint, oldest first, at most max; others may take them again after lease_us.
 * -> deliveries; `attempts` counts the one that begins now. */
void store_deliveries_take(struct store *s, const char *endpoint, size_t max, int64_t lease_us,
                           store_fn fn, void *ctx);

struct store_delivery_end { /* of an attempt */
    int64_t n;
    int attempts; /* as it was taken: what somebody else has taken since is left alone */
    enum store_delivery_state state; /* WAITING: again at due_us */
    int64_t due_us;
    int http_status;
    const char *error; /* may be NULL */
};
/* What is over is forgotten after a week. -> count noted. */
void store_deliveries_note(struct store *s, const struct store_delivery_end *ends, size_t n,
                           store_fn fn, void *ctx);

struct store_delivery_filter {
    enum store_delivery_state state; /* STORE_DELIVERY_MAX = any */
    const char *endpoint;            /* NULL = any */
    int64_t before;                  /* 0 = the newest; else the cursor: the last n seen */
    size_t limit;                    /* 1..STORE_BATCH_MAX */
};
/* -> deliveries, newest first. */
void store_deliveries(struct store *s, const struct store_delivery_filter *filter, store_fn fn,
                      void *ctx);
/* To be sent again, from the start: one, whatever became of it (ERR_NOT_FOUND), or, with nil, all
 * that were given up. endpoint: NULL = any. -> count. */
void store_deliveries_retry(struct store *s, const struct uuid *id, const char *endpoint,
                            store_fn fn, void *ctx);

struct store_endpoint_seen {
    const char *name;
    unsigned ends;               /* 0: nothing is noted for it now */
    int64_t waiting, failing;    /* failing: those of them that were tried in vain */
    int64_t delivered, given_up; /* of those still known */
    int64_t oldest_us;           /* of what waits; 0 = none */
};
/* By name. -> endpoints. */
void store_endpoints(struct store *s, store_fn fn, void *ctx);

#endif
