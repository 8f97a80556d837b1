/* In: a calendar date, or text that names a time. Out: whether it exists, and its time. */
#include "job/date.h"

#include <string.h>

#include "base/clock.h"

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool date_valid(const struct date *d)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (d->year < 1 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1)
        return false;
    if (d->hour < 0 || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0 ||
        d->second > 60)
        return false;
    int last = days[d->month - 1] + (d->month == 2 && leap(d->year) ? 1 : 0);
    return d->day <= last;
}

/* Days from 1 January of year 1 to the first day of a year. */
static int64_t days_before_year(int year)
{
    int64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

int64_t date_wall_us(const struct date *d)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t days = days_before_year(d->year) - days_before_year(1970);
    days += before_month[d->month - 1] + (d->month > 2 && leap(d->year) ? 1 : 0) + d->day - 1;
    int64_t seconds = ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
    return seconds * USEC_PER_SEC;
}

static int digits(const char **s, int count)
{
    int value = 0;
    for (; count > 0; count--, (*s)++) {
        if (**s < '0' || **s > '9')
            return -1;
        value = value * 10 + (**s - '0');
    }
    return value;
}

static bool take(const char **s, const char *any_of)
{
    if (**s == '\0' || strchr(any_of, **s) == NULL)
        return false;
    (*s)++;
    return true;
}

/* "Z", "+02:00", "-0530": seconds east of UTC. */
static bool read_offset(const char **s, int64_t *ret_s)
{
    *ret_s = 0;
    if (take(s, "Zz"))
        return true;
    int sign = **s == '-' ? -1 : 1;
    if (!take(s, "+-"))
        return false;
    int hours = digits(s, 2);
    (void)take(s, ":");
    int minutes = digits(s, 2);
    *ret_s = (int64_t)sign * (hours * 3600 + minutes * 60);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

/* ".123456789": microseconds; further digits are dropped. */
static bool read_fraction(const char **s, int64_t *ret_us)
{
    int64_t scale = 100000, sum = 0;
    const char *start = *s;
    for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
        sum += (**s - '0') * scale;
    *ret_us = sum;
    return *s > start;
}

bool date_parse(const char *s, int64_t *ret_us)
{
    struct date d;
    int64_t fraction_us = 0, offset_s;
    d.year = digits(&s, 4);
    bool ok = take(&s, "-");
    d.month = ok ? digits(&s, 2) : -1;
    ok = ok && take(&s, "-");
    d.day = ok ? digits(&s, 2) : -1;
    ok = ok && take(&s, "Tt ");
    d.hour = ok ? digits(&s, 2) : -1;
    ok = ok && take(&s, ":");
    d.minute = ok ? digits(&s, 2) : -1;
    ok = ok && take(&s, ":");
    d.second = ok ? digits(&s, 2) : -1;
    if (!ok || d.hour < 0 || d.minute < 0 || d.second < 0 || !date_valid(&d))
        return false;
    if (take(&s, ".") && !read_fraction(&s, &fraction_us))
        return false;
    if (!read_offset(&s, &offset_s) || *s != '\0')
        return false;
    *ret_us = date_wall_us(&d) + fraction_us - offset_s * USEC_PER_SEC;
    return true;
}
