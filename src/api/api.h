/* In: HTTP requests. Out: answers and event streams, made of the store's verbs and the engine's
 * figures; the daemon's whole face. */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "api/auth.h"
#include "base/err.h"
#include "base/shared_texts.h"
#include "engine/engine.h"
#include "engine/invoke.h"
#include "engine/webhooks.h"
#include "io/http_server.h"
#include "io/loop.h"
#include "job/capacity.h"
#include "store/store.h"

struct api;

struct api_config {
    const char *host; /* literal address to listen on; without any key only loopback */
    uint16_t port;
    int listener; /* 0 = host and port; else an open listening socket, taken over: others may
                     accept on it too */
    unsigned max_connections; /* 0 = the server's default */
    struct auth_config auth;
    const char *version;           /* of the program */
    size_t slots;                  /* of the engine, for the metrics */
    const struct catalog *catalog; /* for the planner; borrowed, may be NULL */
    struct capacity_limits limits; /* of the provider, for the planner; 0 = not configured */
    /* The function endpoint. */
    struct invoker *invoker;    /* borrowed; NULL only without an engine */
    int concurrent_limit;       /* running jobs per worker id; 0 = 3 */
    int user_priority_max;      /* what users may ask for; 0 = 5 */
    int64_t job_duration_max_s; /* what anybody may ask for; 0 = 4 h */
    size_t max_streams;         /* event streams at once; 0 = 1024 */
    struct shared_texts *crew;  /* of several processes on the listener: where each leaves its
                                   metrics; borrowed, NULL = there is one */
    size_t place;               /* of this one */
};

/* Borrows loop, store and engine (engine may be NULL: a node that only serves). */
enum err api_new(struct loop *loop, struct store *store, struct engine *engine,
                 const struct api_config *config, struct api **ret_api,
                 struct errmsg *msg) MUST_CHECK;
void api_free(struct api *api);
uint16_t api_port(const struct api *api);
/* What the daemon prints at start when no key is configured: a link with the one-time operator
 * token; NULL when keys are. Borrowed. */
const char *api_operator_link(const struct api *api);
/* From now on /readyz says no and no new work is taken; streams are ended. */
void api_drain(struct api *api);
size_t api_waiting(const struct api *api); /* requests that the store has not answered yet */
void api_limit(struct api *api, int concurrent_limit); /* from now on; as in the config */
/* Whether the store's notifications come, for the metrics and /v1/limits; until it is said they do.
 */
void api_hears(struct api *api, bool hears);
/* New keys, as SIGHUP brings them. On failure the old ones stay. */
enum err api_reload(struct api *api, const struct auth_config *auth, struct errmsg *msg) MUST_CHECK;
/* For the metrics from now on; borrowed until the API is freed. */
void api_watch_webhooks(struct api *api, const struct webhooks *webhooks);
/* The engine's observer calls this for every event, so that streams need not wait for a poll. */
void api_engine_event(struct api *api, const struct engine_event *event);

#endif
