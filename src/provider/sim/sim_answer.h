/* In: a checked message, a seed. Out: the whole answer before its first byte is sent: its parts,
 * its tokens, why it stops. And how fast it will come. Pure. */
#ifndef PROVIDER_SIM_SIM_ANSWER_H
#define PROVIDER_SIM_SIM_ANSWER_H

#include "base/rng.h"
#include "provider/sim/sim_request.h"

struct sim_part { /* a content block */
    bool thinking;
    char *text; /* owned */
    size_t len;
    int64_t tokens;
};

#define SIM_PARTS_MAX 2
struct sim_answer {
    struct sim_part parts[SIM_PARTS_MAX];
    size_t n;
    int64_t tokens;          /* of all parts */
    const char *stop_reason; /* static */
    char *stop_sequence;     /* owned; NULL when none stopped it */
};

void sim_answer_make(const struct sim_message *m, uint64_t seed, struct sim_answer *ret_answer);
void sim_answer_free(struct sim_answer *a);
/* How many bytes of a part its first `tokens` are: whole characters, and all of it at the end. */
size_t sim_part_bytes(const struct sim_part *p, int64_t tokens);

struct latency_config {
    double ttft_median_s, ttft_p95_s; /* lognormal */
    double tps_median, tps_cv;        /* lognormal: tokens per second of a stream */
    double speed;                     /* divides the times */
};
struct latency {
    int64_t first_us;    /* to the first token */
    double us_per_token; /* from there on */
};
struct latency latency_draw(const struct latency_config *config, struct rng *rng);
/* Tokens of the next event: 1..20, about 50 ms worth on average. */
int64_t latency_event_tokens(double us_per_token, struct rng *rng);

#endif
