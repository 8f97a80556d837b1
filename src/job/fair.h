/* In: a window of due jobs in order, and how many jobs each user runs. Out: which to take now.
 * Start-time fair queueing with caps; pure. The stores' SQL follows the same rules, and the
 * conformance suite holds them to this. */
#ifndef JOB_FAIR_H
#define JOB_FAIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

#define FAIR_COST 1000000 /* tag units that one job costs its user at weight 1 */

/* The tag of a new job: max(virtual time, the user's largest pending tag at this priority + cost).
 * user_last_tag < 0: the user has none. */
int64_t fair_tag(int64_t virtual_time, int64_t user_last_tag);

struct fair_item {
    struct uuid user_id;
    int priority;
    int64_t tag;
    int running; /* in: jobs the user runs already */
    int taken;   /* out: 1 = take, 0 = leave, -1 = over the cap: give it a later tag */
};

/* `items` is a window of due jobs in (priority DESC, tag) order. Inside one priority, the order is
 * by (running + jobs of the same user before it in the window, tag). Takes at most `max`, and no
 * user past `cap` running jobs (0 = no cap). ret_order lists the taken items' indexes in the order
 * of taking (room for n). Returns how many. */
size_t fair_pick(struct fair_item *items, size_t n, size_t max, int cap, size_t *ret_order);

#endif
