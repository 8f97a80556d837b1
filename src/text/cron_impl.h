/* In: nothing. Out: what a parsed schedule is. Private to cron*.c. */
#ifndef TEXT_CRON_IMPL_H
#define TEXT_CRON_IMPL_H

#include "text/cron.h"

enum cron_field { CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELD_MAX };

struct cron {
    uint64_t bits[CRON_FIELD_MAX]; /* weekday: 0..6 */
    bool star[CRON_FIELD_MAX];     /* the field begins with * */
    bool last_day;
    bool reboot;
    int64_t interval_us;
    struct zone *zone; /* NULL = UTC */
};

/* ---- cron_zone.c: what clocks show ---- */

/* NULL when there is none of that name. */
struct zone *zone_new(const char *name);
void zone_free(struct zone *z); /* takes NULL */
/* Seconds to add to UTC at that time, in seconds since 1970. NULL is UTC. */
int64_t zone_offset(const struct zone *z, int64_t utc);
/* The first time in (from, to] at which the offset becomes another one; `to + 1` when there is
 * none. Offsets that last less than a day may be missed. */
int64_t zone_change(const struct zone *z, int64_t from, int64_t to);

/* ---- cron_next.c ---- */

/* The first local minute at or after that local time, both in seconds as if in UTC, that the fields
 * allow; -1 when there is none for CRON_YEARS years. */
#define CRON_YEARS 50
int64_t cron_match(const struct cron *c, int64_t local);

#endif
