/* In: nodes. Out: a binary heap over pointers to them; each node knows its place. */
#include "base/heap.h"

#include <stdlib.h>

#include "base/mem.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, uint32_t i, struct heap_node *n)
{
    h->items[i] = n;
    n->slot = i + 1;
}

static void sift_up(struct heap *h, uint32_t i, struct heap_node *n)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (!before(n, h->items[parent]))
            break;
        place(h, i, h->items[parent]);
        i = parent;
    }
    place(h, i, n);
}

static void sift_down(struct heap *h, uint32_t i, struct heap_node *n)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && before(h->items[child + 1], h->items[child]))
            child++;
        if (!before(h->items[child], n))
            break;
        place(h, i, h->items[child]);
        i = child;
    }
    place(h, i, n);
}

/* Settles a node whose key may have become larger or smaller. */
static void settle(struct heap *h, uint32_t i, struct heap_node *n)
{
    if (i > 0 && before(n, h->items[(i - 1) / 2]))
        sift_up(h, i, n);
    else
        sift_down(h, i, n);
}

void heap_put(struct heap *h, struct heap_node *n, int64_t key)
{
    n->key = key;
    n->seq = h->next_seq++;
    if (n->slot != 0) {
        settle(h, n->slot - 1, n);
        return;
    }
    if (h->len == h->cap) {
        h->cap = h->cap == 0 ? 64 : h->cap * 2;
        h->items = mem_resize(h->items, h->cap * sizeof(struct heap_node *));
    }
    sift_up(h, h->len++, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (n->slot == 0)
        return;
    uint32_t i = n->slot - 1;
    n->slot = 0;
    struct heap_node *last = h->items[--h->len];
    if (last != n)
        settle(h, i, last);
}

struct heap_node *heap_min(const struct heap *h)
{
    return h->len == 0 ? NULL : h->items[0];
}

void heap_free(struct heap *h)
{
    for (uint32_t i = 0; i < h->len; i++)
        h->items[i]->slot = 0;
    free(h->items);
    *h = (struct heap){0};
}
