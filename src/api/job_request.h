/* In: the body of POST /v1/jobs and who sent it. Out: a job to insert, or what is wrong. Pure. */
#ifndef API_JOB_REQUEST_H
#define API_JOB_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "api/auth.h"
#include "base/err.h"
#include "base/id.h"

#define JOB_REQUEST_MAX ((size_t)1 << 20)

struct job_request {
    struct uuid user_id, workflow_id; /* workflow: nil = none */
    int priority;                     /* 0 = the usual */
    int64_t run_at_us;                /* wall: not before; 0 = now */
    char *params;                     /* owned: generation_params, as they were sent */
    char *key;                        /* owned: the idempotency key, or NULL */
};

/* `priority_max`: what a user may ask for; more is lowered to it. The operator may ask for all.
 * `key`: the Idempotency-Key header, or NULL; it comes before the body's idempotencyKey.
 * ERR_INVALID with a message that names the member; ERR_PERMISSION: a user asks in another's name.
 */
enum err job_request_read(const char *body, size_t n, const char *key, const struct principal *who,
                          int priority_max, struct job_request *ret_request,
                          struct errmsg *msg) MUST_CHECK;
void job_request_free(struct job_request *r);

#endif
