/* In: what a prompt asks for, a seed. Out: the answer's text: readable, in the shape asked for,
 * about as long as asked for, the same each time. Pure. */
#ifndef PROVIDER_SIM_SIM_TEXT_H
#define PROVIDER_SIM_SIM_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "provider/sim/sim_ask.h"
#include "text/json.h"

/* Chapters, additions or a continuation (docs/pipelines.md). */
void text_put_chapters(const struct ask *a, uint64_t seed, struct buf *out);
/* The outline's JSON, terser when that is what `max_bytes` asks for. */
void text_put_outline(const struct ask *a, uint64_t seed, size_t max_bytes, struct buf *out);
/* A short answer to any other prompt. */
void text_put_reply(const char *prompt, size_t n, uint64_t seed, struct buf *out);
/* A value that fits the schema: objects, arrays, strings, numbers, enum, const, $ref and anyOf. */
void text_put_schema(const json_t *schema, const char *prompt, size_t n, uint64_t seed,
                     struct buf *out);

/* The first words of a prompt, to speak about: owned. */
char *text_topic(const char *prompt, size_t n);

#endif
