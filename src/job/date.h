/* In: a calendar date in UTC, or a time as text. Out: microseconds since 1970, without libc's
 * locale or time zone. */
#ifndef JOB_DATE_H
#define JOB_DATE_H

#include <stdbool.h>
#include <stdint.h>

struct date {
    int year, month, day;     /* 1..9999, 1..12, 1..31 */
    int hour, minute, second; /* second 60 (a leap second) counts as the next minute's first */
};

bool date_valid(const struct date *d); /* proleptic Gregorian calendar */
int64_t date_wall_us(const struct date *d);
/* RFC 3339, section 5.6: 2030-01-31T12:00:00Z, ...+01:00; a space in place of T too; digits past
 * the microsecond are dropped. */
bool date_parse(const char *s, int64_t *ret_us);

#endif
