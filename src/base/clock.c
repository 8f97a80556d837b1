/* In: the operating system's clocks. Out: microseconds, and their RFC 3339 form. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t clock_mono(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

char *clock_iso(int64_t wall_us, char *out)
{
    int64_t sec = wall_us / USEC_PER_SEC, us = wall_us % USEC_PER_SEC;
    if (us < 0) {
        us += USEC_PER_SEC;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    (void)gmtime_r(&t, &tm);
    char date[CLOCK_ISO_SIZE];
    size_t n = strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, CLOCK_ISO_SIZE, "%.*s.%06dZ", (int)n, date, (int)us);
    return out;
}
