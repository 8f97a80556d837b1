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
    bool begun;      /* the cursor stands where it should begin */
    int64_t from_us; /* of all jobs: steps that were finished before are not told; wall */
    /* Its end was found in the store's record, and is owed; before it comes that point. */
    bool ended;
    struct told_point before;
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
    /* Of all jobs. An id that it is sent says no later time than up to which it was told all. */
    int64_t since_us; /* what has ended since is new to it; wall */
    struct told told; /* ... but these */
    bool catching_up; /* what ended while it was away is not all offered; up to `owed` it is */
    struct told_point owed;
    bool exact;        /* all up to `owed` was offered, or told before */
    int64_t behind_us; /* since then it has not taken everything; wall, 0 = it has */
    size_t n_ending;   /* subs that ended */
    int64_t opened_us, sent_us, blocked_us; /* loop clock */
};

struct scope_share { /* clients that may see the same */
    struct scope_share *prev, *next;
    struct streams *streams;
    struct scope *scope;
    struct told_point latest; /* the end that was found last; us 0 = none in this look */
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
void stream_write(struct client *c, const struct buf *bytes);
bool stream_may_see(const struct client *c, const struct watch *w);
struct sub *stream_sub_new(struct client *c, const struct uuid *job);
void stream_sub_free(struct sub *sub);
/* Tells what is new of one job. False: the client takes no more for now. */
bool stream_pump(struct client *c, struct sub *sub);

/* ---- streams_all.c ---- */

void streams_all_serve(struct client *c, struct sub *sub);
void streams_all_serve_ended(struct client *c);
/* A job that begins and ends between two looks is told of all the same. */
void streams_all_claimed(struct streams *s, const struct uuid *job, const struct uuid *user);
void streams_all_leave(struct scope_share *share);           /* takes NULL */
struct told_point streams_all_until(const struct client *c); /* what an id may say */

#endif
