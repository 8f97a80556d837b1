/* In: a request's credentials. Out: who asks: the operator, a user, or nobody. */
#include "api/auth.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/jwks_http.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "text/jwt.h"

#define TOKEN_BYTES 32 /* of the operator token */
#define SALT_BYTES  32

/* A key is kept as its salted hash: hashes have one length and share no beginning, so that neither
 * shows in the time that a comparison takes. */
struct digest {
    char hex[HASH_HEX_SIZE];
};

/* Everything that a reload replaces. */
struct keys {
    bool has_service_key, has_token;
    struct digest service_key, token;
    char *token_text; /* for the daemon to print; owned, NULL when keys are configured */
    struct jwt_keys *secret;
    struct jwks_http *source; /* with jwks */
    struct jwks *jwks;
    char *issuer, *audience;
};

struct auth {
    struct loop *loop;
    char salt[SALT_BYTES];
    struct keys keys;
};

/* ---- comparing ---- */

static struct digest digest_of(const struct auth *a, const char *text, size_t n)
{
    struct digest d = {.hex = ""};
    struct hash *h = hash_new();
    hash_add(h, a->salt, sizeof a->salt);
    hash_add(h, text, n);
    hash_finish(h, d.hex);
    return d;
}

static bool digest_equal(const struct digest *a, const struct digest *b)
{
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < sizeof a->hex; i++)
        difference = (unsigned char)(difference | (a->hex[i] ^ b->hex[i]));
    return difference == 0;
}

static bool is_operator_key(const struct auth *a, const char *text, size_t n)
{
    struct digest d = digest_of(a, text, n);
    return (a->keys.has_service_key && digest_equal(&d, &a->keys.service_key)) ||
           (a->keys.has_token && digest_equal(&d, &a->keys.token));
}

/* ---- configuration ---- */

static void keys_free(struct keys *k)
{
    jwks_free(k->jwks);
    jwks_http_free(k->source);
    jwt_keys_free(k->secret);
    if (k->token_text != NULL)
        explicit_bzero(k->token_text, strlen(k->token_text));
    free(k->token_text);
    free(k->issuer);
    free(k->audience);
    *k = (struct keys){.has_service_key = false};
}

static bool any_key(const struct auth_config *config)
{
    return config->service_key != NULL || config->jwt_secret != NULL || config->jwks_url != NULL;
}

/* Refuses what every visitor of the user's web page has: with it as service key all would be
 * operators. */
static enum err check_service_key(const char *key, struct errmsg *msg)
{
    char role[JWT_ROLE_SIZE];
    if (key[0] == '\0')
        return err_set(msg, ERR_INVALID, "the service key is empty: give one or unset it");
    for (const char *c = key; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c))
            return err_set(msg, ERR_INVALID,
                           "the service key has a space or another character that no header can "
                           "carry");
    }
    if (strncmp(key, "sb_publishable_", 15) == 0)
        return err_set(msg, ERR_INVALID,
                       "the service key is a publishable one, which anybody may know: give the "
                       "secret one (sb_secret_...)");
    if (jwt_unverified_role(key, strlen(key), role) && strcmp(role, "service_role") != 0)
        return err_set(msg, ERR_INVALID,
                       "the service key is a JWT for another role than service_role: give the "
                       "service_role key");
    return OK;
}

static enum err check_jwks_url(const struct auth_config *config, struct errmsg *msg)
{
    const char *url = config->jwks_url;
    if ((strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0) ||
        config->http == NULL)
        return err_set(msg, ERR_INVALID, "the address of the JWK set is no http or https URL");
    return OK;
}

/* Whoever sits on the way could put in keys of their own. */
static void warn_of_plain_http(const char *url)
{
    static const char *const fine[] = {"https:", "http://127.", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        if (strncasecmp(url, fine[i], strlen(fine[i])) == 0)
            return;
    }
    log_warn(NULL, "the JWK set is fetched without TLS: who can change it on its way can make "
                   "tokens; use https unless the network is your own");
}

static void start_jwks(struct auth *a, struct keys *k, const struct auth_config *config)
{
    warn_of_plain_http(config->jwks_url);
    k->source = jwks_http_new(config->http, config->jwks_url);
    struct jwks_source source = jwks_http_source(k->source);
    k->jwks = jwks_new(a->loop, &source, rng_seed_from_os());
}

static void make_token(struct auth *a, struct keys *k)
{
    unsigned char bytes[TOKEN_BYTES];
    rng_secret(bytes, sizeof bytes);
    k->token_text = jwt_base64url(bytes, sizeof bytes);
    k->token = digest_of(a, k->token_text, strlen(k->token_text));
    k->has_token = true;
    explicit_bzero(bytes, sizeof bytes);
}

/* All but the JWK set, which an unchanged URL hands on. */
static enum err read_config(struct auth *a, const struct auth_config *config, struct keys *ret_keys,
                            struct errmsg *msg)
{
    struct keys k = {.has_service_key = config->service_key != NULL};
    enum err e = OK;
    if (config->service_key != NULL) {
        e = check_service_key(config->service_key, msg);
        k.service_key = digest_of(a, config->service_key, strlen(config->service_key));
    }
    if (e == OK && config->jwks_url != NULL)
        e = check_jwks_url(config, msg);
    if (e == OK && config->jwt_secret != NULL)
        e = jwt_keys_secret(config->jwt_secret, strlen(config->jwt_secret), &k.secret, msg);
    if (e != OK)
        return e;
    k.issuer = mem_strdup(config->issuer);
    k.audience = mem_strdup(config->audience);
    *ret_keys = k;
    return OK;
}

enum err auth_new(struct loop *loop, const struct auth_config *config, struct auth **ret_auth,
                  struct errmsg *msg)
{
    struct auth *a = mem_alloc(sizeof *a);
    a->loop = loop;
    rng_secret(a->salt, sizeof a->salt);
    enum err e = read_config(a, config, &a->keys, msg);
    if (e != OK) {
        auth_free(a);
        return e;
    }
    if (config->jwks_url != NULL)
        start_jwks(a, &a->keys, config);
    if (!any_key(config))
        make_token(a, &a->keys);
    *ret_auth = a;
    return OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    keys_free(&a->keys);
    free(a);
}

const char *auth_operator_token(const struct auth *a)
{
    return a->keys.token_text;
}

enum err auth_reload(struct auth *a, const struct auth_config *config, struct errmsg *msg)
{
    struct keys next = {.has_service_key = false};
    if (!any_key(config)) {
        if (a->keys.has_token)
            return OK;
        return err_set(msg, ERR_INVALID,
                       "no key is configured any more; the old ones stay until a restart");
    }
    enum err e = read_config(a, config, &next, msg);
    if (e != OK)
        return e;
    const char *url = a->keys.source == NULL ? "" : jwks_http_url(a->keys.source);
    if (config->jwks_url != NULL && strcmp(config->jwks_url, url) == 0) {
        next.source = a->keys.source;
        next.jwks = a->keys.jwks;
        a->keys.source = NULL;
        a->keys.jwks = NULL;
    } else if (config->jwks_url != NULL) {
        start_jwks(a, &next, config);
    }
    keys_free(&a->keys);
    a->keys = next;
    return OK;
}

/* ---- requests ---- */

/* What follows "Bearer", or NULL when the header is of another scheme. */
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "Bearer";
    size_t n = sizeof scheme - 1;
    if (authorization == NULL || strncasecmp(authorization, scheme, n) != 0 ||
        (authorization[n] != ' ' && authorization[n] != '\0'))
        return NULL;
    return authorization + n;
}

static struct principal of_claims(const struct jwt_claims *claims)
{
    struct principal who = {.role = ROLE_NONE};
    if (strcmp(claims->role, "service_role") == 0) {
        who.role = ROLE_OPERATOR;
    } else if (strcmp(claims->role, "authenticated") == 0 && claims->has_sub &&
               !uuid_is_nil(&claims->sub)) {
        who.role = ROLE_USER;
        who.user_id = claims->sub;
    }
    return who;
}

static struct principal of_token(struct auth *a, const char *text, size_t n, int64_t wall_us)
{
    const struct keys *k = &a->keys;
    const struct jwt_keys *sets[] = {k->secret, k->jwks == NULL ? NULL : jwks_keys(k->jwks)};
    struct jwt_rules rules = {k->issuer, k->audience, wall_us};
    struct jwt_claims claims;
    if (k->secret == NULL && k->jwks == NULL)
        return (struct principal){.role = ROLE_NONE};
    enum jwt_verdict verdict = jwt_verify(sets, 2, text, n, &rules, &claims);
    if (verdict == JWT_VALID)
        return of_claims(&claims);
    if (verdict == JWT_UNKNOWN_KEY && k->jwks != NULL)
        jwks_want(k->jwks);
    log_debug(NULL, "a token is refused: %s", jwt_verdict_name(verdict));
    return (struct principal){.role = ROLE_NONE};
}

struct principal auth_check_headers(struct auth *a, const char *authorization, const char *apikey,
                                    int64_t wall_us)
{
    const char *text = bearer(authorization);
    if (text == NULL)
        text = apikey;
    if (text == NULL)
        return (struct principal){.role = ROLE_NONE};
    text += strspn(text, " ");
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (is_operator_key(a, text, n))
        return (struct principal){.role = ROLE_OPERATOR};
    return of_token(a, text, n, wall_us);
}

struct principal auth_check(struct auth *a, const struct http_exchange *x, int64_t wall_us)
{
    return auth_check_headers(a, http_request_header(x, "Authorization"),
                              http_request_header(x, "apikey"), wall_us);
}
