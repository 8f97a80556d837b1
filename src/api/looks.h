/* In: requests that show one job each. Out: that job with its steps, when the caller may see it.
 * While the store answers one question the next jobs gather, and travel together: the more people
 * look, the less a look costs. */
#ifndef API_LOOKS_H
#define API_LOOKS_H

#include "store/store.h"

struct api;
struct api_request;
struct look;
struct looks_question;

struct looks {                 /* all zero: nobody looks */
    struct look *first, *last; /* that wait for the next question; last: while there is a first */
    struct looks_question *asked; /* under way */
    size_t each_bytes;            /* texts of a job, in the last answer */
};

/* The job of the route's {id}, borrowed for the call. Else the request is answered: with 404 when
 * there is no such job, or it is another's. */
void looks_get(struct api_request *rq,
               void (*then)(struct api_request *rq, const struct store_shown *shown));
/* When all exchanges are over. */
void looks_end(struct api *api);

#endif
