/* In: bytes. Out: SHA-256 (OpenSSL), for checkpoint input hashes. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#define HASH_HEX_SIZE 65 /* 64 hexadecimal digits and NUL */

struct hash;
struct hash *hash_new(void); /* owned; hash_finish frees it */
void hash_add(struct hash *h, const void *bytes, size_t n);
/* As hash_add, with the length mixed in first, so that ("ab","c") and ("a","bc") differ. NULL is
 * distinct from "". */
void hash_add_field(struct hash *h, const char *s);
char *hash_finish(struct hash *h, char *out_hex); /* HASH_HEX_SIZE bytes; returns out_hex */

#endif
