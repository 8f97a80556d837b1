/* In: a calendar date. Out: whether it exists, and its time. */
#include "job/date.h"

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
