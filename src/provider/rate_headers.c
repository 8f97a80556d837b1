/* In: anthropic-ratelimit-* headers. Out: a rate_report. */
#include "provider/rate_headers.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "job/date.h"
#include "base/clock.h"

#define COUNT_MAX ((int64_t)1000000000000)

static int64_t read_count(const char *s)
{
    if (s == NULL || *s < '0' || *s > '9')
        return -1;
    char *end;
    long long value = strtoll(s, &end, 10);
    while (*end == ' ')
        end++;
    return *end == '\0' && value <= COUNT_MAX ? value : -1;
}

static bool read_digits(const char **s, int n, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        value = value * 10 + (**s - '0');
    }
    *ret = value;
    return true;
}

static bool read_char(const char **s, const char *any)
{
    for (const char *c = any; *c != '\0'; c++) {
        if (**s == *c) {
            (*s)++;
            return true;
        }
    }
    return false;
}

/* "Z", "+02:00" */
static bool read_offset(const char **s, int64_t *ret_us)
{
    int hours, minutes;
    if (read_char(s, "Zz")) {
        *ret_us = 0;
        return true;
    }
    int sign = **s == '-' ? -1 : 1;
    if (!read_char(s, "+-") || !read_digits(s, 2, &hours) || !read_char(s, ":") ||
        !read_digits(s, 2, &minutes))
        return false;
    *ret_us = sign * ((int64_t)hours * 60 + minutes) * 60 * USEC_PER_SEC;
    return true;
}

/* RFC 3339, to the second (fractions are dropped). */
static int64_t read_time(const char *s)
{
    struct date d;
    int64_t offset_us;
    if (s == NULL || !read_digits(&s, 4, &d.year) || !read_char(&s, "-") ||
        !read_digits(&s, 2, &d.month) || !read_char(&s, "-") || !read_digits(&s, 2, &d.day) ||
        !read_char(&s, "Tt ") || !read_digits(&s, 2, &d.hour) || !read_char(&s, ":") ||
        !read_digits(&s, 2, &d.minute) || !read_char(&s, ":") || !read_digits(&s, 2, &d.second))
        return -1;
    if (read_char(&s, "."))
        while (read_char(&s, "0123456789"))
            continue;
    if (!read_offset(&s, &offset_us) || *s != '\0' || !date_valid(&d))
        return -1;
    return date_wall_us(&d) - offset_us;
}

static struct limit_report read_family(rate_header_fn get, const void *ctx, const char *family)
{
    char limit[64], remaining[64], reset[64];
    (void)snprintf(limit, sizeof(limit), "anthropic-ratelimit-%s-limit", family);
    (void)snprintf(remaining, sizeof(remaining), "anthropic-ratelimit-%s-remaining", family);
    (void)snprintf(reset, sizeof(reset), "anthropic-ratelimit-%s-reset", family);
    return (struct limit_report){.limit = read_count(get(ctx, limit)),
                                 .remaining = read_count(get(ctx, remaining)),
                                 .reset_us = read_time(get(ctx, reset))};
}

struct rate_report rate_headers_read(rate_header_fn get, const void *ctx, int64_t now_us)
{
    return (struct rate_report){.requests = read_family(get, ctx, "requests"),
                                .input = read_family(get, ctx, "input-tokens"),
                                .output = read_family(get, ctx, "output-tokens"),
                                .at_us = now_us};
}

struct rate_report rate_headers_none(void)
{
    const struct limit_report none = {-1, -1, -1};
    return (struct rate_report){.requests = none, .input = none, .output = none};
}
