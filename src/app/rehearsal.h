/* In: a pipeline, a request, a step's name. Out: the model call of that step, without calling
 * anything: the simulated provider's text generator answers the steps before it. */
#ifndef APP_REHEARSAL_H
#define APP_REHEARSAL_H

#include "base/buf.h"
#include "job/script.h"

struct rehearsal {
    struct script *script;   /* owned; the call borrows from it */
    struct script_call call; /* of the step asked for */
    int earlier;             /* calls that were answered before it */
    struct buf names;        /* the steps that came up, ", " between them */
};

/* `step`: a call's key ("chunk_2", "outline+repair", "chunk_1+1") or a step's name in
 * pipeline.yaml, its first call. ERR_NOT_FOUND: this request has no such step, `names` lists those
 * it has. Takes params, borrows pipeline and catalog. To be freed either way. */
enum err rehearsal_run(const struct pipeline *pipeline, const struct catalog *catalog,
                       struct params *params, const char *step, struct rehearsal *ret_rehearsal,
                       struct errmsg *msg) MUST_CHECK;
void rehearsal_free(struct rehearsal *r);

/* A call as the provider takes it; ERR_TOO_BIG, ERR_INVALID. */
enum err rehearsal_body(const struct catalog *catalog, const struct script_call *call,
                        struct buf *ret_body, struct errmsg *msg) MUST_CHECK;

#endif
