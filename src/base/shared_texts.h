/* In: how many processes. Out: memory that they share once they are forked, in which each leaves a
 * text of its own for the others. No reader ever sees half of a text, or waits for its writer. */
#ifndef BASE_SHARED_TEXTS_H
#define BASE_SHARED_TEXTS_H

#include <stdint.h>

#include "base/buf.h"

#define SHARED_TEXT_MAX ((size_t)256 << 10) /* bytes; memory is used as far as texts go */

struct shared_texts;

/* Before the fork. ERR_IO: there is no such memory. */
enum err shared_texts_new(size_t n, struct shared_texts **ret, struct errmsg *msg) MUST_CHECK;
void shared_texts_free(struct shared_texts *t); /* in this process; takes NULL */
size_t shared_texts_n(const struct shared_texts *t);

/* A place has one writer at a time; one that died in here does not hinder the next. ERR_TOO_BIG:
 * the old text stays. */
enum err shared_texts_put(struct shared_texts *t, size_t place, const char *text, size_t len,
                          int64_t now_us) MUST_CHECK;
/* `out` is that text. ERR_NOT_FOUND, and it is empty: nobody has written here since then (the same
 * clock), or the writer is at it. */
enum err shared_texts_get(const struct shared_texts *t, size_t place, int64_t since_us,
                          struct buf *out) MUST_CHECK;

#endif
