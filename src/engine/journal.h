/* In: what the engine tells, what the function endpoint does. Out: lines of the log that the store
 * keeps, and the same lines in the process's own log. */
#ifndef ENGINE_JOURNAL_H
#define ENGINE_JOURNAL_H

#include "base/log.h"
#include "engine/engine.h"

struct journal;

/* Borrows loop and store. `keep`: so many of the newest lines stay in the store. */
struct journal *journal_new(struct loop *loop, struct store *store, const char *worker,
                            int64_t keep);
/* Hands over what is left; before the store is freed. Takes NULL. */
void journal_free(struct journal *j);

void journal_event(struct journal *j, const struct engine_event *ev);

struct journal_line { /* copied */
    enum log_level level;
    struct uuid job, invocation; /* nil = none */
    const char *event;           /* one word, a constant */
    const char *message;
    const char *details; /* may be NULL */
};
void journal_put(struct journal *j, const struct journal_line *line);

#endif
