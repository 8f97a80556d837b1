/* In: an event's id as a client gives it back. Out: how far that client had come. */
#include "api/event_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_PRIME  0x100000001b3ULL
#define OFFSET_MAX (UINT64_C(1) << 32)

uint64_t event_hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

char *event_id_text(const struct event_id *id, char *out)
{
    (void)snprintf(out, EVENT_ID_SIZE, "%d:%u:%" PRIx64 ":%s:%zu:%" PRIx64 ":%" PRIx32 ":%d",
                   id->run, id->steps, id->chain, id->step, id->offset, id->text, id->row,
                   id->done);
    return out;
}

/* Digits up to a colon or the end; moves past the colon. */
static bool read_number(const char **at, unsigned base, uint64_t max, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t n = 0;
    const char *p = *at, *digit;
    for (; *p != '\0' && (digit = memchr(digits, *p, base)) != NULL; p++) {
        uint64_t d = (uint64_t)(digit - digits);
        if (d > max || n > (max - d) / base)
            return false;
        n = n * base + d;
    }
    if (p == *at || (*p != ':' && *p != '\0'))
        return false;
    *at = *p == ':' ? p + 1 : p;
    *ret = n;
    return true;
}

static bool read_step(const char **at, char *out)
{
    size_t n = strcspn(*at, ":");
    if (n >= EVENT_STEP_SIZE || (*at)[n] != ':')
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)(*at)[i] <= ' ' || (unsigned char)(*at)[i] > '~')
            return false;
    }
    memcpy(out, *at, n);
    out[n] = '\0';
    *at += n + 1;
    return true;
}

enum err event_id_parse(const char *text, struct event_id *ret_id)
{
    struct event_id id = {.run = 0};
    uint64_t run, steps, chain, offset, hash, row, done;
    const char *at = text;
    if (strlen(text) >= EVENT_ID_SIZE || !read_number(&at, 10, INT32_MAX, &run) ||
        !read_number(&at, 10, INT32_MAX, &steps) || !read_number(&at, 16, UINT64_MAX, &chain) ||
        !read_step(&at, id.step) || !read_number(&at, 10, OFFSET_MAX, &offset) ||
        !read_number(&at, 16, UINT64_MAX, &hash) || !read_number(&at, 16, UINT32_MAX, &row) ||
        !read_number(&at, 10, 1, &done) || *at != '\0' || at[-1] == ':')
        return ERR_INVALID;
    id.run = (int)run;
    id.steps = (unsigned)steps;
    id.chain = chain;
    id.offset = (size_t)offset;
    id.text = hash;
    id.row = (uint32_t)row;
    id.done = done == 1;
    *ret_id = id;
    return OK;
}
