/* In: calls of the function endpoint and lines of the log of jobs. Out: the same, kept, bounded and
 * listed. Verbs as in store.h. */
#ifndef STORE_STORE_HISTORY_H
#define STORE_STORE_HISTORY_H

#include "store/store.h"

struct store_invocation { /* one call of the function endpoint */
    struct uuid id;       /* UUIDv7: its time orders the list */
    int64_t at_us, duration_us;
    int status; /* of the answer; 0 = not answered yet */
    int processed, succeeded, failed;
    bool settled; /* all its jobs have ended; with 202 later than the answer */
    const char *caller, *label, *worker, *version, *error; /* may be NULL */
};
/* The first save makes the row, later ones replace it; of all rows the newest `keep` stay. */
void store_invocation_save(struct store *s, const struct store_invocation *invocation, int64_t keep,
                           store_fn fn, void *ctx);
/* Newest first; `after`: nil, or the last id of the page before. -> invocations. */
void store_invocations(struct store *s, const struct uuid *after, size_t limit, store_fn fn,
                       void *ctx);

struct store_line {
    int64_t n; /* out: its place in the log, 1.. and rising */
    int64_t at_us;
    struct uuid job, invocation; /* nil = none */
    const char *level, *event, *message;
    const char *details, *worker; /* may be NULL */
};
/* Appends in order; of all lines the newest `keep` stay. */
void store_log_add(struct store *s, const struct store_line *lines, size_t n, int64_t keep,
                   store_fn fn, void *ctx);
struct store_log_filter {
    struct uuid job;        /* nil = any */
    struct uuid invocation; /* nil = any; not together with a job */
    int64_t after; /* 0: the newest lines; else those that follow this one; -1: from the first */
    size_t limit;  /* 1..STORE_BATCH_MAX */
};
/* In the order of the log. -> lines. */
void store_log(struct store *s, const struct store_log_filter *filter, store_fn fn, void *ctx);

#endif
