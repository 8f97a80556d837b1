/* In: bytes from outside. Out: where well-formed UTF-8 is, and code points as UTF-8. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length (1..4) of the well-formed sequence at `s`, or 0: overlong forms, surrogates and code
 * points past U+10FFFF are not well formed. */
size_t utf8_length(const char *s, size_t n);

/* At most `max` bytes of well-formed text without control characters below the space; "" too. */
bool utf8_is_label(const char *s, size_t max);

/* Writes `code_point` (no surrogate, at most U+10FFFF); returns the bytes used. */
size_t utf8_encode(uint32_t code_point, char out[4]);

#endif
