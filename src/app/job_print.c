/* In: a stored row. Out: JSON, a line, or a page. */
#include "app/job_print.h"

#include <inttypes.h>
#include <string.h>

#include "app/board.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "text/json.h"

static void put_string(struct buf *out, const char *name, const char *value)
{
    buf_putf(out, ",\"%s\":", name);
    if (value == NULL)
        buf_puts(out, "null");
    else
        json_put_string(out, value, strlen(value));
}

/* JSON kept by the store is passed on as it is; text that is none becomes a string. */
static void put_raw(struct buf *out, const char *name, const char *value)
{
    json_t *json = NULL;
    if (value == NULL || json_parse(value, strlen(value), JOB_PRINT_MAX, &json, NULL) != OK) {
        put_string(out, name, value);
        return;
    }
    json_decref(json);
    buf_putf(out, ",\"%s\":%s", name, value);
}

static void put_time(struct buf *out, const char *name, int64_t wall_us)
{
    char text[CLOCK_ISO_SIZE];
    put_string(out, name, wall_us > 0 ? clock_iso(wall_us, text) : NULL);
}

static void put_id(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    put_string(out, name, uuid_is_nil(id) ? NULL : uuid_text(id, text));
}

void job_put_json(struct buf *out, const struct store_job *job, bool everything)
{
    char id[UUID_TEXT_SIZE], dollars[FMT_SIZE];
    buf_putf(out, "{\"id\":\"%s\"", uuid_text(&job->id, id));
    put_id(out, "user_id", &job->user_id);
    put_id(out, "workflow_id", &job->workflow_id);
    put_string(out, "status", job_status_name(job->status));
    buf_putf(out,
             ",\"progress\":%d,\"current_chunk\":%d,\"total_chunks\":%d,\"retry_count\":%d,"
             "\"max_retries\":%d,\"priority\":%d",
             job->progress, job->current_chunk, job->total_chunks, job->retry_count,
             job->max_retries, job->priority);
    put_string(out, "current_step", job->current_step);
    put_string(out, "error_message", job->error_message);
    put_time(out, "created_at", job->created_us);
    put_time(out, "started_at", job->started_us);
    put_time(out, "completed_at", job->completed_us);
    put_time(out, "updated_at", job->updated_us);
    if (job->processing_seconds >= 0)
        buf_putf(out, ",\"processing_time_seconds\":%" PRId64, job->processing_seconds);
    else
        buf_puts(out, ",\"processing_time_seconds\":null");
    buf_putf(out,
             ",\"queued\":%s,\"run\":%d,\"position\":%d,\"input_tokens\":%" PRId64
             ",\"output_tokens\":%" PRId64 ",\"cost_usd\":%s",
             job->queued ? "true" : "false", job->run, job->position, job->input_tokens,
             job->output_tokens, fmt_dollars_json(job->cost_udollar, dollars));
    if (everything) {
        put_raw(out, "generation_params", job->params);
        put_raw(out, "script_metadata", job->metadata);
        put_string(out, "generated_script", job->script);
    }
    buf_puts(out, "}");
}

void job_put_line(struct buf *out, const struct store_job *job)
{
    char id[UUID_TEXT_SIZE], when[CLOCK_ISO_SIZE], cost[FMT_SIZE];
    (void)clock_iso(job->created_us, when);
    when[19] = '\0'; /* to the second */
    when[10] = ' ';
    buf_putf(out, "%s  %-10s %3d%%  %-27s %s  %9s\n", uuid_text(&job->id, id),
             job_status_name(job->status), job->progress,
             job->current_step != NULL ? job->current_step : "", when,
             fmt_money(job->cost_udollar, cost));
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        buf_putf(out, "%-12s %s\n", name, value);
}

static void put_when(struct buf *out, const char *name, int64_t wall_us)
{
    char text[CLOCK_ISO_SIZE];
    if (wall_us > 0)
        put_pair(out, name, clock_iso(wall_us, text));
}

void job_put_page(struct buf *out, const struct store_job *job)
{
    char text[UUID_TEXT_SIZE], a[FMT_SIZE], b[FMT_SIZE], c[FMT_SIZE];
    struct board_job named = {.progress = 0};
    board_topic(&named, job->params);
    put_pair(out, "id", uuid_text(&job->id, text));
    put_pair(out, "topic", named.topic);
    put_pair(out, "user", uuid_text(&job->user_id, text));
    buf_putf(out, "%-12s %s, %s, %d %%\n", "status", job_status_name(job->status),
             job->current_step != NULL ? job->current_step : "no step yet", job->progress);
    if (job->total_chunks > 0)
        buf_putf(out, "%-12s %d of %d\n", "chunk", job->current_chunk, job->total_chunks);
    if (job->position > 0)
        buf_putf(out, "%-12s %d\n", "in the queue", job->position);
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
