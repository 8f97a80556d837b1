/* In: the store's counts. Out: the JSON of GET /v1/stats and of `scriptorium stats --json`. */
#ifndef API_STATS_JSON_H
#define API_STATS_JSON_H

#include "base/buf.h"
#include "store/store.h"

#define STATS_JSON_MAX ((size_t)16 * 1024)

void stats_put_json(struct buf *out, const struct store_stats *stats);

#define DOLLARS_SIZE 32 /* "12.345678" and NUL */
char *dollars_text(int64_t udollar, char *out);

#endif
