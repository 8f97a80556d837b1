/* In: orders for faults (a request header, or a list by request number). Out: what becomes of a
 * request. The one place that decides it. */
#ifndef PROVIDER_SIM_SIM_FATE_H
#define PROVIDER_SIM_SIM_FATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "text/json.h"

enum fault {
    FAULT_NONE,
    FAULT_429,   /* with retry-after, if given */
    FAULT_RAMP,  /* 429 ramp_limit_exceeded */
    FAULT_SPEND, /* 429 enforced_spend_limit_reached, without retry-after */
    FAULT_500,
    FAULT_529,
    FAULT_529_STREAM, /* 200, and an error as the first event */
    FAULT_ERROR,      /* an error event after some tokens */
    FAULT_CUT,        /* the connection closes after some tokens, in the middle of the answer */
    FAULT_FIN,        /* the answer ends in good order after some tokens, without stop reason */
    FAULT_NO_STOP,    /* ... or with a stop reason, but without message_stop */
    FAULT_RST,        /* as cut, inside an event and inside a character */
    FAULT_SILENT,     /* accepted, and never answered */
    FAULT_STALL,      /* nothing more after some tokens, not even pings */
    FAULT_PINGS,      /* nothing but pings after some tokens */
    FAULT_THINK,      /* pings only for `seconds`, then the answer */
    FAULT_REFUSAL,    /* stop reason refusal after some tokens */
    FAULT_MAX
};
const char *fault_name(enum fault f); /* "529-stream"; static, NULL for FAULT_NONE */

struct fate {
    enum fault fault;
    int64_t after_tokens; /* 0 = at once */
    double retry_after_s; /* negative: no such header */
    double seconds;
    int should_retry; /* x-should-retry: 1, 0; -1 = no such header */
};

struct fates;
struct fates *fates_new(void);
void fates_free(struct fates *f); /* takes NULL */
void fates_reset(struct fates *f);

/* [{"nth": 3, "fault": "cut", "after_tokens": 100, "times": 2}]: from the 3rd request on that
 * passes validation, counted from now, two of them. Replaces nothing: lists add up, the first match
 * wins. */
enum err fates_order(struct fates *f, const json_t *list, struct errmsg *msg) MUST_CHECK;
/* What becomes of the next request; `header` is its x-sim-fault ("cut;after_tokens=100") or NULL,
 * and wins over the list. ERR_INVALID: the header names no fault. */
enum err fates_next(struct fates *f, const char *header, struct fate *ret_fate,
                    struct errmsg *msg) MUST_CHECK;

#endif
