/* In: the time that it is. Out: a store for a test that moves time itself: SQLite's, or that of the
 * PostgreSQL server that PG_URL names (with_pg.sh), which is the test's alone. */
#ifndef TESTS_ENGINE_WORLD_STORE_H
#define TESTS_ENGINE_WORLD_STORE_H

#include <stdint.h>

#include "store/store.h"

struct world_store;

struct world_store *world_store_new(int64_t now_us);
void world_store_free(struct world_store *w);
struct store *world_store_get(const struct world_store *w);
/* For PostgreSQL, whose own clock decides; SQLite's store goes by the loop of who asks. */
void world_store_time(struct world_store *w, int64_t now_us);
void world_store_turn(struct world_store *w); /* until something may have been answered */

#endif
