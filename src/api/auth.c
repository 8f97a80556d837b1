/* In: a request's credentials. Out: who asks: the service key's or the operator token's holder. */
#include "api/auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#define TOKEN_BYTES 24

struct auth {
    char *service_key; /* or NULL */
    char *token;       /* the operator's, or NULL */
};

static void forget(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static char *new_token(void)
{
    unsigned char bytes[TOKEN_BYTES];
    char *token = mem_alloc(2 * TOKEN_BYTES + 1);
    rng_secret(bytes, sizeof bytes);
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        token[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return token;
}

enum err auth_new(struct loop *loop, const struct auth_config *config, struct auth **ret_auth,
                  struct errmsg *msg)
{
    (void)loop;
    (void)msg;
    struct auth *a = mem_alloc(sizeof *a);
    a->service_key = mem_strdup(config->service_key);
    if (config->service_key == NULL && config->jwt_secret == NULL && config->jwks_url == NULL)
        a->token = new_token();
    *ret_auth = a;
    return OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    forget(a->service_key);
    forget(a->token);
    free(a);
}

const char *auth_operator_token(const struct auth *a)
{
    return a->token;
}

/* Hashes have one length: neither the place of the first difference nor the key's length shows. */
static bool equal(const char *given, const char *wanted)
{
    char a[HASH_HEX_SIZE], b[HASH_HEX_SIZE];
    if (wanted == NULL)
        return false;
    struct hash *h = hash_new();
    hash_add_field(h, given);
    hash_finish(h, a);
    h = hash_new();
    hash_add_field(h, wanted);
    hash_finish(h, b);
    unsigned char difference = 0;
    for (size_t i = 0; i < HASH_HEX_SIZE; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

struct principal auth_check(struct auth *a, const struct http_exchange *x, int64_t wall_us)
{
    struct principal nobody = {.role = ROLE_NONE}, operator= {.role = ROLE_OPERATOR};
    const char *header = http_request_header(x, "Authorization");
    const char *key = http_request_header(x, "apikey");
    (void)wall_us;
    if (header != NULL) {
        if (strncasecmp(header, "Bearer ", 7) != 0)
            return nobody;
        key = header + 7;
    }
    if (key == NULL)
        return nobody;
    return equal(key, a->service_key) || equal(key, a->token) ? operator: nobody;
}

enum err auth_reload(struct auth *a, const struct auth_config *config, struct errmsg *msg)
{
    (void)msg;
    forget(a->service_key);
    a->service_key = mem_strdup(config->service_key);
    return OK;
}
