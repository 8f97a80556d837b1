/* In: bytes. Out: SHA-256 in hexadecimal; HMAC-SHA256. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct hash {
    EVP_MD_CTX *ctx;
};

static void must(int ok)
{
    if (ok != 1)
        abort();
}

struct hash *hash_new(void)
{
    struct hash *h = mem_alloc(sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
    return h;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
    must(EVP_DigestUpdate(h->ctx, bytes, n));
}

void hash_add_field(struct hash *h, const char *s)
{
    uint64_t n = s == NULL ? UINT64_MAX : strlen(s);
    hash_add(h, &n, sizeof n);
    if (s != NULL)
        hash_add(h, s, (size_t)n);
}

char *hash_finish(struct hash *h, char *out_hex)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    must(EVP_DigestFinal_ex(h->ctx, digest, &n));
    EVP_MD_CTX_free(h->ctx);
    free(h);
    for (unsigned int i = 0; i < n && i < 32; i++) {
        out_hex[2 * i] = hex[digest[i] >> 4];
        out_hex[2 * i + 1] = hex[digest[i] & 15];
    }
    out_hex[HASH_HEX_SIZE - 1] = '\0';
    return out_hex;
}

void hash_hmac(const void *key, size_t key_len, const void *bytes, size_t n, uint8_t out[HASH_SIZE])
{
    unsigned int len = 0;
    must(key_len <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_len, bytes, n, out, &len) != NULL &&
         len == HASH_SIZE);
}
