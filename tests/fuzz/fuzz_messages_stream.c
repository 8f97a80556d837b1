/* In: bytes as the body of a streamed answer. Out: an abort when the parser says different things
 * about the same bytes in other pieces, or breaks a promise of its header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/messages_stream.h"

struct seen {
    struct messages_stream stream;
    struct buf text;
    int starts;
};

static enum err on_start(void *ctx, const struct usage *usage)
{
    struct seen *seen = ctx;
    if (usage->input < 0 || usage->cache_write_5m < 0 || seen->starts++ > 0)
        abort();
    return OK;
}

static enum err on_text(void *ctx, const char *text, size_t n)
{
    struct seen *seen = ctx;
    buf_put(&seen->text, text, n);
    return OK;
}

static void play(struct seen *seen, const uint8_t *data, size_t size, size_t piece)
{
    static const struct messages_handlers handlers = {on_start, on_text};
    *seen = (struct seen){.text = BUF_INIT(MESSAGES_TEXT_MAX)};
    messages_stream_init(&seen->stream, &handlers, seen);
    for (size_t at = 0; at < size; at += piece)
        if (messages_stream_feed(&seen->stream, (const char *)data + at,
                                 size - at < piece ? size - at : piece) != OK)
            abort();
    if (messages_stream_end(&seen->stream) != OK || seen->stream.state == MESSAGES_OPEN)
        abort();
    struct usage usage = messages_stream_usage(&seen->stream);
    if (usage.output < 0 || usage.cache_write_5m < 0 || usage.cache_write_1h < 0)
        abort();
    if (seen->stream.state == MESSAGES_COMPLETE && !seen->stream.stopping)
        abort();
}

static void forget(struct seen *seen)
{
    messages_stream_free(&seen->stream);
    buf_free(&seen->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, pieces;
    play(&whole, data, size, size > 0 ? size : 1);
    play(&pieces, data, size, 3);
    if (whole.stream.state != pieces.stream.state || whole.starts != pieces.starts ||
        strcmp(buf_str(&whole.text), buf_str(&pieces.text)) != 0 ||
        strcmp(buf_str(&whole.text), buf_str(&whole.stream.text)) != 0)
        abort();
    forget(&whole);
    forget(&pieces);
    return 0;
}
