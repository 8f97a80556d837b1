/* In: bytes, or base64 text. Out: the other one. */
#include "base/base64.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t n)
{
    const uint8_t *in = bytes;
    char *text = mem_alloc((n + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    return text;
}

/* -1: none. */
static int32_t value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int32_t)(at - digits);
}

/* Four characters; `pad` of them are '='. */
static bool read_group(const char *text, size_t pad, uint32_t *ret_group)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int32_t value = i < 4 - pad ? value_of(text[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
    }
    *ret_group = group;
    return (group & ((1u << (8 * pad)) - 1)) == 0; /* no bits that would be lost */
}

enum err base64_decode(const char *text, size_t n, uint8_t *out, size_t max, size_t *ret_n)
{
    if (n % 4 != 0)
        return ERR_INVALID;
    size_t pad = 0;
    while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
        pad++;
    size_t len = n / 4 * 3 - pad, at = 0;
    if (len > max)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t group = 0;
        if (!read_group(text + i, i + 4 == n ? pad : 0, &group))
            return ERR_INVALID;
        for (int shift = 16; shift >= 0 && at < len; shift -= 8)
            out[at++] = (uint8_t)(group >> shift);
    }
    *ret_n = len;
    return OK;
}
