/* In: the body of a streamed Messages API answer, cut anywhere. Out: its text in order, its usage,
 * and how it ended by the completion rule. Pure: no clock, no connection. */
#ifndef PROVIDER_MESSAGES_STREAM_H
#define PROVIDER_MESSAGES_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/sse.h"
#include "job/price.h"

#define MESSAGES_EVENT_MAX  ((size_t)8 << 20)  /* bytes of one event */
#define MESSAGES_TEXT_MAX   ((size_t)16 << 20) /* of one answer's text */
#define MESSAGES_BLOCKS_MAX 256

enum messages_state {
    MESSAGES_OPEN,      /* more may come */
    MESSAGES_COMPLETE,  /* stop_reason seen, and message_stop or the stream's end */
    MESSAGES_TRUNCATED, /* ended without a stop_reason: never a success */
    MESSAGES_ERROR,     /* the provider sent an error event: error_type and error_text */
    MESSAGES_BROKEN,    /* the stream breaks the grammar: error_text */
    MESSAGES_STATE_MAX
};

struct messages_block; /* one content block */

/* Returning something else than OK stops the feed, which then returns it. */
struct messages_handlers {
    enum err (*on_start)(void *ctx, const struct usage *usage);
    enum err (*on_text)(void *ctx, const char *text, size_t n); /* whole characters, in order */
};

struct messages_stream {
    enum messages_state state;
    bool started;          /* message_start was seen */
    bool stopping;         /* a stop_reason was seen */
    bool output_told;      /* usage.output is the provider's own count */
    struct usage usage;    /* as told so far; output 0 until told */
    struct buf text;       /* all text so far */
    uint64_t progress;     /* grows with every substantial piece of content or thinking */
    size_t thinking_bytes; /* of thinking that was shown */
    char stop_reason[40];  /* the first ones of each are kept, cut to size */
    char model[96], error_type[64], error_code[64], error_text[400];

    struct sse_reader sse;
    const struct messages_handlers *handlers;
    void *ctx;
    struct buf piece; /* one delta's text */
    struct messages_block *blocks;
    size_t n_blocks, current; /* current: the text block that is handed out now */
    size_t small;             /* bytes of content since progress grew */
    bool ending;
};

/* `handlers` is borrowed. */
void messages_stream_init(struct messages_stream *s, const struct messages_handlers *handlers,
                          void *ctx);
void messages_stream_free(struct messages_stream *s);

/* OK, or what a handler returned. Look at `state` afterwards; when it is not MESSAGES_OPEN, further
 * bytes are ignored. */
enum err messages_stream_feed(struct messages_stream *s, const char *bytes, size_t n) MUST_CHECK;
/* The stream ended, cleanly or not: a last event without its blank line counts when it is whole,
 * text of blocks that were held back is handed out, and `state` becomes final. */
enum err messages_stream_end(struct messages_stream *s) MUST_CHECK;

/* What the call used by the best knowledge: told, or estimated from the text. */
struct usage messages_stream_usage(const struct messages_stream *s);

#endif
