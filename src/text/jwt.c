/* In: a token, keys, rules. Out: its claims, or the reason why not. */
#include "text/jwt.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json.h"
#include "text/jwt_impl.h"

#define AUDIENCE_MAX 64 /* entries looked at */

static const char *const alg_names[JWT_ALG_MAX] = {"HS256", "RS256", "ES256"};

/* What the header says; it selects keys and decides nothing else. */
struct header {
    json_t *json; /* owned */
    enum jwt_alg alg;
    const char *kid; /* borrowed of json; NULL when absent */
};

const char *jwt_verdict_name(enum jwt_verdict verdict)
{
    static const char *const names[JWT_VERDICT_MAX] = {
        "valid",         "malformed", "algorithm", "unknown key", "bad signature",
        "broken claims", "expired",   "not yet",   "issuer",      "audience"};
    return verdict < JWT_VERDICT_MAX ? names[verdict] : "?";
}

/* The signing library, which is more lenient, is then given nothing strange. */
static bool has_three_parts(const char *token, size_t n, size_t *ret_header_len,
                            size_t *ret_claims_len)
{
    const char *end = token + n, *first = memchr(token, '.', n);
    const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first) - 1);
    if (second == NULL || !jwt_is_base64url(token, (size_t)(first - token)) ||
        !jwt_is_base64url(first + 1, (size_t)(second - first) - 1) ||
        !jwt_is_base64url(second + 1, (size_t)(end - second) - 1))
        return false;
    *ret_header_len = (size_t)(first - token);
    *ret_claims_len = (size_t)(second - first) - 1;
    return true;
}

/* An object from base64url; owned, or NULL. */
static json_t *decode_object(const char *text, size_t n)
{
    size_t len = 0;
    uint8_t *bytes = jwt_decode(text, n, &len);
    json_t *json = NULL;
    if (bytes != NULL && json_parse((const char *)bytes, len, JWT_MAX, &json, NULL) != OK)
        json = NULL;
    free(bytes);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static enum jwt_verdict read_header(const char *token, size_t n, struct header *ret_header)
{
    struct header h = {.json = decode_object(token, n)};
    if (h.json == NULL)
        return JWT_MALFORMED;
    const json_t *kid = json_object_get(h.json, "kid");
    const char *alg = json_str(h.json, "alg");
    enum jwt_verdict verdict = JWT_VALID;
    h.kid = json_string_value(kid);
    h.alg = 0;
    while (h.alg < JWT_ALG_MAX && (alg == NULL || strcmp(alg, alg_names[h.alg]) != 0))
        h.alg++;
    if (h.alg == JWT_ALG_MAX)
        verdict = JWT_ALGORITHM;
    else if ((kid != NULL && h.kid == NULL) || json_object_get(h.json, "crit") != NULL)
        verdict = JWT_MALFORMED; /* RFC 7515, 4.1.11: we understand no extension */
    if (verdict == JWT_VALID)
        *ret_header = h;
    else
        json_decref(h.json);
    return verdict;
}

/* Keys of the token's name come first; then those of the right type whose name is not known on
 * both sides, as that of a shared secret never is. */
static bool is_candidate(const struct jwt_key *key, const struct header *h, bool named)
{
    bool both = h->kid != NULL && key->kid != NULL;
    return key->alg == h->alg && (named ? both && strcmp(key->kid, h->kid) == 0 : !both);
}

/* JWT_UNKNOWN_KEY when none verifies it and the one that is meant may not be in the set. */
static enum jwt_verdict check_with_set(cjose_jws_t *jws, const struct header *h,
                                       const struct jwt_keys *keys)
{
    enum jwt_verdict verdict = JWT_UNKNOWN_KEY;
    int tries = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < keys->count && tries < JWT_TRIES_MAX; i++) {
            if (!is_candidate(&keys->key[i], h, pass == 0))
                continue;
            if (cjose_jws_verify(jws, keys->key[i].jwk, NULL))
                return JWT_VALID;
            tries++;
            if (h->alg == JWT_HS256 || pass == 0)
                verdict = JWT_BAD_SIGNATURE;
        }
    }
    return verdict;
}

static enum jwt_verdict check_signature(cjose_jws_t *jws, const struct header *h,
                                        const struct jwt_keys *const *sets, size_t n_sets)
{
    enum jwt_verdict verdict = h->alg == JWT_HS256 ? JWT_ALGORITHM : JWT_UNKNOWN_KEY;
    for (size_t i = 0; i < n_sets && verdict != JWT_VALID; i++) {
        enum jwt_verdict one = sets[i] == NULL ? JWT_UNKNOWN_KEY : check_with_set(jws, h, sets[i]);
        if (one != JWT_UNKNOWN_KEY)
            verdict = one;
    }
    return verdict;
}

static bool is_or_holds(const json_t *value, const char *wanted)
{
    if (json_is_string(value))
        return strcmp(json_string_value(value), wanted) == 0;
    size_t n = json_array_size(value);
    for (size_t i = 0; i < n && i < AUDIENCE_MAX; i++) {
        const char *entry = json_string_value(json_array_get(value, i));
        if (entry != NULL && strcmp(entry, wanted) == 0)
            return true;
    }
    return false;
}

/* RFC 7519, 2: a number of seconds, perhaps with a fraction. */
static enum jwt_verdict check_times(const json_t *claims, int64_t now_us)
{
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    double now = (double)now_us / 1e6, leeway = (double)JWT_LEEWAY_US / 1e6;
    if ((exp != NULL && !json_is_number(exp)) || (nbf != NULL && !json_is_number(nbf)))
        return JWT_CLAIMS;
    if (exp != NULL && now >= json_number_value(exp) + leeway)
        return JWT_EXPIRED;
    if (nbf != NULL && now + leeway < json_number_value(nbf))
        return JWT_NOT_YET;
    return JWT_VALID;
}

static enum jwt_verdict read_claims(const json_t *json, const struct jwt_rules *rules,
                                    struct jwt_claims *ret_claims)
{
    struct jwt_claims claims = {0};
    const json_t *role = json_object_get(json, "role");
    const char *sub = json_str(json, "sub"), *issuer = json_str(json, "iss");
    if (role != NULL && (!json_is_string(role) || json_string_length(role) >= JWT_ROLE_SIZE))
        return JWT_CLAIMS;
    enum jwt_verdict verdict = check_times(json, rules->now_us);
    if (verdict != JWT_VALID)
        return verdict;
    if (rules->issuer != NULL && (issuer == NULL || strcmp(issuer, rules->issuer) != 0))
        return JWT_ISSUER;
    if (rules->audience != NULL && !is_or_holds(json_object_get(json, "aud"), rules->audience))
        return JWT_AUDIENCE;
    if (role != NULL)
        memcpy(claims.role, json_string_value(role), json_string_length(role) + 1);
    claims.has_sub = sub != NULL && uuid_parse(sub, strlen(sub), &claims.sub) == OK;
    *ret_claims = claims;
    return JWT_VALID;
}

static enum jwt_verdict verify_jws(cjose_jws_t *jws, const struct header *h,
                                   const struct jwt_keys *const *sets, size_t n_sets,
                                   const struct jwt_rules *rules, struct jwt_claims *ret_claims)
{
    /* The library picks its arithmetic by the header as it read it: that must be what we read. */
    const char *alg = cjose_header_get(cjose_jws_get_protected(jws), CJOSE_HDR_ALG, NULL);
    if (alg == NULL || strcmp(alg, alg_names[h->alg]) != 0)
        return JWT_ALGORITHM;
    enum jwt_verdict verdict = check_signature(jws, h, sets, n_sets);
    if (verdict != JWT_VALID)
        return verdict;
    uint8_t *text = NULL;
    size_t n = 0;
    json_t *json = NULL;
    if (!cjose_jws_get_plaintext(jws, &text, &n, NULL) ||
        json_parse((const char *)text, n, JWT_MAX, &json, NULL) != OK)
        return JWT_CLAIMS;
    verdict = json_is_object(json) ? read_claims(json, rules, ret_claims) : JWT_CLAIMS;
    json_decref(json);
    return verdict;
}

enum jwt_verdict jwt_verify(const struct jwt_keys *const *sets, size_t n_sets, const char *token,
                            size_t n, const struct jwt_rules *rules, struct jwt_claims *ret_claims)
{
    size_t header_len = 0, claims_len = 0;
    struct header h;
    if (n == 0 || n > JWT_MAX || !has_three_parts(token, n, &header_len, &claims_len))
        return JWT_MALFORMED;
    enum jwt_verdict verdict = read_header(token, header_len, &h);
    if (verdict != JWT_VALID)
        return verdict;
    cjose_jws_t *jws = cjose_jws_import(token, n, NULL);
    verdict = jws == NULL ? JWT_MALFORMED : verify_jws(jws, &h, sets, n_sets, rules, ret_claims);
    cjose_jws_release(jws);
    json_decref(h.json);
    ERR_clear_error(); /* as in jwt_keys_parse() */
    return verdict;
}

bool jwt_unverified_role(const char *token, size_t n, char role[JWT_ROLE_SIZE])
{
    size_t header_len = 0, claims_len = 0;
    if (n == 0 || n > JWT_MAX || !has_three_parts(token, n, &header_len, &claims_len))
        return false;
    json_t *claims = decode_object(token + header_len + 1, claims_len);
    const char *said = json_str(claims, "role");
    bool found = said != NULL && strlen(said) < JWT_ROLE_SIZE;
    if (found)
        memcpy(role, said, strlen(said) + 1);
    json_decref(claims);
    return found;
}
