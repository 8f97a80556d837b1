/* In: bytes of a text/event-stream, cut anywhere. Out: whole events (WHATWG HTML, 9.2). */
#ifndef IO_SSE_H
#define IO_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct sse_event {
    const char *type; /* "message" when the stream names none */
    const char *data; /* lines joined by \n, NUL-terminated */
    size_t data_len;
    const char *id; /* last id seen on the stream, "" at first */
};

/* All pointers are borrowed and end with the call. A non-OK return stops the feed and is passed
 * on by it. */
typedef enum err (*sse_fn)(void *ctx, const struct sse_event *event);

struct sse_reader {
    struct buf line, data, type, id;
    bool bom_done, skip_lf, has_data;
};

/* One event's data, and one line, are at most `max_event` bytes. */
void sse_reader_init(struct sse_reader *r, size_t max_event);
void sse_reader_free(struct sse_reader *r);
/* ERR_TOO_BIG past the maximum; the reader is then unusable. CR, LF and CRLF end a line, also when
 * split between two feeds; a BOM at the start, comments and unknown fields are skipped. */
enum err sse_reader_feed(struct sse_reader *r, const char *bytes, size_t n, sse_fn fn,
                         void *ctx) MUST_CHECK;
/* The stream ended. The standard drops an event without its blank line; `fn` gets it anyway when
 * its data is complete by its own syntax, because a model's last event is worth money: the caller
 * decides. */
enum err sse_reader_end(struct sse_reader *r, sse_fn fn, void *ctx) MUST_CHECK;

/* Appends one event; `type` and `id` may be NULL. Data with line breaks becomes several lines. */
enum err sse_write(struct buf *out, const char *type, const char *id, const char *data,
                   size_t n) MUST_CHECK;

#endif
