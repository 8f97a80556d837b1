/* In: see jwt_sign.h. Out: the same, with OpenSSL. */
#include "jwt_sign.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SIGNATURE_MAX 1024

struct signer {
    char *secret;
    EVP_PKEY *pkey;
    bool is_ec;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct signer *signer_secret(const char *secret)
{
    struct signer *s = mem_alloc(sizeof *s);
    s->secret = mem_strdup(secret);
    return s;
}

struct signer *signer_rsa(unsigned bits)
{
    struct signer *s = mem_alloc(sizeof *s);
    s->pkey = EVP_RSA_gen(bits);
    must(s->pkey != NULL);
    return s;
}

struct signer *signer_p256(void)
{
    struct signer *s = mem_alloc(sizeof *s);
    s->pkey = EVP_EC_gen("P-256");
    s->is_ec = true;
    must(s->pkey != NULL);
    return s;
}

void signer_free(struct signer *s)
{
    EVP_PKEY_free(s->pkey);
    free(s->secret);
    free(s);
}

/* RFC 7518, 3.4: two numbers of 32 bytes, not DER. */
static size_t plain_ecdsa(unsigned char *bytes, size_t n)
{
    const unsigned char *der = bytes;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    must(sig != NULL);
    must(BN_bn2binpad(ECDSA_SIG_get0_r(sig), bytes, 32) == 32);
    must(BN_bn2binpad(ECDSA_SIG_get0_s(sig), bytes + 32, 32) == 32);
    ECDSA_SIG_free(sig);
    return 64;
}

static char *signature(const struct signer *s, const char *text)
{
    unsigned char bytes[SIGNATURE_MAX];
    size_t n = sizeof bytes;
    if (s->pkey == NULL) {
        unsigned int len = 0;
        must(HMAC(EVP_sha256(), s->secret, (int)strlen(s->secret), (const unsigned char *)text,
                  strlen(text), bytes, &len) != NULL);
        n = len;
    } else {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->pkey) == 1);
        must(EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)text, strlen(text)) == 1);
        EVP_MD_CTX_free(ctx);
        if (s->is_ec)
            n = plain_ecdsa(bytes, n);
    }
    return jwt_base64url(bytes, n);
}

char *signer_token(const struct signer *s, const char *header, const char *claims)
{
    char *h = jwt_base64url(header, strlen(header)), *c = jwt_base64url(claims, strlen(claims));
    char *input = mem_printf("%s.%s", h, c);
    char *sig = signature(s, input);
    char *token = mem_printf("%s.%s", input, sig);
    free(h);
    free(c);
    free(input);
    free(sig);
    return token;
}

static char *number(const struct signer *s, const char *name, int pad)
{
    unsigned char bytes[SIGNATURE_MAX];
    BIGNUM *bn = NULL;
    must(EVP_PKEY_get_bn_param(s->pkey, name, &bn) == 1);
    int n = pad > 0 ? BN_bn2binpad(bn, bytes, pad) : BN_bn2bin(bn, bytes);
    BN_free(bn);
    return jwt_base64url(bytes, (size_t)n);
}

char *signer_jwk(const struct signer *s, const char *members)
{
    char *a =
        s->is_ec ? number(s, OSSL_PKEY_PARAM_EC_PUB_X, 32) : number(s, OSSL_PKEY_PARAM_RSA_N, 0);
    char *b =
        s->is_ec ? number(s, OSSL_PKEY_PARAM_EC_PUB_Y, 32) : number(s, OSSL_PKEY_PARAM_RSA_E, 0);
    char *jwk = s->is_ec
                    ? mem_printf("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
                                 a, b, members)
                    : mem_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", a, b, members);
    free(a);
    free(b);
    return jwk;
}

char *signer_pem(const struct signer *s)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    must(PEM_write_bio_PUBKEY(bio, s->pkey) == 1);
    long n = BIO_get_mem_data(bio, &text);
    char *pem = mem_strndup(text, (size_t)n);
    BIO_free(bio);
    return pem;
}
