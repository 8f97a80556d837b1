/* In: what a prompt asks for. Out: the block of lines that ends it; docs/pipelines.md has its form.
 * Pure. */
#ifndef JOB_REQUEST_H
#define JOB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "job/plan.h"

#define REQUEST_TIME_SIZE 24

struct request {
    const char *kind; /* "outline", "chunk", "expand", "repair", "continue" */
    int chunk, chunks;
    int64_t from_s, to_s;
    int words, tags;
    bool first, last;
};

/* mm:ss, minutes past 59 where needed; `out` holds REQUEST_TIME_SIZE bytes; returns it. */
const char *request_time(int64_t seconds, char *out);

void request_open(struct buf *out, const struct request *r);
/* <name attribute>text</name> on one line; `attribute` (with its leading blank) and `text` may be
 * NULL; without text there is no element. */
void request_element(struct buf *out, const char *name, const char *attribute, const char *text);
void request_chunks(struct buf *out, const struct plan *plan); /* one <chunk> each */
void request_close(struct buf *out);

#endif
