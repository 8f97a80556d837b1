/* In: what stands under `## Tags`. Out: the single tags. Pure. */
#ifndef JOB_TAGS_H
#define JOB_TAGS_H

#include <stddef.h>

#define TAGS_MIN      20 /* what a script should have */
#define TAGS_MAX      200
#define TAG_BYTES_MAX 200

typedef void (*tags_fn)(void *ctx, const char *tag, size_t n);
/* Tags stand on lines or between commas, with or without list marks and '#'. Calls `fn` (may be
 * NULL) for each distinct one in order, at most TAGS_MAX; returns how many. Longer ones than
 * TAG_BYTES_MAX are prose, not tags. */
size_t tags_each(const char *text, size_t n, tags_fn fn, void *ctx);

#endif
