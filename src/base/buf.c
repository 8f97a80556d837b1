/* In: bytes. Out: a bounded growing buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUF_FIRST 64u

void buf_free(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

static enum err reserve(struct buf *b, size_t extra)
{
    if (extra > b->max - b->len)
        return ERR_TOO_BIG;
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return OK;
    size_t cap = b->cap == 0 ? BUF_FIRST : b->cap;
    while (cap < need)
        cap *= 2;
    b->data = mem_resize(b->data, cap);
    b->cap = cap;
    return OK;
}

enum err buf_add(struct buf *b, const void *bytes, size_t n)
{
    enum err e = reserve(b, n);
    if (e != OK)
        return e;
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
    return OK;
}

enum err buf_adds(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

static enum err add_format(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    enum err e = n < 0 ? ERR_INVALID : reserve(b, (size_t)n);
    if (e == OK) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return e;
}

enum err buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum err e = add_format(b, fmt, ap);
    va_end(ap);
    return e;
}

static void must(enum err e)
{
    if (e != OK) {
        (void)fputs("scriptorium: an internal buffer passed its maximum\n", stderr);
        abort();
    }
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    must(buf_add(b, bytes, n));
}

void buf_puts(struct buf *b, const char *s)
{
    must(buf_adds(b, s));
}

void buf_put_plain(struct buf *b, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        bool wide = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f; /* U+0080 to U+009F */
        if (*c < 0x20 || *c == 0x7f || wide)
            buf_puts(b, " ");
        else
            buf_put(b, c, 1);
        c += wide;
    }
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    must(add_format(b, fmt, ap));
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        buf_clear(b);
        return;
    }
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

const char *buf_str(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}

char *buf_take(struct buf *b)
{
    char *s = b->data == NULL ? mem_strdup("") : b->data;
    *b = BUF_INIT(b->max);
    return s;
}
