/* In: a signed token from outside and the keys that may have signed it. Out: its claims, or why it
 * is refused. Every key is bound to one algorithm when it is made; what a token says of itself only
 * selects among keys, it never decides how one is used. The one home of cjose's headers. */
#ifndef TEXT_JWT_H
#define TEXT_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#define JWT_MAX        16384 /* bytes of a token */
#define JWT_SECRET_MIN 32    /* RFC 7518, 3.2: no shorter than the hash */
#define JWT_SECRET_MAX 4096
#define JWK_SET_MAX    ((size_t)256 * 1024)
#define JWK_COUNT_MAX  64
#define JWT_TRIES_MAX  8 /* signatures checked for a token, in one set */
#define JWT_ROLE_SIZE  64
#define JWT_LEEWAY_US  ((int64_t)60 * 1000000) /* clocks differ */

enum jwt_alg { JWT_HS256, JWT_RS256, JWT_ES256, JWT_ALG_MAX };

/* Keys for checking signatures; never private ones. Immutable. */
struct jwt_keys;

/* One HS256 key. ERR_INVALID: too short, too long, or a public key or JSON given by mistake: text
 * that others know must never become a shared secret. Messages never quote it. */
enum err jwt_keys_secret(const char *secret, size_t n, struct jwt_keys **ret_keys,
                         struct errmsg *msg) MUST_CHECK;
/* A JWK set (RFC 7517): its RSA keys of 2048 to 8192 bits for RS256, its P-256 keys for ES256. All
 * others are passed over: above all symmetric ones, which have no place in a public document.
 * ERR_TOO_BIG past JWK_SET_MAX or JWK_COUNT_MAX; ERR_INVALID when it is no JWK set. */
enum err jwt_keys_parse(const char *text, size_t n, struct jwt_keys **ret_keys,
                        struct errmsg *msg) MUST_CHECK;
void jwt_keys_free(struct jwt_keys *keys); /* takes NULL */
size_t jwt_keys_count(const struct jwt_keys *keys);

/* Why a token is refused, in the order in which it is looked at. */
enum jwt_verdict {
    JWT_VALID,
    JWT_MALFORMED,     /* too long, or not three parts of base64url with JSON objects in them */
    JWT_ALGORITHM,     /* none, one that we do not do, or HS256 without a secret */
    JWT_UNKNOWN_KEY,   /* no key that we have verifies it; another one may */
    JWT_BAD_SIGNATURE, /* the shared secret, or the key that it names, says no */
    JWT_CLAIMS,        /* a claim has the wrong type */
    JWT_EXPIRED,
    JWT_NOT_YET,
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_VERDICT_MAX
};
const char *jwt_verdict_name(enum jwt_verdict verdict); /* for logs; never NULL */

struct jwt_rules {
    const char *issuer;   /* "iss" must be this; NULL = not checked */
    const char *audience; /* "aud" must be or hold this; NULL = not checked */
    int64_t now_us;       /* wall clock */
};

struct jwt_claims {
    char role[JWT_ROLE_SIZE]; /* "" when absent; a longer one is JWT_CLAIMS */
    bool has_sub;             /* "sub" is there and is a UUID */
    struct uuid sub;
};

/* Sets of keys are tried in order; NULL ones are skipped. The claims are written for JWT_VALID
 * only. "exp" and "nbf" are obeyed when they are there, with JWT_LEEWAY_US. */
enum jwt_verdict jwt_verify(const struct jwt_keys *const *sets, size_t n_sets, const char *token,
                            size_t n, const struct jwt_rules *rules,
                            struct jwt_claims *ret_claims) MUST_CHECK;

/* What the token says its role is, believed by nobody: to warn of a mistaken configuration. False
 * when it is no token or names none. */
bool jwt_unverified_role(const char *token, size_t n, char role[JWT_ROLE_SIZE]);

/* Random bytes as text that fits into a URL; owned. */
char *jwt_base64url(const void *bytes, size_t n);

#endif
