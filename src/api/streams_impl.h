/* In: clients of event streams. Out: what the stream of one job and the stream of all jobs share.
 * Private to api: streams.c writes and keeps the clients, streams_all.c knows which jobs those of
 * all jobs hear of. */
#ifndef API_STREAMS_IMPL_H
#define API_STREAMS_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/event_id.h"
#include "api/feed.h"
#include "api/request.h"
#include "api/scope.h"
#include "api/streams.h"
#include "api/told.h"

#define STREAMS_ALL_MAX 128 /* clients of all jobs */

struct sub { /* one job that a client hears of */
    struct sub *prev, *next;
    struct client *client;
    struct cursor cursor;
    bool begun; /* the cursor stands where it should begin */
};

struct client {
    struct client *prev, *next;
    struct streams *streams;
    struct api_request *rq;
    struct sub *subs;
    struct scope_share *share; /* hears of all that it may see; NULL = of one job */
    bool open;                 /* the stream was begun */
    bool over;                 /* ended or cut: gone soon */
    bool blocked, has_id, texts;
    struct event_id id; /* to go on behind; of one job */
    size_t n_subs;
    int64_t since_us;                       /* of all: what has ended since is new to it; wall */
    struct told told;                       /* ... but these */
    int64_t opened_us, sent_us, blocked_us; /* loop clock */
};

struct scope_share { /* clients that may see the same */
    struct scope_share *prev, *next;
    struct streams *streams;
    struct scope *scope;
    size_t clients;
};

struct streams {
    struct api *api;
    struct feed *feed;
    struct client *clients;
    struct scope_share *shares;
    size_t n, n_all, max;
    bool draining;
};

/* ---- streams.c ---- */

/* NULL: refused. `all`: it will hear of many jobs. */
struct client *stream_client_new(struct api_request *rq, bool all);
bool stream_is_head(struct api_request *rq); /* a HEAD request: answered */
void stream_open(struct client *c);
void stream_end(struct client *c);
bool stream_may_see(const struct client *c, const struct watch *w);
struct sub *stream_sub_new(struct client *c, const struct uuid *job);
void stream_sub_free(struct sub *sub);
/* Tells what is new of one job. False: the client takes no more for now. */
bool stream_pump(struct client *c, struct sub *sub);

/* ---- streams_all.c ---- */

void streams_all_serve(struct client *c, struct sub *sub);
/* A job that begins and ends between two looks is told of all the same. */
void streams_all_claimed(struct streams *s, const struct uuid *job, const struct uuid *user);
void streams_all_leave(struct scope_share *share); /* takes NULL */

#endif
