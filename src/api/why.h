/* In: what is known of a job, of the queue and of the workers. Out: what the job waits for, as a
 * code and in words; the same for the API and the command. Pure. */
#ifndef API_WHY_H
#define API_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

enum why_code {
    WHY_ENDED,     /* it does not wait: it has ended */
    WHY_RUNNING,   /* ... it is in work */
    WHY_FOREIGN,   /* another system has taken it */
    WHY_DELAYED,   /* it was asked for, for later */
    WHY_RETRY,     /* its last attempt failed */
    WHY_SPEND_CAP, /* what today's calls may cost is spent */
    WHY_PROVIDER,  /* the provider refuses, or asked to wait */
    WHY_PAUSED,    /* claiming is paused for the whole system */
    WHY_NO_WORKER, /* no worker is alive */
    WHY_TRIGGERED, /* workers take jobs only when they are called */
    WHY_USER_CAP,  /* its user has as many in work as one user may have */
    WHY_QUEUE,     /* others are before it */
    WHY_NEXT,      /* nothing any more: it is taken at the next look */
    WHY_MAX
};
const char *why_code_name(enum why_code code); /* "user_cap" */

struct why_facts {
    int64_t now_us; /* wall */
    const struct store_job *job;
    bool paused;
    int64_t running;      /* jobs in work, on all nodes */
    size_t workers;       /* alive */
    bool called;          /* workers take jobs only when they are called */
    bool here;            /* the rest is known of one of them, the one that is asked */
    int64_t slots;        /* its; 0 = only when called */
    const char *parked;   /* why it claims nothing, or NULL */
    int cap_per_user;     /* 0 = none */
    int64_t user_running; /* jobs of the job's user in work */
};

#define WHY_TEXT_SIZE 512
struct why {
    enum why_code code;
    bool waits;
    int64_t until_us; /* wall; 0 = unknown */
    char text[WHY_TEXT_SIZE];
};
struct why why_explain(const struct why_facts *facts);
/* "code":...,"text":...,"until":... */
void why_put_json(struct buf *out, const struct why *why);

#endif
