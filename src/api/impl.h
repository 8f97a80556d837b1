/* In: the parts of one API. Out: what its files share. Private to api. */
#ifndef API_IMPL_H
#define API_IMPL_H

#include "api/api.h"
#include "api/figures.h"
#include "api/job_request.h"
#include "api/looks.h"
#include "base/metrics.h"

struct api {
    struct loop *loop;
    struct store *store;
    struct engine *engine;         /* or NULL */
    const struct catalog *catalog; /* or NULL */
    struct capacity_limits limits; /* of the provider, as configured; 0 = not */
    struct auth *auth;
    struct http_server *server;
    char *version, *link;
    bool local;  /* no key is configured: loopback only */
    bool shared; /* others accept on the same socket */
    bool draining;
    bool deaf;                  /* the store's notifications do not come */
    struct job_ceiling ceiling; /* of what is asked for */
    size_t slots;
    struct invoker *invoker;         /* or NULL */
    const struct webhooks *webhooks; /* or NULL */
    struct call *calls;              /* of the function endpoint, under way */
    int concurrent_limit;
    struct streams *streams; /* of events */
    size_t requests;         /* that wait for the store */
    int64_t started_us;
    struct figures figures;
    struct looks looks;
    struct metrics *metrics; /* of metric_table */
    struct loop_timer lag_timer;
    int64_t lag_due_us;
    struct shared_texts *crew; /* where all processes leave their metrics, or NULL */
    size_t place;              /* of this one */
    struct loop_timer crew_timer;
};

/* api.c: jobs that this process takes at once, by now; 0 in triggered mode. */
size_t api_slots(const struct api *api);

/* functions.c: forgets the calls that are under way, when nobody will tell of them any more. */
void functions_end(struct api *api);

#endif
