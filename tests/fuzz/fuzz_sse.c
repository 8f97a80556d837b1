/* In: any bytes, of which the first says how the rest is cut. Out: a crash when a cut changes the
 * events, when a limit does not hold, or when written events do not read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/sse.h"

#define MAX_EVENT 512

struct seen {
    struct buf text;    /* every event, each part with its length */
    struct buf written; /* the same events through sse_write() */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void note(struct buf *b, const char *bytes, size_t n)
{
    buf_putf(b, "%zu:", n);
    buf_put(b, bytes, n);
}

static enum err record(void *ctx, const struct sse_event *event)
{
    struct seen *s = ctx;
    require(event->data_len <= MAX_EVENT && strlen(event->type) <= MAX_EVENT);
    require(event->data[event->data_len] == '\0');
    note(&s->text, event->type, strlen(event->type));
    note(&s->text, event->id, strlen(event->id));
    note(&s->text, event->data, event->data_len);
    require(sse_write(&s->written, event->type, event->id, event->data, event->data_len) == OK);
    return OK;
}

/* `step` bytes at a time; 0 = all at once. */
static enum err read_all(const char *bytes, size_t n, size_t step, bool with_end, struct seen *s)
{
    struct sse_reader r;
    enum err e = OK;
    *s = (struct seen){BUF_INIT(SIZE_MAX / 2), BUF_INIT(SIZE_MAX / 2)};
    sse_reader_init(&r, MAX_EVENT);
    for (size_t at = 0; e == OK && at < n;) {
        size_t piece = step == 0 || step > n - at ? n - at : step;
        e = sse_reader_feed(&r, bytes + at, piece, record, s);
        at += piece;
    }
    if (e == OK && with_end)
        e = sse_reader_end(&r, record, s);
    sse_reader_free(&r);
    return e;
}

static void seen_free(struct seen *s)
{
    buf_free(&s->text);
    buf_free(&s->written);
}

static bool equal(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* What was read and written again is a stream with the same events, unless the field names make a
 * line pass the maximum. */
static void check_round_trip(const struct seen *first)
{
    struct seen again;
    enum err e = read_all(buf_str(&first->written), first->written.len, 0, false, &again);
    require(e == ERR_TOO_BIG || (e == OK && equal(&first->text, &again.text)));
    seen_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct seen whole, cut;
    enum err a = read_all(bytes, size - 1, 0, true, &whole);
    enum err b = read_all(bytes, size - 1, 1 + data[0] % 16u, true, &cut);
    require(a == b && (a == OK || a == ERR_TOO_BIG));
    require(equal(&whole.text, &cut.text));
    check_round_trip(&whole);
    seen_free(&whole);
    seen_free(&cut);
    return 0;
}
