/* In: any bytes, taken for a token; or, when they begin with a brace, for claims that are signed
 * with a secret of ours. Out: a token is believed only when we signed it and its claims say so. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "text/json.h"
#include "text/jwt.h"

#define SECRET     "a secret that nobody has ever used"
#define ISSUER     "https://issuer.example"
#define AUDIENCE   "authenticated"
#define NOW_S      1800000000.0
#define LEEWAY_S   ((double)JWT_LEEWAY_US / 1e6)
#define CLAIMS_MAX ((size_t)12000) /* so that the token stays below JWT_MAX */
#define LOOKED_AT  64              /* entries of an audience */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The public keys of RFC 7515, A.2 and A.3, so that every kind of check is reached. */
static const char set_text[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
    "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwO"
    "WvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkML"
    "s91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":"
    "\"f83OJ3D2xF1Bg8vu"
    "b9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static void must(bool holds)
{
    if (!holds)
        abort();
}

static enum jwt_verdict verify(const char *token, size_t n, const struct jwt_rules *rules,
                               struct jwt_claims *ret_claims)
{
    static struct jwt_keys *sets[2];
    if (sets[0] == NULL) {
        must(jwt_keys_secret(SECRET, sizeof SECRET - 1, &sets[0], NULL) == OK);
        must(jwt_keys_parse(set_text, sizeof set_text - 1, &sets[1], NULL) == OK);
    }
    const struct jwt_keys *const borrowed[] = {sets[0], sets[1]};
    return jwt_verify(borrowed, 2, token, n, rules, ret_claims);
}

/* ---- claims that we sign ---- */

static char *sign(const uint8_t *claims, size_t size)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    uint8_t mac[HASH_SIZE];
    char *parts[3] = {jwt_base64url(header, sizeof header - 1), jwt_base64url(claims, size)};
    size_t n = strlen(parts[0]) + strlen(parts[1]) + 1;
    char *token = malloc(n + 64);
    must(token != NULL);
    (void)snprintf(token, n + 1, "%s.%s", parts[0], parts[1]);
    hash_hmac(SECRET, sizeof SECRET - 1, token, n, mac);
    parts[2] = jwt_base64url(mac, sizeof mac);
    (void)snprintf(token + n, 64, ".%s", parts[2]);
    for (int i = 0; i < 3; i++)
        free(parts[i]);
    return token;
}

static bool says(const json_t *value, const char *wanted)
{
    return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

static bool is_for(const json_t *audience, const char *wanted)
{
    bool found = says(audience, wanted);
    for (size_t i = 0; i < json_array_size(audience) && i < LOOKED_AT; i++)
        found = found || says(json_array_get(audience, i), wanted);
    return found;
}

/* What is to be believed, said in the plainest way. */
static bool are_good(const json_t *claims, const struct jwt_rules *rules)
{
    const json_t *role = json_object_get(claims, "role"), *exp = json_object_get(claims, "exp");
    const json_t *nbf = json_object_get(claims, "nbf");
    if (!json_is_object(claims))
        return false;
    if (role != NULL && (!json_is_string(role) || json_string_length(role) >= JWT_ROLE_SIZE))
        return false;
    if (exp != NULL && !(json_is_number(exp) && json_number_value(exp) + LEEWAY_S > NOW_S))
        return false;
    if (nbf != NULL && !(json_is_number(nbf) && json_number_value(nbf) <= NOW_S + LEEWAY_S))
        return false;
    return (rules->issuer == NULL || says(json_object_get(claims, "iss"), rules->issuer)) &&
           (rules->audience == NULL || is_for(json_object_get(claims, "aud"), rules->audience));
}

static void check_claims(const json_t *said, const struct jwt_claims *claims)
{
    const char *role = json_string_value(json_object_get(said, "role"));
    const char *sub = json_string_value(json_object_get(said, "sub"));
    char text[UUID_TEXT_SIZE];
    must(strcmp(claims->role, role == NULL ? "" : role) == 0);
    if (claims->has_sub)
        must(sub != NULL && strcasecmp(uuid_text(&claims->sub, text), sub) == 0);
}

static void try_claims(const uint8_t *data, size_t size)
{
    static const struct jwt_rules rules[] = {
        {.issuer = ISSUER, .audience = AUDIENCE, .now_us = (int64_t)NOW_S * 1000000},
        {.now_us = (int64_t)NOW_S * 1000000}};
    char *token = sign(data, size);
    json_t *said = NULL;
    if (json_parse((const char *)data, size, CLAIMS_MAX, &said, NULL) != OK)
        said = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct jwt_claims claims;
        bool valid = verify(token, strlen(token), &rules[i], &claims) == JWT_VALID;
        must(valid == are_good(said, &rules[i]));
        if (valid)
            check_claims(said, &claims);
    }
    size_t n = strlen(token);
    token[n - 2] = token[n - 2] == 'A' ? 'B' : 'A'; /* the last one holds spare bits */
    struct jwt_claims claims;
    must(verify(token, n, &rules[1], &claims) == JWT_BAD_SIGNATURE);
    json_decref(said);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jwt_rules rules = {.now_us = 0};
    struct jwt_claims claims;
    if (size > 0 && data[0] == '{') {
        if (size <= CLAIMS_MAX)
            try_claims(data, size);
        return 0;
    }
    enum jwt_verdict verdict = verify(size == 0 ? "" : (const char *)data, size, &rules, &claims);
    /* the examples themselves are signed, and say nothing of a role */
    must(verdict != JWT_VALID || claims.role[0] == '\0');
    return 0;
}
