/* In: the due jobs' order, read once in a while. Out: a job's place in it. A snapshot: nobody
 * counts the queue for a single look at a job. Private to store. */
#ifndef STORE_STORE_PLACES_H
#define STORE_STORE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store_driver.h"

#define STORE_PLACES_MAX 8192 /* places told one by one; of more, every second, fourth ... */

/* ---- pure ---- */

/* Every step-th place of a queue, in its order: higher priorities first, then smaller tags. */
struct places {
    struct store_place *at;
    size_t n;
    int64_t step, total;
};

/* While reading a queue in its order; `at` has room for STORE_PLACES_MAX. */
void places_add(struct places *p, struct store_place place);
/* 1 = next. Between two that it knows, with step > 1: the earlier one's place. */
int64_t places_position(const struct places *p, struct store_place place);
/* How many others stand at the same place; 0 with step > 1. */
int64_t places_beside(const struct places *p, struct store_place place);
/* False only when the place was surely not there: the job came later. */
bool places_may_have(const struct places *p, struct store_place place);

/* ---- the store's ---- */

/* A get or a list is answered. True: some of its jobs wait and the places have to be read first;
 * the op is kept and comes back by store_op_done(). */
bool store_places_take(struct store *s, struct store_op *op);
/* For the drivers, when all ops have been given back. */
void store_places_free(struct store *s);

#endif
