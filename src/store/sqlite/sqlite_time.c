/* In: a time as somebody wrote it into the users' table. Out: microseconds since 1970. */
#include "store/sqlite/sqlite.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

/* ".123456": microseconds; digits past the sixth are ignored. */
static const char *parse_fraction(const char *p, int64_t *ret_us)
{
    int64_t us = 0, unit = 100000;
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p); p++) {
            us += (*p - '0') * unit;
            unit /= 10;
        }
    }
    *ret_us = us;
    return p;
}

/* "Z", nothing, "+02", "+0200" or "+02:00". */
static int64_t parse_offset(const char *p)
{
    int hours = 0, minutes = 0;
    if (*p != '+' && *p != '-')
        return 0;
    if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) < 2)
        (void)sscanf(p + 1, "%2d%2d", &hours, &minutes);
    return (*p == '-' ? -1 : 1) * (hours * 3600 + minutes * 60) * USEC_PER_SEC;
}

int64_t sqlite_time_parse(const char *text)
{
    struct tm tm = {0};
    int used = 0;
    if (text == NULL || sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
                               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t us;
    const char *p = parse_fraction(text + used, &us);
    return (int64_t)timegm(&tm) * USEC_PER_SEC + us - parse_offset(p);
}
