/* In: a shared secret, or a public JWK set. Out: keys, each bound to one algorithm for good. */
#include "text/jwt_impl.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json.h"

#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192 /* what a check costs grows with its square */
#define RSA_CHARS_MAX ((RSA_BITS_MAX / 8 + 1) * 4 / 3 + 4)
#define EXPONENT_MAX  8 /* bytes */
#define P256_BYTES    32
#define KID_MAX       512

/* The six bits of a character, or -1. */
static int sextet(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

bool jwt_is_base64url(const char *text, size_t n)
{
    int last = -1;
    for (size_t i = 0; i < n; i++) {
        last = sextet(text[i]);
        if (last < 0)
            return false;
    }
    static const int spare[4] = {0, -1, 15, 3}; /* bits of the last character that mean nothing */
    return n > 0 && n % 4 != 1 && (last & spare[n % 4]) == 0;
}

uint8_t *jwt_decode(const char *text, size_t n, size_t *ret_len)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!jwt_is_base64url(text, n) || !cjose_base64url_decode(text, n, &bytes, &len, NULL))
        return NULL;
    if (len == 0) {
        free(bytes);
        return NULL;
    }
    *ret_len = len;
    return bytes;
}

char *jwt_base64url(const void *bytes, size_t n)
{
    char *text = NULL;
    size_t len = 0;
    if (!cjose_base64url_encode(bytes, n, &text, &len, NULL))
        abort();
    return text;
}

/* A member in base64url, of at most `max` bytes when decoded. */
static uint8_t *member_bytes(const json_t *jwk, const char *name, size_t max, size_t *ret_len)
{
    const char *text = json_str(jwk, name);
    if (text == NULL)
        return NULL;
    size_t n = strnlen(text, RSA_CHARS_MAX + 1), len = 0;
    uint8_t *bytes = n > RSA_CHARS_MAX ? NULL : jwt_decode(text, n, &len);
    if (bytes == NULL || len > max) {
        free(bytes);
        return NULL;
    }
    *ret_len = len;
    return bytes;
}

static size_t bit_length(const uint8_t *bytes, size_t n)
{
    while (n > 0 && *bytes == 0) {
        bytes++;
        n--;
    }
    size_t bits = n * 8;
    for (uint8_t top = n > 0 ? *bytes : 0x80; (top & 0x80) == 0; top = (uint8_t)(top << 1))
        bits--;
    return bits;
}

/* Only what no honest key has: too short to trust, too long to compute, an exponent of one (then
 * anybody can sign) or an even number. */
static bool rsa_is_sane(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len)
{
    size_t bits = bit_length(n, n_len);
    return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && (n[n_len - 1] & 1) == 1 &&
           bit_length(e, e_len) >= 2 && (e[e_len - 1] & 1) == 1;
}

static cjose_jwk_t *rsa_key(const json_t *jwk)
{
    cjose_jwk_rsa_keyspec spec = {0};
    cjose_jwk_t *key = NULL;
    spec.n = member_bytes(jwk, "n", RSA_BITS_MAX / 8 + 1, &spec.nlen);
    spec.e = member_bytes(jwk, "e", EXPONENT_MAX, &spec.elen);
    if (spec.n != NULL && spec.e != NULL && rsa_is_sane(spec.n, spec.nlen, spec.e, spec.elen))
        key = cjose_jwk_create_RSA_spec(&spec, NULL);
    free(spec.n);
    free(spec.e);
    return key;
}

static cjose_jwk_t *p256_key(const json_t *jwk)
{
    cjose_jwk_ec_keyspec spec = {.crv = CJOSE_JWK_EC_P_256};
    cjose_jwk_t *key = NULL;
    spec.x = member_bytes(jwk, "x", P256_BYTES, &spec.xlen);
    spec.y = member_bytes(jwk, "y", P256_BYTES, &spec.ylen);
    if (spec.x != NULL && spec.y != NULL && spec.xlen == P256_BYTES && spec.ylen == P256_BYTES)
        key = cjose_jwk_create_EC_spec(&spec, NULL); /* NULL when the point is not on the curve */
    free(spec.x);
    free(spec.y);
    return key;
}

/* RFC 7517, 4.2 and 4.3: what a key may be used for. */
static bool may_verify(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
    if (use != NULL && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
        return false;
    if (ops == NULL)
        return true;
    size_t i;
    json_t *op;
    json_array_foreach (ops, i, op) {
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
            return true;
    }
    return false;
}

/* The algorithm follows from the key's type; an "alg" that says otherwise rules the key out. */
static bool alg_fits(const json_t *jwk, const char *alg)
{
    const json_t *said = json_object_get(jwk, "alg");
    return said == NULL || (json_is_string(said) && strcmp(json_string_value(said), alg) == 0);
}

static bool read_key(const json_t *jwk, struct jwt_key *ret_key)
{
    struct jwt_key key = {0};
    const char *kty = json_str(jwk, "kty"), *crv = json_str(jwk, "crv");
    const json_t *kid = json_object_get(jwk, "kid");
    if (kty == NULL || !may_verify(jwk))
        return false;
    if (kid != NULL && (!json_is_string(kid) || json_string_length(kid) > KID_MAX))
        return false;
    if (strcmp(kty, "RSA") == 0 && alg_fits(jwk, "RS256")) {
        key.alg = JWT_RS256;
        key.jwk = rsa_key(jwk);
    } else if (strcmp(kty, "EC") == 0 && crv != NULL && strcmp(crv, "P-256") == 0 &&
               alg_fits(jwk, "ES256")) {
        key.alg = JWT_ES256;
        key.jwk = p256_key(jwk);
    }
    if (key.jwk == NULL)
        return false;
    key.kid = mem_strdup(json_string_value(kid));
    *ret_key = key;
    return true;
}

enum err jwt_keys_parse(const char *text, size_t n, struct jwt_keys **ret_keys, struct errmsg *msg)
{
    json_t *json = NULL;
    enum err e = json_parse(text, n, JWK_SET_MAX, &json, msg);
    if (e != OK)
        return e;
    const json_t *list = json_arr(json, "keys");
    size_t count = json_array_size(list);
    if (list == NULL) {
        e = err_set(msg, ERR_INVALID, "it is no JWK set: it has no list \"keys\"");
    } else if (count > JWK_COUNT_MAX) {
        e = err_set(msg, ERR_TOO_BIG, "it has %zu keys; at most %d are read", count, JWK_COUNT_MAX);
    } else {
        struct jwt_keys *keys = mem_alloc(sizeof *keys);
        keys->key = mem_array(count + 1, sizeof *keys->key);
        for (size_t i = 0; i < count; i++) {
            if (read_key(json_array_get(list, i), &keys->key[keys->count]))
                keys->count++;
        }
        *ret_keys = keys;
        ERR_clear_error(); /* what a broken key left there would confuse the next TLS call */
    }
    json_decref(json);
    return e;
}

enum err jwt_keys_secret(const char *secret, size_t n, struct jwt_keys **ret_keys,
                         struct errmsg *msg)
{
    if (n < JWT_SECRET_MIN || n > JWT_SECRET_MAX)
        return err_set(msg, ERR_INVALID, "the JWT secret has %zu bytes; it needs %d to %d", n,
                       JWT_SECRET_MIN, JWT_SECRET_MAX);
    if (secret[0] == '{' || memmem(secret, n, "-----BEGIN", 10) != NULL)
        return err_set(msg, ERR_INVALID,
                       "the JWT secret is a key in PEM or JSON; a public key is no secret: give "
                       "the URL of the key set instead");
    struct jwt_keys *keys = mem_alloc(sizeof *keys);
    keys->key = mem_array(1, sizeof *keys->key);
    keys->count = 1;
    keys->key[0].alg = JWT_HS256;
    keys->key[0].jwk = cjose_jwk_create_oct_spec((const uint8_t *)secret, n, NULL);
    if (keys->key[0].jwk == NULL)
        abort(); /* out of memory: nothing else can fail */
    *ret_keys = keys;
    return OK;
}

void jwt_keys_free(struct jwt_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        (void)cjose_jwk_release(keys->key[i].jwk);
        free(keys->key[i].kid);
    }
    free(keys->key);
    free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}
