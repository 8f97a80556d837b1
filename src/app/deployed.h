/* In: a store. Out: the active version of the pipeline, as this program reads it. */
#ifndef APP_DEPLOYED_H
#define APP_DEPLOYED_H

#include "app/context.h"
#include "job/pipeline.h"

struct deployed {
    int version; /* 0 = the built-in one */
    struct pipeline
        *pipeline;          /* owned by the caller; NULL: version 0, or one that cannot be used */
    struct errmsg unusable; /* why it cannot be: not readable, or with a model that is not there */
};

/* Waits for the store; its error, with a message. */
enum err deployed_read(struct context *c, const struct catalog *catalog,
                       struct deployed *ret_deployed, struct errmsg *msg) MUST_CHECK;

#endif
