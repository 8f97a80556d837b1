/* In: ends of runs, as the store has noted them for endpoints. Out: each told by a signed request,
 * again and again until the endpoint has it, at least once; nothing that jobs would wait for. */
#ifndef ENGINE_WEBHOOKS_H
#define ENGINE_WEBHOOKS_H

#include "engine/journal.h"
#include "engine/webhook_message.h"
#include "io/http_client.h"
#include "store/store_webhooks.h"

struct webhooks;

struct webhooks_config { /* all borrowed for the life of it */
    struct loop *loop;
    struct store *store;
    struct http_client *http;
    const struct address_guard *guard;
    struct journal *journal;
    int64_t give_up_us; /* so long after the end of a run */
};

struct webhook_endpoint {
    const char *name, *url;
    unsigned ends; /* 1u << enum store_end, or-ed */
    struct webhook_secrets secrets;
};

/* Begins at once. At most STORE_ENDPOINT_MAX endpoints. */
struct webhooks *webhooks_new(const struct webhooks_config *config,
                              const struct webhook_endpoint *endpoints, size_t n);
/* From now on these; what is on its way goes on as it was. */
void webhooks_set(struct webhooks *w, const struct webhook_endpoint *endpoints, size_t n);
/* A run has ended here: look soon. Takes NULL. */
void webhooks_poke(struct webhooks *w);
/* Nothing more is begun. Takes NULL. */
void webhooks_stop(struct webhooks *w);
size_t webhooks_running(const struct webhooks *w); /* on their way; NULL: none */

struct webhook_totals {
    const char *name;                    /* borrowed */
    int64_t delivered, failed, given_up; /* attempts of this process */
    bool troubled;                       /* it fails again and again */
};
/* Of the i-th endpoint that there was; false past the last. */
bool webhooks_totals(const struct webhooks *w, size_t i, struct webhook_totals *ret_totals);

/* Stops, breaks off what is on its way, which others tell again, and turns the loop until the store
 * has answered. Before the journal. Takes NULL. */
void webhooks_free(struct webhooks *w);

#endif
