/* In: the store's counts. Out: JSON. */
#include "api/stats_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

char *dollars_text(int64_t udollar, char *out)
{
    uint64_t n = udollar < 0 ? -(uint64_t)udollar : (uint64_t)udollar;
    (void)snprintf(out, DOLLARS_SIZE, "%s%" PRIu64 ".%06" PRIu64, udollar < 0 ? "-" : "",
                   n / 1000000, n % 1000000);
    return out;
}

static void put_jobs(struct buf *out, const struct store_stats *s)
{
    buf_puts(out, "{\"jobs\":{");
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        buf_putf(out, "%s\"%s\":%" PRId64, i > 0 ? "," : "", job_status_name((enum job_status)i),
                 s->count[i]);
    buf_puts(out, "},\"last_hour\":{");
    for (int i = 0; i < JOB_STATUS_MAX; i++) {
        buf_putf(out, "%s\"%s\":{\"count\":%" PRId64 ",\"average_seconds\":", i > 0 ? "," : "",
                 job_status_name((enum job_status)i), s->recent[i]);
        if (s->recent_seconds[i] >= 0)
            buf_putf(out, "%.3f}", s->recent_seconds[i]);
        else
            buf_puts(out, "null}");
    }
}

void stats_put_json(struct buf *out, const struct store_stats *s)
{
    char dollars[DOLLARS_SIZE], today[DOLLARS_SIZE], reserved[DOLLARS_SIZE];
    put_jobs(out, s);
    buf_putf(out,
             "},\"queue\":{\"due\":%" PRId64 ",\"delayed\":%" PRId64 ",\"running\":%" PRId64
             ",\"foreign\":%" PRId64 "},",
             s->due, s->delayed, s->running, s->foreign);
    buf_putf(out,
             "\"calls\":%" PRId64 ",\"calls_estimated\":%" PRId64 ",\"tokens\":{\"input\":%" PRId64
             ",\"output\":%" PRId64 ",\"cache_read\":%" PRId64 ",\"cache_write\":%" PRId64
             "},\"cost_usd\":%s,\"today\":{\"cost_usd\":%s,\"reserved_usd\":%s},\"paused\":%s,"
             "\"paused_since\":",
             s->calls, s->calls_estimated, s->usage.input, s->usage.output, s->usage.cache_read,
             s->usage.cache_write_5m + s->usage.cache_write_1h,
             dollars_text(s->cost_udollar, dollars), dollars_text(s->today_udollar, today),
             dollars_text(s->today_reserved_udollar, reserved), s->paused ? "true" : "false");
    char since[CLOCK_ISO_SIZE];
    if (s->paused_since_us > 0)
        buf_putf(out, "\"%s\"}", clock_iso(s->paused_since_us, since));
    else
        buf_puts(out, "null}");
}
