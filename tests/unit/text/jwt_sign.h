/* In: what a token should say. Out: that token, signed by OpenSSL alone, so that what checks it is
 * tested against something else than itself. */
#ifndef TESTS_TEXT_JWT_SIGN_H
#define TESTS_TEXT_JWT_SIGN_H

#include "text/jwt.h"

struct signer;

struct signer *signer_secret(const char *secret); /* HS256 */
struct signer *signer_rsa(unsigned bits);         /* RS256, a fresh key */
struct signer *signer_p256(void);                 /* ES256, a fresh key */
void signer_free(struct signer *s);

/* Header and claims are JSON texts, taken as they are: the header may lie. Owned. */
char *signer_token(const struct signer *s, const char *header, const char *claims);
/* The public key as a JWK with more members (", \"kid\":\"a\""); owned. */
char *signer_jwk(const struct signer *s, const char *members);
char *signer_pem(const struct signer *s); /* the public key; owned */

#endif
