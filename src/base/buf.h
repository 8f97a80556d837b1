/* In: bytes. Out: a growing byte buffer that never passes its stated maximum. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* `data` is NUL-terminated whenever it is not NULL; `len` does not count the NUL. */
struct buf {
    char *data;
    size_t len, cap, max;
};

/* An empty buffer of at most `max` bytes. Nothing is allocated until the first byte. */
#define BUF_INIT(limit) ((struct buf){.max = (limit)})

void buf_free(struct buf *b);  /* empty again, same maximum */
void buf_clear(struct buf *b); /* keeps the memory */

/* ERR_TOO_BIG when the result would pass the maximum; the buffer is then unchanged. */
enum err buf_add(struct buf *b, const void *bytes, size_t n) MUST_CHECK;
enum err buf_adds(struct buf *b, const char *s) MUST_CHECK;
enum err buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) MUST_CHECK;

/* For text we make ourselves, whose size we bound: aborts instead of failing. */
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Other people's text for a terminal or a line of a log: each control character, by which it could
 * move the cursor or make lines of its own, becomes a space. */
void buf_put_plain(struct buf *b, const char *text);

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
const char *buf_str(const struct buf *b);  /* "" when empty; borrowed */
char *buf_take(struct buf *b);             /* owned string, never NULL; the buffer is empty */

#endif
