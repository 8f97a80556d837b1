/* In: an answer. Out: the same with the headers that every answer of the real API carries. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/sim/sim_core.h"
#include "provider/sim/sim_request.h"

#define OTHER_REQUESTS ((uint64_t)1 << 62) /* numbers outside the truth ledger */

struct headers {
    const char *list[2 * (LIMITS_HEADERS + 5) + 1];
    size_t n;
    char id[TRUTH_ID_SIZE], retry_after[32];
    struct limits_headers limits;
};

static void add(struct headers *h, const char *name, const char *value)
{
    h->list[h->n++] = name;
    h->list[h->n++] = value;
    h->list[h->n] = NULL;
}

static void add_common(struct sim *sim, struct headers *h, uint64_t n, const char *rate_class,
                       const struct limits_refusal *refused)
{
    h->n = 0;
    if (n == 0)
        n = OTHER_REQUESTS + ++sim->other_requests;
    add(h, "request-id", truth_id("req", sim->seed, n, h->id));
    add(h, "anthropic-organization-id", "00000000-0000-7000-8000-000000000000");
    if (rate_class == NULL)
        return;
    limits_tell(sim->limits, rate_class, refused, loop_now(sim->loop), loop_wall(sim->loop),
                &h->limits);
    for (size_t i = 0; i < LIMITS_HEADERS; i++)
        add(h, h->limits.names[i], h->limits.values[i]);
}

/* Whole seconds, as the real one says it; at other speeds a second would be too coarse. */
static void put_seconds(const struct sim *sim, double s, char *out, size_t size)
{
    if (sim->latency.speed <= 1 || s == ceil(s))
        snprintf(out, size, "%.0f", ceil(s));
    else
        snprintf(out, size, "%.3f", ceil(s * 1000) / 1000);
}

void sim_reply_error(struct sim *sim, struct http_exchange *x, uint64_t n,
                     const struct sim_error *error, const char *rate_class,
                     const struct limits_refusal *refused)
{
    struct headers h;
    add_common(sim, &h, n, rate_class, refused);
    if (error->retry_after_s >= 0) {
        put_seconds(sim, error->retry_after_s, h.retry_after, sizeof(h.retry_after));
        add(&h, "retry-after", h.retry_after);
    }
    if (error->should_retry >= 0)
        add(&h, "x-should-retry", error->should_retry ? "true" : "false");
    const char *type = error->type != NULL ? error->type : sim_error_type(error->status);
    char *body = sim_error_body(type, error->message, error->code, h.id);
    http_reply(x, error->status, "application/json", h.list, body, strlen(body));
    free(body);
}

void sim_reply_json(struct sim *sim, struct http_exchange *x, uint64_t n, const char *rate_class,
                    const char *body, size_t len)
{
    struct headers h;
    add_common(sim, &h, n, rate_class, NULL);
    http_reply(x, 200, "application/json", h.list, body, len);
}

void sim_begin_events(struct sim *sim, struct http_exchange *x, uint64_t n, const char *rate_class)
{
    struct headers h;
    add_common(sim, &h, n, rate_class, NULL);
    add(&h, "Cache-Control", "no-cache");
    http_stream_begin(x, 200, "text/event-stream; charset=utf-8", h.list);
}
