/* In: sizes. Out: zeroed memory or abort(); arenas whose blocks double up to a bound. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST     1024u
#define ARENA_BLOCK_MAX ((size_t)64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

static void *check(void *p)
{
    if (p == NULL) {
        (void)fputs("scriptorium: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return check(calloc(1, size > 0 ? size : 1));
}

void *mem_array(size_t n, size_t size)
{
    return check(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *mem_resize(void *p, size_t size)
{
    return check(realloc(p, size > 0 ? size : 1));
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = check(malloc(size > 0 ? size : 1));
    if (size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = check(malloc(n + 1));
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...)
{
    char *out = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return check(n < 0 ? NULL : out);
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t need = (size + align - 1) & ~(align - 1);
    struct arena_block *b = a->head;
    if (b == NULL || b->size - b->used < need) {
        size_t cap = b == NULL ? ARENA_FIRST : b->size * 2;
        if (cap > ARENA_BLOCK_MAX)
            cap = ARENA_BLOCK_MAX;
        if (cap < need)
            cap = need;
        struct arena_block *fresh = mem_alloc(sizeof *fresh + cap);
        fresh->size = cap;
        fresh->next = b;
        a->head = b = fresh;
    }
    void *p = b->data + b->used;
    b->used += need;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / 2 / size)
        check(NULL);
    return arena_alloc(a, n * size);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    text = check(n < 0 ? NULL : text);
    char *out = arena_strndup(a, text, (size_t)n);
    free(text);
    return out;
}

void arena_free(struct arena *a)
{
    for (struct arena_block *b = a->head, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
}
