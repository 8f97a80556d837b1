/* In: the body of POST /v1/jobs and who sent it. Out: a job to insert, or what is wrong. Pure. */
#ifndef API_JOB_REQUEST_H
#define API_JOB_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "api/auth.h"
#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

#define JOB_REQUEST_MAX ((size_t)1 << 20)

struct job_request {
    struct uuid user_id, workflow_id; /* workflow: nil = none */
    int priority;                     /* 0 = the usual */
    int64_t run_at_us;                /* wall: not before; 0 = now */
    char *params;                     /* owned: generation_params, as they were sent */
    char *key;                        /* owned: the idempotency key, or NULL */
};

struct job_ceiling {
    int priority;       /* of a user: more is lowered to it; 0 = 5. The operator may ask for all */
    int64_t duration_s; /* of the video, for everybody; 0 = 4 h */
    const struct catalog *catalog; /* models that may be asked for; NULL = any */
    int64_t now_us;                /* wall: a deadline must be later; 0 = any */
};

/* Members that nobody here can act on (`mode: batch`, exports that cannot be made) are refused.
 * `key`: the Idempotency-Key header, or NULL; it comes before the body's idempotencyKey.
 * ERR_INVALID with a message that names the member; ERR_PERMISSION: a user asks in another's name.
 */
enum err job_request_read(const char *body, size_t n, const char *key, const struct principal *who,
                          const struct job_ceiling *ceiling, struct job_request *ret_request,
                          struct errmsg *msg) MUST_CHECK;
/* The job to insert; its strings are borrowed. */
struct store_new_job job_request_row(const struct job_request *r);
void job_request_free(struct job_request *r);

#endif
