/* In: a source of JWK set documents. Out: the last good set of keys, refreshed by time and by need.
 * What cannot be fetched or read changes nothing. */
#ifndef API_JWKS_H
#define API_JWKS_H

#include <stddef.h>

#include "base/err.h"
#include "io/loop.h"
#include "text/jwt.h"

#define JWKS_EVERY_US     ((int64_t)600 * 1000000) /* after a success */
#define JWKS_WANT_US      ((int64_t)60 * 1000000)  /* least time between two fetches by need */
#define JWKS_FETCH_US     ((int64_t)30 * 1000000)  /* a document has to be whole by then */
#define JWKS_RETRY_US     ((int64_t)1 * 1000000) /* the first delay, half to one and a half times */
#define JWKS_RETRY_MAX_US ((int64_t)60 * 1000000) /* doubled up to this */

struct jwks;

/* Where documents come from; jwks_http.h has the real one. `start` answers later, by one
 * jwks_arrived(), unless `stop` comes first. */
struct jwks_source {
    void (*start)(void *ctx, struct jwks *jwks);
    void (*stop)(void *ctx);
    void *ctx;
};

/* Fetches at once. Copies the source; its ctx must outlive the jwks. */
struct jwks *jwks_new(struct loop *loop, const struct jwks_source *source, uint64_t seed);
void jwks_free(struct jwks *jwks); /* takes NULL */

/* NULL until the first success. Borrowed until the loop turns. */
const struct jwt_keys *jwks_keys(const struct jwks *jwks);
/* A token came whose key is not there: fetches at once, unless the last fetch by need was less than
 * JWKS_WANT_US ago; then as soon as it is. A fetch by the clock does not count: keys may have been
 * rotated right after it. */
void jwks_want(struct jwks *jwks);

/* For the source: OK and a whole document, or an error and why, for people. */
void jwks_arrived(struct jwks *jwks, enum err err, const char *text, size_t n, const char *why);

#endif
