/* In: bytes, or base64 text (RFC 4648, with padding). Out: the other one. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

char *base64_encode(const void *bytes, size_t n); /* owned */

/* ERR_INVALID for anything but what base64_encode() writes; ERR_TOO_BIG past `max` bytes. */
enum err base64_decode(const char *text, size_t n, uint8_t *out, size_t max,
                       size_t *ret_n) MUST_CHECK;

#endif
