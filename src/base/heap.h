/* In: nodes with a key, inside their owners. Out: the least one. Equal keys leave in the order they
 * came, so that runs repeat exactly. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lives in its owner (zero-initialised), which must outlive its stay in the heap. */
struct heap_node {
    int64_t key;
    uint64_t seq;  /* order of arrival; set by heap_put() */
    uint32_t slot; /* place in the heap + 1; 0 = not in it */
};

struct heap {
    struct heap_node **items; /* the array is the heap's, the nodes are not */
    uint32_t len, cap;
    uint64_t next_seq;
};

/* Puts the node in with this key; one that is in already moves, as if it came now. */
void heap_put(struct heap *h, struct heap_node *n, int64_t key);
void heap_remove(struct heap *h, struct heap_node *n); /* harmless when not in */
struct heap_node *heap_min(const struct heap *h);      /* NULL when empty; stays in */
void heap_free(struct heap *h);                        /* empty and usable again; nodes are left */

#endif
