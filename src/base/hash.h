/* In: bytes. Out: SHA-256 (OpenSSL), for checkpoint input hashes; with a key HMAC-SHA256, for
 * signatures. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE     32
#define HASH_HEX_SIZE 65 /* 64 hexadecimal digits and NUL */

struct hash;
struct hash *hash_new(void); /* owned; hash_finish frees it */
void hash_add(struct hash *h, const void *bytes, size_t n);
/* As hash_add, with the length mixed in first, so that ("ab","c") and ("a","bc") differ. NULL is
 * distinct from "". */
void hash_add_field(struct hash *h, const char *s);
char *hash_finish(struct hash *h, char *out_hex); /* HASH_HEX_SIZE bytes; returns out_hex */

void hash_hmac(const void *key, size_t key_len, const void *bytes, size_t n,
               uint8_t out[HASH_SIZE]);

#endif
