/* In: the wall clock and random bytes, or text. Out: UUIDs. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37 /* 36 characters and NUL */

/* UUIDv7 (RFC 9562): ordered by time; ids made in the same millisecond by one process stay in
 * order too. */
struct uuid uuid_new(int64_t wall_us);

bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *id);

/* Lower-case canonical form into `out` (UUID_TEXT_SIZE bytes); returns `out`. */
char *uuid_text(const struct uuid *id, char *out);

/* Accepts the canonical 36 characters in either case and nothing else: ERR_INVALID. */
enum err uuid_parse(const char *s, size_t n, struct uuid *ret_id) MUST_CHECK;

#endif
