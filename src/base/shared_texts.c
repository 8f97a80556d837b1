/* In: how many processes. Out: memory that they share, with a text of each. Every place is guarded
 * by a sequence count: odd while its writer is at it, another one afterwards. */
#include "base/shared_texts.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

#define TRIES 3 /* a writer comes once a second */
#define WORD  sizeof(uint64_t)

struct place {
    _Atomic uint64_t seq; /* odd: being written */
    _Atomic int64_t at_us;
    _Atomic uint64_t len;
    _Atomic uint64_t words[SHARED_TEXT_MAX / sizeof(uint64_t)];
};

struct shared_texts {
    size_t n;
    struct place *places;
};

enum err shared_texts_new(size_t n, struct shared_texts **ret, struct errmsg *msg)
{
    void *memory = mmap(NULL, n * sizeof(struct place), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return err_set(msg, ERR_IO, "no memory that processes share: %s", strerror(errno));
    struct shared_texts *t = mem_alloc(sizeof *t);
    *t = (struct shared_texts){n, memory};
    *ret = t;
    return OK;
}

void shared_texts_free(struct shared_texts *t)
{
    if (t == NULL)
        return;
    (void)munmap(t->places, t->n * sizeof(struct place));
    free(t);
}

size_t shared_texts_n(const struct shared_texts *t)
{
    return t->n;
}

enum err shared_texts_put(struct shared_texts *t, size_t place, const char *text, size_t len,
                          int64_t now_us)
{
    struct place *p = &t->places[place];
    if (len > SHARED_TEXT_MAX)
        return ERR_TOO_BIG;
    uint64_t seq = atomic_load_explicit(&p->seq, memory_order_relaxed) | 1; /* odd: one has died */
    atomic_store_explicit(&p->seq, seq, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t at = 0; at < len; at += WORD) {
        uint64_t word = 0;
        memcpy(&word, text + at, len - at < WORD ? len - at : WORD);
        atomic_store_explicit(&p->words[at / WORD], word, memory_order_relaxed);
    }
    atomic_store_explicit(&p->len, len, memory_order_relaxed);
    atomic_store_explicit(&p->at_us, now_us, memory_order_relaxed);
    atomic_store_explicit(&p->seq, seq + 1, memory_order_release);
    return OK;
}

/* False: it was being written, or was written meanwhile. */
static bool read_place(const struct place *p, int64_t since_us, struct buf *out)
{
    uint64_t seq = atomic_load_explicit(&p->seq, memory_order_acquire);
    uint64_t len = atomic_load_explicit(&p->len, memory_order_relaxed);
    int64_t at_us = atomic_load_explicit(&p->at_us, memory_order_relaxed);
    if (seq == 0 || seq % 2 == 1 || len > SHARED_TEXT_MAX || at_us < since_us)
        return false;
    for (size_t at = 0; at < len; at += WORD) {
        uint64_t word = atomic_load_explicit(&p->words[at / WORD], memory_order_relaxed);
        buf_put(out, &word, len - at < WORD ? len - at : WORD);
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&p->seq, memory_order_relaxed) == seq;
}

enum err shared_texts_get(const struct shared_texts *t, size_t place, int64_t since_us,
                          struct buf *out)
{
    for (int i = 0; i < TRIES; i++) {
        buf_clear(out);
        if (read_place(&t->places[place], since_us, out))
            return OK;
    }
    buf_clear(out);
    return ERR_NOT_FOUND;
}
