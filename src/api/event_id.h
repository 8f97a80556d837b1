/* In: an event's id as a client gives it back (Last-Event-ID). Out: how far that client had come;
 * and the other way round. Pure. */
#ifndef API_EVENT_ID_H
#define API_EVENT_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define EVENT_STEP_SIZE 48 /* of a step's name with NUL; the engine's are far shorter */
#define EVENT_ID_SIZE   192

/* Step and offset, and what they stand for: a step that was written anew since does not match. */
struct event_id {
    int run;                    /* of the job, 1.. */
    unsigned steps;             /* finished ones that were told */
    uint64_t chain;             /* over their names, inputs and texts, in order */
    char step[EVENT_STEP_SIZE]; /* whose text was told in part; "" = none */
    size_t offset;              /* bytes of it */
    uint64_t text;              /* over those bytes */
    uint32_t row;               /* over the progress that was told */
    bool done;                  /* the end was told */
};

char *event_id_text(const struct event_id *id, char *out); /* EVENT_ID_SIZE bytes; returns out */
/* ERR_INVALID: not one of ours. */
enum err event_id_parse(const char *text, struct event_id *ret_id) MUST_CHECK;

/* FNV-1a; begins with EVENT_HASH_NONE. */
#define EVENT_HASH_NONE 0xcbf29ce484222325ULL
uint64_t event_hash(uint64_t hash, const void *bytes, size_t n);

#endif
