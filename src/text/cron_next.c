/* In: a parsed schedule and a time. Out: when it fires next. It walks along UTC, from one change of
 * the zone's clocks to the next; in between, local time is UTC and a constant. */
#include "base/clock.h"
#include "text/cron_impl.h"

#define DAY       ((int64_t)86400)
#define LOOK_BACK (25 * 3600) /* no clock was ever set back by more than a day */
#define STEPS_MAX 1000
#define LATEST    ((int64_t)7258118400) /* 2200-01-01 */

/* ---- the calendar ---- */

/* Days since 1970 of a day in the Gregorian calendar, and back. Years begin in March, so that the
 * leap day is the last one. */
static int64_t days_from_date(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *y, int *m, int *d)
{
    days += 719468;
    int64_t era = days / 146097, n = days - era * 146097;
    int64_t of_era = (n - n / 1460 + n / 36524 - n / 146096) / 365;
    int64_t of_year = n - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *d = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *m = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *y = of_era + era * 400 + (*m <= 2);
}

static bool has(const struct cron *c, enum cron_field field, int value)
{
    return (c->bits[field] >> value & 1) != 0;
}

static bool day_matches(const struct cron *c, int64_t days, int day, bool last)
{
    bool d = c->last_day ? last : has(c, CRON_DAY, day);
    bool w = has(c, CRON_WEEKDAY, (int)((days + 4) % 7)); /* 1970-01-01 was a Thursday */
    return c->star[CRON_DAY] || c->star[CRON_WEEKDAY] ? d && w : d || w;
}

/* The first minute of the day at or after that one; -1 when there is none. */
static int time_of_day(const struct cron *c, int from)
{
    for (int h = from / 60; h < 24; h++) {
        if (!has(c, CRON_HOUR, h))
            continue;
        for (int m = h == from / 60 ? from % 60 : 0; m < 60; m++) {
            if (has(c, CRON_MINUTE, m))
                return h * 60 + m;
        }
    }
    return -1;
}

int64_t cron_match(const struct cron *c, int64_t local)
{
    int64_t minutes = local > 0 ? (local + 59) / 60 : 0, days = minutes / 1440, y;
    int from = (int)(minutes % 1440), m, d;
    date_from_days(days, &y, &m, &d);
    for (int64_t end = y + CRON_YEARS; y <= end; m = m % 12 + 1, y += m == 1, d = 1) {
        int64_t first = days_from_date(y, m, 1);
        int64_t next = days_from_date(y + m / 12, m % 12 + 1, 1);
        for (days = first + d - 1; has(c, CRON_MONTH, m) && days < next; days++) {
            int at = -1;
            if (day_matches(c, days, (int)(days - first) + 1, days + 1 == next))
                at = time_of_day(c, from);
            if (at >= 0)
                return (days * 1440 + at) * 60;
            from = 0;
        }
        from = 0;
    }
    return -1;
}

/* ---- the clocks ---- */

/* The latest time that clocks have shown until then. */
static int64_t seen_until(const struct cron *c, int64_t utc)
{
    int64_t local = utc + zone_offset(c->zone, utc);
    int64_t change = zone_change(c->zone, utc - LOOK_BACK, utc);
    if (change > utc)
        return local;
    int64_t before = change - 1 + zone_offset(c->zone, change - 1);
    return before > local ? before : local;
}

static int64_t next_after(const struct cron *c, int64_t at)
{
    bool fixed = !c->star[CRON_HOUR];
    int64_t low = (fixed ? seen_until(c, at) : at + zone_offset(c->zone, at)) + 1;
    for (int i = 0; i < STEPS_MAX && at < LATEST; i++) {
        int64_t offset = zone_offset(c->zone, at), match = cron_match(c, low);
        if (match < 0)
            return 0;
        int64_t utc = match - offset, end = at + 2 * DAY;
        int64_t change = zone_change(c->zone, at, utc < end ? utc : end);
        if (change <= utc && change <= end) {
            int64_t was = change + offset, is = change + zone_offset(c->zone, change);
            if (fixed && match >= was && match < is)
                return change; /* clocks never show it */
            low = fixed && was > is ? was : is;
            at = change;
        } else if (utc <= end) {
            return utc;
        } else { /* nothing matches for a while, whatever clocks show: go on shortly before */
            at = utc - 2 * DAY > end ? utc - 2 * DAY : end;
            low = (fixed ? seen_until(c, at) : at + zone_offset(c->zone, at)) + 1;
        }
    }
    return 0;
}

int64_t cron_next(const struct cron *c, int64_t after_us)
{
    if (c->reboot)
        return 0;
    if (c->interval_us > 0)
        return after_us + c->interval_us;
    int64_t at = after_us > 0 ? after_us / USEC_PER_SEC : 0;
    return next_after(c, at) * USEC_PER_SEC;
}
