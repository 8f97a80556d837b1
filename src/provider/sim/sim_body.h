/* In: a parsed body. Out: its members checked one by one, its prompt counted. Parts of
 * sim_request.c. */
#ifndef PROVIDER_SIM_SIM_BODY_H
#define PROVIDER_SIM_SIM_BODY_H

#include "provider/sim/sim_request.h"

/* Fills the refusal and returns false. */
bool sim_refuse(struct sim_refusal *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Each returns false with the refusal filled. */
bool sim_body_members(const struct sim_message *m, bool counting, struct sim_refusal *r);
bool sim_body_turns(struct sim_message *m, struct sim_refusal *r); /* messages, system; prompt */
bool sim_body_options(struct sim_message *m, struct sim_refusal *r);

#endif
