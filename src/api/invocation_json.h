/* In: invocations and log lines as the store gives them. Out: their JSON, the same for the API and
 * the commands. */
#ifndef API_INVOCATION_JSON_H
#define API_INVOCATION_JSON_H

#include "base/buf.h"
#include "store/store.h"
#include "store/store_history.h"

#define HISTORY_JSON_MAX ((size_t)64 << 20)

/* "invocations":[...],"next_cursor":...; `limit`: of the page. */
void invocations_put_page(struct buf *out, const struct store_invocation *invocations, size_t n,
                          size_t limit);
void line_put_json(struct buf *out, const struct store_line *l);

#endif
