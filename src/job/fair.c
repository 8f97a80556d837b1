/* In: due jobs and what their users run. Out: tags, and which jobs to take in which order. */
#include "job/fair.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int64_t fair_tag(int64_t virtual_time, int64_t user_last_tag)
{
    if (user_last_tag < 0)
        return virtual_time;
    int64_t next = user_last_tag > INT64_MAX - FAIR_COST ? INT64_MAX : user_last_tag + FAIR_COST;
    return next > virtual_time ? next : virtual_time;
}

struct candidate {
    const struct fair_item *item;
    size_t index;
    int64_t rank; /* jobs of its user that go before it: running ones, and earlier ones here */
};

static int compare_index(const struct candidate *a, const struct candidate *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int by_user(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    int c = memcmp(a->item->user_id.bytes, b->item->user_id.bytes, sizeof a->item->user_id.bytes);
    return c != 0 ? c : compare_index(a, b);
}

static int by_turn(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    if (a->item->priority != b->item->priority)
        return a->item->priority > b->item->priority ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->item->tag != b->item->tag)
        return a->item->tag < b->item->tag ? -1 : 1;
    return compare_index(a, b);
}

/* Sorting by user puts each user's jobs side by side, in the window's order. */
static void rank_candidates(struct candidate *c, size_t n)
{
    qsort(c, n, sizeof *c, by_user);
    int64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && uuid_equal(&c[i].item->user_id, &c[i - 1].item->user_id))
            before++;
        else
            before = 0;
        c[i].rank = c[i].item->running + before;
    }
}

/* A user's jobs are taken in the order of their ranks, so a rank at or past the cap can never be
 * taken now, however many places are left. */
size_t fair_pick(struct fair_item *items, size_t n, size_t max, int cap, size_t *ret_order)
{
    if (n == 0)
        return 0;
    struct candidate *c = mem_array(n, sizeof *c);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct candidate){.item = &items[i], .index = i};
    rank_candidates(c, n);
    qsort(c, n, sizeof *c, by_turn);

    size_t taken = 0;
    for (size_t i = 0; i < n; i++) {
        struct fair_item *item = &items[c[i].index];
        if (cap > 0 && c[i].rank >= cap) {
            item->taken = -1;
        } else if (taken < max) {
            item->taken = 1;
            ret_order[taken++] = c[i].index;
        } else {
            item->taken = 0;
        }
    }
    free(c);
    return taken;
}
