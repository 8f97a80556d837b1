/* In: limits per minute, requests and the tokens they take, the time. Out: admitted or not, how
 * long to wait, and the headers that say so. Pure. The pacer's own buckets are another piece of
 * code on purpose: a slip in one must not be hidden by the same slip in the other. */
#ifndef PROVIDER_SIM_SIM_LIMITS_H
#define PROVIDER_SIM_SIM_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "text/json.h"

enum limits_family { LIMITS_REQUESTS, LIMITS_INPUT, LIMITS_OUTPUT, LIMITS_FAMILY_MAX };

struct limits_config {
    int64_t per_minute[LIMITS_FAMILY_MAX]; /* per rate class; 0 = the Scale tier's */
    int64_t burst_us;                      /* how much of the limit a full bucket holds; 0 = 5 s */
    double speed;                          /* multiplies the limits, divides the burst */
};

struct limits;
struct limits *limits_new(const struct limits_config *config);
void limits_free(struct limits *l); /* takes NULL */
void limits_reset(struct limits *l);

struct limits_refusal {
    enum limits_family family; /* the bucket that is short */
    int64_t wait_us;           /* until it is not */
};
/* Takes one request and its input tokens, or nothing. Output only has to be out of debt: it is
 * charged as it is produced. */
bool limits_admit(struct limits *l, const char *rate_class, int64_t input_tokens, int64_t now_us,
                  struct limits_refusal *ret_refusal);
void limits_output(struct limits *l, const char *rate_class, int64_t tokens, int64_t now_us);

/* anthropic-ratelimit-*: limit, remaining, reset of four families. */
#define LIMITS_HEADERS 12
struct limits_headers {
    const char *names[LIMITS_HEADERS];
    char values[LIMITS_HEADERS][32];
};
/* `refused` may be NULL: the bucket that it names is shown empty. */
void limits_tell(struct limits *l, const char *rate_class, const struct limits_refusal *refused,
                 int64_t now_us, int64_t wall_us, struct limits_headers *ret_headers);
/* {class: {requests: {limit, level, capacity}, ...}}; owned. */
json_t *limits_state(struct limits *l, int64_t now_us);

#endif
