/* In: a schedule that is due or not planned, and the store's time. Out: what fires now, what was
 * missed and is only recorded, and the next time. Pure. */
#ifndef ENGINE_FIRINGS_H
#define ENGINE_FIRINGS_H

#include "store/store.h"
#include "store/store_schedules.h"
#include "text/cron.h"

#define FIRINGS_LATE_US                                                                            \
    ((int64_t)60 * 1000000) /* a firing is missed when it is that late; of                         \
                               `N seconds` when the next one is due */
#define FIRINGS_NOTE 160

struct firings {
    int64_t next_us; /* 0 = never */
    size_t n;
    struct store_firing items[STORE_MISSED_LIMIT + 1]; /* in order of time */
    char note[FIRINGS_NOTE];                           /* that of the item which has one */
};

void firings_plan(const struct cron *c, const struct store_schedule *s, int64_t now_us,
                  struct firings *ret);

#endif
