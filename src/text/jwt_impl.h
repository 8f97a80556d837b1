/* In: a key's parts. Out: how jwt_keys.c keeps it for jwt.c. Private to the two. */
#ifndef TEXT_JWT_IMPL_H
#define TEXT_JWT_IMPL_H

#include <cjose/cjose.h>

#include "text/jwt.h"

struct jwt_key {
    enum jwt_alg alg; /* the only one that this key is used for */
    char *kid;        /* owned; NULL: it has no name */
    cjose_jwk_t *jwk; /* owned */
};

struct jwt_keys {
    struct jwt_key *key;
    size_t count;
};

/* Unpadded, not empty, and the one way to write its bytes. */
bool jwt_is_base64url(const char *text, size_t n);
/* Bytes of unpadded base64url, and nothing else: owned, at least one byte; else NULL. */
uint8_t *jwt_decode(const char *text, size_t n, size_t *ret_len);

#endif
