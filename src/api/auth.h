/* In: a request's credentials. Out: who asks. Fails closed; secrets are compared in constant
 * time. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/loop.h"

struct auth;

struct auth_config {
    const char *service_key;  /* service_role JWT or sb_secret_...; NULL = none */
    const char *jwt_secret;   /* HS256; NULL = none */
    const char *jwks_url;     /* RS256, ES256; NULL = none */
    const char *issuer;       /* "iss" of a JWT must be this; NULL = not checked */
    const char *audience;     /* "aud" of a JWT must be or hold this; NULL = not checked */
    struct http_client *http; /* for the JWKS; borrowed; NULL when jwks_url is */
};

enum auth_role { ROLE_NONE, ROLE_USER, ROLE_OPERATOR, ROLE_MAX };

struct principal {
    enum auth_role role;
    struct uuid user_id; /* ROLE_USER: whose jobs they may see and touch */
};

/* Copies config. With no key at all it makes a random operator token, the only credential then.
 * ERR_INVALID names the setting that cannot be meant (a key that is empty or public) and never
 * quotes it. */
enum err auth_new(struct loop *loop, const struct auth_config *config, struct auth **ret_auth,
                  struct errmsg *msg) MUST_CHECK;
void auth_free(struct auth *a);
const char *auth_operator_token(const struct auth *a); /* NULL when keys are configured */

/* `Authorization: Bearer` decides when present, else `apikey`. ROLE_NONE: answer 401. Answers at
 * once from what is known; an unknown JWKS key asks for a refresh (bounded in rate) and says
 * ROLE_NONE until it has come. */
struct principal auth_check(struct auth *a, const struct http_exchange *x, int64_t wall_us);
/* The same from the two headers' values, NULL when absent. Nothing else in a request says who asks;
 * labels like x-supabase-caller grant nothing. */
struct principal auth_check_headers(struct auth *a, const char *authorization, const char *apikey,
                                    int64_t wall_us);
/* New keys, as SIGHUP brings them: what is no longer there counts no more, at once. Unless it is OK
 * all stays as it was. ERR_INVALID too when the last key would go: the address may be public. */
enum err auth_reload(struct auth *a, const struct auth_config *config,
                     struct errmsg *msg) MUST_CHECK;

#endif
