/* In: a request's headers and body. Out: the message to answer, or the refusal that the real API
 * would give. Pure. */
#ifndef PROVIDER_SIM_SIM_REQUEST_H
#define PROVIDER_SIM_SIM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job/price.h"
#include "text/json.h"

#define SIM_BODY_MAX ((size_t)32 << 20)

struct sim_refusal {
    int status;
    const char *type; /* "invalid_request_error" ...; static */
    char message[320];
};
/* The type that goes with a status. */
const char *sim_error_type(int status);
/* {"type":"error","error":{...},"request_id":...}; owned. `request_id` and `error_code` may be
 * NULL. */
char *sim_error_body(const char *type, const char *message, const char *error_code,
                     const char *request_id);

struct sim_headers { /* each may be NULL */
    const char *api_key, *authorization, *version;
};
/* `key`: the one that is accepted; NULL = any that is not empty. False: refused. */
bool sim_auth_check(const struct sim_headers *headers, const char *key,
                    struct sim_refusal *ret_refusal);

struct sim_message {
    json_t *body; /* owned; the members below are borrowed from it */
    const struct model *model;
    int64_t max_tokens, input_tokens;
    bool stream, thinking;
    const json_t *schema, *stops; /* NULL when not given */
    char *prompt;                 /* owned: the text of the last user turn */
    size_t prompt_len;
    uint64_t hash; /* of model, system and all turns */
};

/* `counting`: the body of count_tokens, which needs no max_tokens. False: refused. The refusal and
 * the message are untouched when they do not apply. */
bool sim_request_read(const struct catalog *catalog, const struct sim_headers *headers,
                      const char *body, size_t n, bool counting, struct sim_message *ret_message,
                      struct sim_refusal *ret_refusal);
void sim_message_free(struct sim_message *m); /* takes a zeroed one */

/* The simulator's tokenizer: four bytes are a token. Used for prompts, answers and bills alike. */
int64_t sim_tokens(size_t bytes);

/* The model for an id as it may stand in a request; NULL when unknown. The short aliases of the
 * catalogue ("sonnet") are ours and mean nothing to a provider. */
const struct model *sim_model(const struct catalog *catalog, const char *id);

#endif
