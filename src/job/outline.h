/* In: a model's answer to the outline prompt. Out: an outline that fits the plan, or what is wrong
 * with it. Pure. */
#ifndef JOB_OUTLINE_H
#define JOB_OUTLINE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "job/plan.h"
#include "text/json.h"

#define OUTLINE_SIZE_MAX ((size_t)1 << 20)

const char *outline_schema(void); /* JSON schema, for models that take one */

/* Takes the JSON out of fences and text, closes what a cut left open, and holds it to the plan:
 * as many chunks as planned, in order, each with titled sections; every title of `points` (an
 * array of objects with `title`, or NULL) in exactly one chunk, word for word, as the title of a
 * section or else as a key point. ERR_INVALID, and msg says to the model what to mend. Owned. */
enum err outline_parse(const char *text, size_t n, const struct plan *plan, const json_t *points,
                       json_t **ret_outline, struct errmsg *msg) MUST_CHECK;

/* As Markdown, for outline-only jobs. */
void outline_markdown(const json_t *outline, struct buf *out);
/* Chunk i (1..) as lines for a prompt: theme, sections with times and key points, transition. */
void outline_chunk(const json_t *outline, int i, struct buf *out);
/* One line per chunk before i: what it covers. */
void outline_before(const json_t *outline, int i, struct buf *out);
/* Whether the content point belongs to chunk i. */
bool outline_has_point(const json_t *outline, int i, const char *title);

#endif
