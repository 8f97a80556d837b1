/* In: how a system is scaled; the text of somebody who wants it otherwise. Out: the JSON of GET
 * /scale and of `scriptorium scale --json`; what is wanted. Pure. */
#ifndef API_SCALE_JSON_H
#define API_SCALE_JSON_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#define SCALE_JSON_MAX 1024

struct scale_figures {
    int64_t workers, concurrency; /* that count now, set or not */
    int64_t slots;                /* jobs at once, of the whole system */
    int64_t desired_workers;      /* that would take everything due and running at once; 1.. */
};
/* `slots`: of one process in continuous mode, 0 in triggered mode; `limit`: of one worker id. Both
 * only count while nobody has scaled; slots only where no schedules drive workers. */
struct scale_figures scale_figures(const struct store_scale *scale, int64_t slots, int64_t limit);
void scale_put_json(struct buf *out, const struct store_scale *scale,
                    const struct scale_figures *figures);

/* What is not said of a system that was never scaled and has no schedules: as many scripts as a
 * process of `slots` has (0: triggered mode, nothing is filled in), as many workers as there are
 * processes. */
void scale_complete(struct store_scale_change *io_change, const struct store_scale *now,
                    int64_t slots);

/* "3x5": three workers with five each. ERR_INVALID. */
enum err scale_read_preset(const char *text, size_t n, int *ret_workers, int *ret_concurrency,
                           struct errmsg *msg) MUST_CHECK;
/* {"workers": 3, "concurrency": 5}, either may be left out; {"preset": "3x5"}; {"undo": true}. */
enum err scale_read_body(const char *text, size_t n, struct store_scale_change *ret_change,
                         struct errmsg *msg) MUST_CHECK;

#endif
