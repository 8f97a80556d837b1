/* In: how many connections this daemon may open. Out: a warning when the server has not so many. */
#ifndef APP_CONNECTIONS_H
#define APP_CONNECTIONS_H

#include <stddef.h>

#include "store/store.h"

/* Asks the store once, and says nothing when all is well or it does not answer. commands: of SQL
 * schedules at once, each with a connection, where we run them. */
void connections_check(struct store *store, size_t processes, size_t pool, size_t commands);

#endif
