/* In: sizes. Out: memory, or the end of the process: durable state is never in memory, so an
 * allocation failure is treated as a crash (docs/decisions.md). Sizes that come from outside are
 * checked against a stated limit before they get here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* All return owned memory, never NULL; free() it. */
void *mem_alloc(size_t size);              /* zeroed */
void *mem_array(size_t n, size_t size);    /* zeroed; checks the product */
void *mem_resize(void *p, size_t size);    /* as realloc */
void *mem_dup(const void *p, size_t size); /* a copy; p may be NULL when size is 0 */
char *mem_strdup(const char *s);           /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A bump allocator: many small objects that live and die together (one store request, one parsed
 * answer). The arena owns everything allocated from it. */
struct arena {
    struct arena_block *head;
};

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any object */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a); /* frees all; the arena is empty and usable again */

#endif
