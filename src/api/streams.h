/* In: watched jobs, and clients that want to hear of them. Out: server-sent events, as fast as each
 * client takes them. Private to api. */
#ifndef API_STREAMS_H
#define API_STREAMS_H

#include "engine/engine.h"

struct api;
struct streams;

/* max: clients at once; 0 = STREAMS_MAX. */
#define STREAMS_MAX 1024
struct streams *streams_new(struct api *api, size_t max);
void streams_free(struct streams *s);  /* takes NULL; after the server */
void streams_drain(struct streams *s); /* ends all, takes no new one */
void streams_event(struct streams *s, const struct engine_event *event);
/* The keys have changed: ends those whose own does not count any more, or is another's. */
void streams_check_keys(struct streams *s);
size_t streams_open(const struct streams *s);

#endif
