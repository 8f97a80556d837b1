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

static int64_t read_time(const char *text)
{
    int64_t us;
    return text != NULL && date_parse(text, &us) ? us : -1;
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
