/* In: a file name. Out: a store in that SQLite file. */
#ifndef STORE_SQLITE_STORE_SQLITE_H
#define STORE_SQLITE_STORE_SQLITE_H

#include <stdbool.h>

#include "base/err.h"
#include "io/loop.h"
#include "store/store.h"

struct store_sqlite_config {
    const char *path;
    bool engine; /* takes <path>.lock for itself (ERR_BUSY), makes the file, migrates it, and is
                    the only one that moves the write-ahead log into it */
    bool create; /* not the engine: make the file, or migrate it, when needed; else a missing file
                    is ERR_NOT_FOUND and an older schema ERR_UNSUPPORTED for all but migrate */
};

/* Also ERR_CORRUPT (no database), ERR_NEWER, ERR_PERMISSION, ERR_FULL; the message is one line that
 * says what to do. Opening waits for the disk, the verbs do not. */
enum err store_sqlite_open(struct loop *loop, const struct store_sqlite_config *config,
                           struct store **ret_store, struct errmsg *msg) MUST_CHECK;

#endif
