/* In: nothing. Out: what the parts of the running simulator share. Private to provider/sim. */
#ifndef PROVIDER_SIM_SIM_CORE_H
#define PROVIDER_SIM_SIM_CORE_H

#include "io/http_server.h"
#include "provider/sim/sim.h"
#include "provider/sim/sim_answer.h"
#include "provider/sim/sim_fate.h"
#include "provider/sim/sim_limits.h"
#include "provider/sim/sim_truth.h"

struct sim_stream;

struct sim {
    struct loop *loop;
    struct http_server *server;
    const struct catalog *catalog;
    char *api_key, *url; /* owned; api_key may be NULL */
    bool loopback;       /* only this machine can reach it */
    uint64_t seed;
    struct latency_config latency; /* its speed is the simulator's */
    struct limits_config limits_config;
    struct limits *limits;
    struct truth *truth;
    struct fates *fates;
    uint64_t other_requests; /* those that the truth ledger does not number */
    struct sim_stream *streams;
    struct truth_entry forgotten; /* written for requests that the ledger has no room for */
    struct buf scratch;           /* of one turn's writing */
};

/* ---- sim_stream.c: answers with their latency ---- */

struct sim_answering { /* a request that is going to be answered */
    uint64_t n;        /* in the truth ledger */
    const struct model *model;
    bool stream;
    int64_t input_tokens;
    struct sim_answer answer; /* taken */
    struct fate fate;
};
void sim_stream_start(struct sim *sim, struct http_exchange *x, struct sim_answering *a);
void sim_stream_free_all(struct sim *sim); /* those whose exchange never told its end */

/* ---- sim_reply.c: whole answers with their headers ---- */

struct sim_error {
    int status;
    const char *type, *message, *code; /* type NULL = the status's, code may be NULL */
    double retry_after_s;              /* on the wire; negative = no header */
    int should_retry;                  /* -1 = no header */
};
/* `n`: in the truth ledger, 0 = not there. `rate_class` NULL: no rate-limit headers; `refused` as
 * limits_tell(). */
void sim_reply_error(struct sim *sim, struct http_exchange *x, uint64_t n,
                     const struct sim_error *error, const char *rate_class,
                     const struct limits_refusal *refused);
void sim_reply_json(struct sim *sim, struct http_exchange *x, uint64_t n, const char *rate_class,
                    const char *body, size_t len);
void sim_begin_events(struct sim *sim, struct http_exchange *x, uint64_t n, const char *rate_class);

/* ---- sim_control.c: the routes under /sim/ ---- */

void sim_control_handle(struct sim *sim, struct http_exchange *x);
void sim_set_speed(struct sim *sim, double speed); /* of what starts from now on */

#endif
