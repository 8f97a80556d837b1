/* In: jobs that clients watch. Out: what is new of them, fetched once for all who watch the same
 * job: one question to the store for all jobs, several times a second while anybody watches. */
#ifndef API_FEED_H
#define API_FEED_H

#include "api/watch.h"
#include "io/loop.h"

struct feed;

/* `news`: a watch that has changed, or that somebody has joined. `tick`: after each round.
 * Both may join and leave watches. */
struct feed_handlers {
    void (*news)(void *ctx, struct watch *w);
    void (*tick)(void *ctx);
};

struct feed *feed_new(struct loop *loop, struct store *store, const struct feed_handlers *handlers,
                      void *ctx);
void feed_free(struct feed *f); /* takes NULL; nobody may watch any more */

/* `c` begins before everything there is; the watch may be loaded already: what it holds was asked
 * for after the client came once watch->looked > c->since. */
void feed_join(struct feed *f, const struct uuid *job, struct cursor *c, void *owner);
void feed_leave(struct feed *f, struct cursor *c);
struct watch *feed_find(struct feed *f, const struct uuid *job); /* NULL: nobody watches it */
/* The engine says that something has happened to it: worth a look soon. */
void feed_hint(struct feed *f, const struct uuid *job);
size_t feed_watched(const struct feed *f);

#endif
