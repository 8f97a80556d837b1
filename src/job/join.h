/* In: pieces of text. Out: one text. Cutting to full sentences, joining by overlap. Pure. */
#ifndef JOB_JOIN_H
#define JOB_JOIN_H

#include <stddef.h>

#include "base/buf.h"

/* Bytes of `text` up to and with its last full sentence (or heading or paragraph); 0 when there is
 * none. Never inside a UTF-8 sequence. */
size_t join_full_sentences(const char *text, size_t n);
/* How many bytes at the start of `b` repeat the end of `a` (white space and case folded, longest
 * first, at least 20 bytes). */
size_t join_overlap(const char *a, size_t na, const char *b, size_t nb);
/* The last `words` words of `text`; returns where they start. */
size_t join_tail(const char *text, size_t n, int words);
/* Appends `next` to `out` without the overlap and with one sensible break between them. */
enum err join_append(struct buf *out, const char *next, size_t n) MUST_CHECK;

#endif
