/* In: bytes. Out: well-formed sequences (RFC 3629, section 4). */
#include "text/utf8.h"

#include <string.h>

/* The range of the second byte carries all the special cases; later ones are 80..BF. */
static size_t lead(unsigned char c, unsigned char *ret_low, unsigned char *ret_high)
{
    *ret_low = 0x80;
    *ret_high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF)
        return 2;
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0)
            *ret_low = 0xA0;
        if (c == 0xED)
            *ret_high = 0x9F;
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0)
            *ret_low = 0x90;
        if (c == 0xF4)
            *ret_high = 0x8F;
        return 4;
    }
    return 0;
}

size_t utf8_length(const char *s, size_t n)
{
    if (n == 0)
        return 0;
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80)
        return 1;
    unsigned char low, high;
    size_t length = lead(u[0], &low, &high);
    if (length == 0 || length > n || u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (u[i] < 0x80 || u[i] > 0xBF)
            return 0;
    }
    return length;
}

bool utf8_is_label(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1), step;
    for (size_t i = 0; i < n; i += step) {
        step = utf8_length(s + i, n - i);
        if (step == 0 || (unsigned char)s[i] < ' ')
            return false;
    }
    return n <= max;
}

size_t utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | (code_point >> 6));
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | (code_point >> 12));
        out[1] = (char)(0x80 | ((code_point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code_point >> 18));
    out[1] = (char)(0x80 | ((code_point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code_point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}
