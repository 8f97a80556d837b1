/* In: chunks, and additions to a script. Out: one script. Pure. */
#ifndef JOB_STITCH_H
#define JOB_STITCH_H

#include <stddef.h>

#include "base/buf.h"

/* One script of n chunks: without fences around a chunk, without what the start of one repeats of
 * the end of the one before, without Description, Tags and Titles but the last chunk's. Owned. */
char *stitch_chunks(const char *const *chunks, size_t n);

/* The script with a model's additional sections put in, never shorter: timed ones where their time
 * belongs, others before the conclusion, those whose title is there already at the end of that
 * section; Description and Titles where the script has none, Tags added to its own. Owned. */
char *stitch_additions(const char *script, size_t n, const char *additions, size_t add_n);

#endif
