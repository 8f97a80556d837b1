/* In: a time as somebody wrote it into the users' table. Out: microseconds since 1970. */
#include "store/sqlite/sqlite.h"

#include <ctype.h>
#include <time.h>

#include "base/clock.h"

/* Reads exactly n digits at *p and moves behind them. */
static bool digits(const char **p, int n, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*p)[i]))
            return false;
        value = value * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = value;
    return true;
}

static bool skip(const char **p, const char *any_of)
{
    for (; *any_of != '\0'; any_of++) {
        if (**p == *any_of) {
            (*p)++;
            return true;
        }
    }
    return false;
}

/* ".123456": microseconds; digits past the sixth are ignored. */
static int64_t fraction(const char **p)
{
    int64_t us = 0, unit = USEC_PER_SEC / 10;
    if (!skip(p, "."))
        return 0;
    for (; isdigit((unsigned char)**p); (*p)++) {
        us += (**p - '0') * unit;
        unit /= 10;
    }
    return us;
}

/* "Z", nothing, "+02", "+0200" or "+02:00". */
static int64_t offset(const char *p)
{
    int sign = *p == '-' ? -1 : 1, hours = 0, minutes = 0;
    if (!skip(&p, "+-") || !digits(&p, 2, &hours))
        return 0;
    (void)skip(&p, ":");
    if (!digits(&p, 2, &minutes))
        minutes = 0;
    return sign * (hours * 3600 + minutes * 60) * USEC_PER_SEC;
}

int64_t sqlite_time_parse(const char *text)
{
    struct tm tm = {0};
    const char *p = text;
    if (p == NULL || !digits(&p, 4, &tm.tm_year) || !skip(&p, "-") || !digits(&p, 2, &tm.tm_mon) ||
        !skip(&p, "-") || !digits(&p, 2, &tm.tm_mday) || !skip(&p, "T ") ||
        !digits(&p, 2, &tm.tm_hour) || !skip(&p, ":") || !digits(&p, 2, &tm.tm_min) ||
        !skip(&p, ":") || !digits(&p, 2, &tm.tm_sec))
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t us = fraction(&p);
    return (int64_t)timegm(&tm) * USEC_PER_SEC + us - offset(p);
}
