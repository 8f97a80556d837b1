/* In: bytes of an event stream, cut anywhere. Out: events; and the other way round. */
#include "io/sse.h"

#include <string.h>

void sse_reader_init(struct sse_reader *r, size_t max_event)
{
    *r = (struct sse_reader){.line = BUF_INIT(max_event),
                             .data = BUF_INIT(max_event),
                             .type = BUF_INIT(max_event),
                             .id = BUF_INIT(max_event)};
}

void sse_reader_free(struct sse_reader *r)
{
    buf_free(&r->line);
    buf_free(&r->data);
    buf_free(&r->type);
    buf_free(&r->id);
}

/* A block without data is no event, but it does end the type it named. */
static enum err dispatch(struct sse_reader *r, sse_fn fn, void *ctx)
{
    enum err e = OK;
    if (r->has_data) {
        const struct sse_event event = {.type = r->type.len > 0 ? r->type.data : "message",
                                        .data = buf_str(&r->data),
                                        .data_len = r->data.len,
                                        .id = buf_str(&r->id)};
        e = fn(ctx, &event);
    }
    buf_clear(&r->data);
    buf_clear(&r->type);
    r->has_data = false;
    return e;
}

static enum err replace(struct buf *b, const char *bytes, size_t n)
{
    buf_clear(b);
    return buf_add(b, bytes, n);
}

static enum err add_data(struct sse_reader *r, const char *value, size_t n)
{
    enum err e = r->has_data ? buf_add(&r->data, "\n", 1) : OK;
    r->has_data = true;
    return e != OK ? e : buf_add(&r->data, value, n);
}

static bool is_name(const char *line, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(line, name, n) == 0;
}

/* One whole line without its end. A comment is a field without a name, which nobody knows. */
static enum err take_line(struct sse_reader *r, const char *line, size_t n, sse_fn fn, void *ctx)
{
    if (!r->bom_done && n >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
        n -= 3;
    }
    r->bom_done = true;
    if (n == 0)
        return dispatch(r, fn, ctx);
    const char *colon = memchr(line, ':', n);
    size_t name_len = colon == NULL ? n : (size_t)(colon - line);
    size_t skip = colon == NULL ? n : name_len + 1;
    if (skip < n && line[skip] == ' ')
        skip++;
    const char *value = line + skip;
    size_t value_len = n - skip;
    if (is_name(line, name_len, "data"))
        return add_data(r, value, value_len);
    /* The standard ignores an id with a NUL; a type with one has no name in C either. */
    if (value_len > 0 && memchr(value, '\0', value_len) != NULL)
        return OK;
    if (is_name(line, name_len, "event"))
        return replace(&r->type, value, value_len);
    if (is_name(line, name_len, "id"))
        return replace(&r->id, value, value_len);
    return OK;
}

/* A line that lies whole in the input is not copied. */
static enum err end_line(struct sse_reader *r, const char *bytes, size_t n, sse_fn fn, void *ctx)
{
    if (r->line.len == 0)
        return n > r->line.max ? ERR_TOO_BIG : take_line(r, bytes, n, fn, ctx);
    enum err e = buf_add(&r->line, bytes, n);
    if (e == OK)
        e = take_line(r, r->line.data, r->line.len, fn, ctx);
    buf_clear(&r->line);
    return e;
}

enum err sse_reader_feed(struct sse_reader *r, const char *bytes, size_t n, sse_fn fn, void *ctx)
{
    size_t start = 0;
    if (n > 0 && r->skip_lf) {
        r->skip_lf = false;
        if (bytes[0] == '\n')
            start = 1;
    }
    for (size_t i = start; i < n; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r')
            continue;
        enum err e = end_line(r, bytes + start, i - start, fn, ctx);
        if (e != OK)
            return e;
        if (bytes[i] == '\r') {
            r->skip_lf = i + 1 == n;
            if (i + 1 < n && bytes[i + 1] == '\n')
                i++;
        }
        start = i + 1;
    }
    return buf_add(&r->line, bytes + start, n - start);
}

enum err sse_reader_end(struct sse_reader *r, sse_fn fn, void *ctx)
{
    if (r->line.len > 0) {
        enum err e = end_line(r, "", 0, fn, ctx);
        if (e != OK)
            return e;
    }
    return dispatch(r, fn, ctx);
}

static enum err add_field(struct buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return OK;
    if (strpbrk(value, "\r\n") != NULL)
        return ERR_INVALID;
    return buf_addf(out, "%s: %s\n", name, value);
}

static enum err add_data_line(struct buf *out, const char *line, size_t n)
{
    enum err e = buf_adds(out, "data: ");
    if (e == OK)
        e = buf_add(out, line, n);
    return e != OK ? e : buf_add(out, "\n", 1);
}

static enum err add_data_lines(struct buf *out, const char *data, size_t n)
{
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        if (data[i] != '\n' && data[i] != '\r')
            continue;
        enum err e = add_data_line(out, data + start, i - start);
        if (e != OK)
            return e;
        if (data[i] == '\r' && i + 1 < n && data[i + 1] == '\n')
            i++;
        start = i + 1;
    }
    return add_data_line(out, data + start, n - start);
}

enum err sse_write(struct buf *out, const char *type, const char *id, const char *data, size_t n)
{
    size_t before = out->len;
    enum err e = add_field(out, "event", type);
    if (e == OK)
        e = add_field(out, "id", id);
    if (e == OK)
        e = add_data_lines(out, data, n);
    if (e == OK)
        e = buf_add(out, "\n", 1);
    if (e != OK && out->data != NULL) {
        out->len = before;
        out->data[before] = '\0';
    }
    return e;
}
