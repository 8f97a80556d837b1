/* In: a user. Out: the user's texts gone, some jobs at a time, and the sum of what went; its JSON.
 */
#ifndef API_ERASE_H
#define API_ERASE_H

#include "base/buf.h"
#include "store/store.h"

#define ERASE_JSON_MAX 512

/* `err` OK: `sum` counts everything; else the message says why, and it may be called again. */
typedef void (*erase_fn)(void *ctx, const struct store_result *r, const struct store_erased *sum);
void erase_user(struct store *s, const struct uuid *user, erase_fn fn, void *ctx);
void erase_put_json(struct buf *out, const struct uuid *user, const struct store_erased *sum);

#endif
