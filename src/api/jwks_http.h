/* In: the one configured URL. Out: a source of JWK set documents over HTTP: that URL and no other
 * (redirects are not followed), at most JWK_SET_MAX bytes. */
#ifndef API_JWKS_HTTP_H
#define API_JWKS_HTTP_H

#include "api/jwks.h"
#include "io/http_client.h"

struct jwks_http;

/* Borrows the client, copies the URL. */
struct jwks_http *jwks_http_new(struct http_client *client, const char *url);
void jwks_http_free(struct jwks_http *h); /* after the jwks that it feeds; takes NULL */
struct jwks_source jwks_http_source(struct jwks_http *h);
const char *jwks_http_url(const struct jwks_http *h); /* not for logs: it may hold a password */

#endif
