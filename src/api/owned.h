/* In: a request on a route with {id}. Out: that job, when the caller may see it; else 404, whether
 * it is another's or nobody's. */
#ifndef API_OWNED_H
#define API_OWNED_H

#include "api/request.h"

/* Whether the caller may see that job; if not, or if there is none, what it hears is the same. */
bool owned_may_see(const struct api_request *rq, const struct store_job *job);
void owned_answer_none(struct api_request *rq);

/* The job is borrowed for the call. */
void owned_get(struct api_request *rq,
               void (*then)(struct api_request *rq, const struct store_job *job));
/* The same for changes; the operator's need no look at the job first. */
void owned_change(struct api_request *rq,
                  void (*then)(struct api_request *rq, const struct uuid *id));

#endif
