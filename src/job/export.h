/* In: a finished script. Out: the same in another form, made by code alone. Pure. */
#ifndef JOB_EXPORT_H
#define JOB_EXPORT_H

#include <stddef.h>

#include "base/buf.h"

/* Without Markdown's marks: headings are lines of their own, emphasis and fences are gone; cues in
 * brackets and times stay. */
void export_text(const char *script, size_t n, struct buf *out);

/* {"sections":[{"kind","level","title","at_seconds","text"}],"description","tags":[],"words"}:
 * spoken sections in order, the rest by name; what the script does not have is null or empty. */
void export_json(const char *script, size_t n, struct buf *out);

#endif
