/* In: time and randomness, or text. Out: UUIDs. */
#include "base/id.h"

#include <ctype.h>
#include <string.h>

#include "base/rng.h"

struct uuid uuid_new(int64_t wall_us)
{
    static _Thread_local uint64_t last_ms;
    static _Thread_local uint16_t counter;

    struct uuid id = {{0}};
    rng_secret(id.bytes, sizeof id.bytes);
    uint64_t ms = (uint64_t)(wall_us / 1000);
    if (ms <= last_ms && counter < 0xfff) {
        ms = last_ms;
        counter++;
    } else {
        if (ms <= last_ms)
            ms = last_ms + 1;
        counter = (uint16_t)(((id.bytes[6] & 0x07u) << 8) | id.bytes[7]);
    }
    last_ms = ms;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    id.bytes[6] = (uint8_t)(0x70u | (counter >> 8));
    id.bytes[7] = (uint8_t)counter;
    id.bytes[8] = (uint8_t)(0x80u | (id.bytes[8] & 0x3fu));
    return id;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool uuid_is_nil(const struct uuid *id)
{
    static const struct uuid nil;
    return uuid_equal(id, &nil);
}

static bool dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

char *uuid_text(const struct uuid *id, char *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (dash_at(at))
            out[at++] = '-';
        out[at++] = hex[id->bytes[i] >> 4];
        out[at++] = hex[id->bytes[i] & 15];
    }
    out[at] = '\0';
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err uuid_parse(const char *s, size_t n, struct uuid *ret_id)
{
    if (s == NULL || n != UUID_TEXT_SIZE - 1)
        return ERR_INVALID;
    struct uuid id;
    size_t at = 0;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        if (dash_at(at) && s[at++] != '-')
            return ERR_INVALID;
        int hi = hex_value(s[at]), lo = hex_value(s[at + 1]);
        if (hi < 0 || lo < 0)
            return ERR_INVALID;
        id.bytes[i] = (uint8_t)(hi << 4 | lo);
        at += 2;
    }
    *ret_id = id;
    return OK;
}
