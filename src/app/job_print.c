/* In: a stored row. Out: a line, or a page. */
#include "app/job_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/board.h"
#include "app/fmt.h"
#include "base/clock.h"

void job_put_head(struct buf *out, int64_t now_us)
{
    buf_putf(out, "%-36s  %-10s done  %-27s %-19s  %9s\n", "job", "status", "step",
             now_us > 0 ? "seconds since start" : "created (UTC)", "cost");
}

static const char *when_of(const struct store_job *job, int64_t now_us, char *out)
{
    if (now_us > 0 && job->started_us > 0) {
        (void)snprintf(out, CLOCK_ISO_SIZE, "%19" PRId64,
                       (now_us - job->started_us) / USEC_PER_SEC);
    } else {
        (void)clock_iso(job->created_us, out);
        out[19] = '\0'; /* to the second */
        out[10] = ' ';
    }
    return out;
}

void job_put_line(struct buf *out, const struct store_job *job, int64_t now_us)
{
    char id[UUID_TEXT_SIZE], when[CLOCK_ISO_SIZE], cost[FMT_SIZE];
    buf_putf(out, "%s  %-10s %3d%%  ", uuid_text(&job->id, id), job_status_name(job->status),
             job->progress);
    fmt_fit(out, job->current_step != NULL ? job->current_step : "", 27);
    buf_putf(out, " %-19s  %9s\n", when_of(job, now_us, when), fmt_money(job->cost_udollar, cost));
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_putf(out, "%-12s ", name);
    buf_put_plain(out, value);
    buf_puts(out, "\n");
}

static void put_when(struct buf *out, const char *name, int64_t wall_us)
{
    char text[CLOCK_ISO_SIZE];
    if (wall_us > 0)
        put_pair(out, name, clock_iso(wall_us, text));
}

void job_put_page(struct buf *out, const struct store_job *job, const struct estimate *e)
{
    char text[UUID_TEXT_SIZE], a[FMT_SIZE], b[FMT_SIZE], c[FMT_SIZE];
    struct board_job named = {.progress = 0};
    board_topic(&named, job->params);
    put_pair(out, "id", uuid_text(&job->id, text));
    put_pair(out, "topic", named.topic);
    put_pair(out, "user", uuid_text(&job->user_id, text));
    buf_putf(out, "%-12s %s, ", "status", job_status_name(job->status));
    buf_put_plain(out, job->current_step != NULL ? job->current_step : "no step yet");
    buf_putf(out, ", %d %%\n", job->progress);
    if (job->total_chunks > 0)
        buf_putf(out, "%-12s %d of %d\n", "chunk", job->current_chunk, job->total_chunks);
    if (job->position > 0)
        buf_putf(out, "%-12s %d\n", "in the queue", job->position);
    if (job->status == JOB_PENDING)
        put_when(out, "will start", e->start_us);
    put_when(out, "will finish", e->finish_us);
    put_pair(out, "error", job->error_message);
    buf_putf(out, "%-12s %d of %d\n", "retries", job->retry_count, job->max_retries);
    buf_putf(out, "%-12s %d\n", "priority", job->priority);
    put_when(out, "created", job->created_us);
    put_when(out, "started", job->started_us);
    put_when(out, "completed", job->completed_us);
    if (job->processing_seconds >= 0)
        buf_putf(out, "%-12s %" PRId64 " s\n", "worked", job->processing_seconds);
    buf_putf(out, "%-12s %s in, %s out, %s\n", "tokens", fmt_count(job->input_tokens, a),
             fmt_count(job->output_tokens, b), fmt_money(job->cost_udollar, c));
}
