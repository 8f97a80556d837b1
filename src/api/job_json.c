/* In: stored rows. Out: their JSON. */
#include "api/job_json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/stats_json.h"
#include "base/clock.h"
#include "text/json.h"

#define NOTE_MAX 4096 /* of a step's name or an error in the row */

static void put_cut(struct buf *out, const char *name, const char *value, size_t max)
{
    buf_putf(out, ",\"%s\":", name);
    if (value == NULL)
        buf_puts(out, "null");
    else
        json_put_string(out, value, strnlen(value, max));
}

void job_json_put_note(struct buf *out, const char *name, const char *value)
{
    put_cut(out, name, value, NOTE_MAX);
}

void job_json_put_string(struct buf *out, const char *name, const char *value)
{
    put_cut(out, name, value, STORE_TEXT_MAX);
}

/* JSON kept by the store is passed on as it is; text that is none becomes a string. */
static void put_raw(struct buf *out, const char *name, const char *value)
{
    json_t *json = NULL;
    if (value == NULL || json_parse_wide(value, strlen(value), STORE_TEXT_MAX, &json, NULL) != OK) {
        job_json_put_string(out, name, value);
        return;
    }
    json_decref(json);
    buf_putf(out, ",\"%s\":%s", name, value);
}

void job_json_put_time(struct buf *out, const char *name, int64_t wall_us)
{
    char text[CLOCK_ISO_SIZE];
    job_json_put_string(out, name, wall_us > 0 ? clock_iso(wall_us, text) : NULL);
}

static void put_id(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    job_json_put_string(out, name, uuid_is_nil(id) ? NULL : uuid_text(id, text));
}

static void put_usage(struct buf *out, int64_t input, int64_t output, int64_t cache_read,
                      int64_t cache_write)
{
    buf_putf(out,
             ",\"usage\":{\"input\":%" PRId64 ",\"output\":%" PRId64 ",\"cacheRead\":%" PRId64
             ",\"cacheWrite\":%" PRId64 "}",
             input, output, cache_read, cache_write);
}

static void put_estimate(struct buf *out, const struct estimate *e)
{
    job_json_put_time(out, "estimated_start", e->start_us);
    job_json_put_time(out, "estimated_finish", e->finish_us);
}

static void open_row(struct buf *out, const struct store_job *job, const struct estimate *e)
{
    char id[UUID_TEXT_SIZE], dollars[DOLLARS_SIZE];
    buf_putf(out, "{\"id\":\"%s\"", uuid_text(&job->id, id));
    put_id(out, "user_id", &job->user_id);
    put_id(out, "workflow_id", &job->workflow_id);
    job_json_put_string(out, "status", job_status_name(job->status));
    buf_putf(out,
             ",\"progress\":%d,\"current_chunk\":%d,\"total_chunks\":%d,\"retry_count\":%d,"
             "\"max_retries\":%d,\"priority\":%d",
             job->progress, job->current_chunk, job->total_chunks, job->retry_count,
             job->max_retries, job->priority);
    put_cut(out, "current_step", job->current_step, NOTE_MAX);
    put_cut(out, "error_message", job->error_message, NOTE_MAX);
    job_json_put_time(out, "created_at", job->created_us);
    job_json_put_time(out, "started_at", job->started_us);
    job_json_put_time(out, "completed_at", job->completed_us);
    job_json_put_time(out, "updated_at", job->updated_us);
    if (job->processing_seconds >= 0)
        buf_putf(out, ",\"processing_time_seconds\":%" PRId64, job->processing_seconds);
    else
        buf_puts(out, ",\"processing_time_seconds\":null");
    buf_putf(out, ",\"queued\":%s,\"run\":%d,\"position\":%d", job->queued ? "true" : "false",
             job->run, job->position);
    put_estimate(out, e);
    buf_putf(out, ",\"input_tokens\":%" PRId64 ",\"output_tokens\":%" PRId64 ",\"cost_usd\":%s",
             job->input_tokens, job->output_tokens, dollars_text(job->cost_udollar, dollars));
    put_usage(out, job->input_tokens - job->cache_read - job->cache_write, job->output_tokens,
              job->cache_read, job->cache_write);
}

void job_json_open(struct buf *out, const struct store_job *job, const struct estimate *e)
{
    open_row(out, job, e);
    put_raw(out, "generation_params", job->params);
    put_raw(out, "script_metadata", job->metadata);
    job_json_put_string(out, "generated_script", job->script);
}

void job_json_open_new(struct buf *out, const struct store_job *job, const struct estimate *e)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, "{\"id\":\"%s\"", uuid_text(&job->id, id));
    job_json_put_string(out, "status", job_status_name(job->status));
    buf_putf(out, ",\"position\":%d", job->position);
    put_estimate(out, e);
}

/* ---- a page ---- */

/* PLACE.ID of the last job. It says where to go on whatever became of that job. */
static void put_cursor(struct buf *out, const struct store_job *last)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, ",\"next_cursor\":\"%" PRId64 ".%s\"", last->listed_at, uuid_text(&last->id, id));
}

enum err job_cursor_parse(const char *text, struct store_filter *filter)
{
    char *dot = NULL;
    errno = 0;
    long long at = isdigit((unsigned char)text[0]) ? strtoll(text, &dot, 10) : 0;
    if (dot == NULL || errno != 0 || *dot != '.' ||
        uuid_parse(dot + 1, strlen(dot + 1), &filter->after) != OK)
        return ERR_INVALID;
    filter->after_at = at;
    return OK;
}

void job_json_put_page(struct buf *out, const struct store_job *jobs, size_t n, size_t limit,
                       const struct estimate *each)
{
    buf_puts(out, "\"jobs\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? "," : "");
        open_row(out, &jobs[i], &each[i]);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
    if (n > 0 && n == limit)
        put_cursor(out, &jobs[n - 1]);
    else
        buf_puts(out, ",\"next_cursor\":null");
}

/* ---- steps ---- */

void job_json_put_step(struct buf *out, const struct store_step *step)
{
    char dollars[DOLLARS_SIZE];
    const struct usage *u = &step->usage;
    buf_puts(out, "{\"key\":");
    json_put_string(out, step->key, strlen(step->key));
    job_json_put_string(out, "stop", step->stop);
    job_json_put_string(out, "model", step->model);
    job_json_put_time(out, "started_at", step->started_us);
    job_json_put_time(out, "ended_at", step->ended_us);
    put_usage(out, u->input, u->output, u->cache_read, u->cache_write_5m + u->cache_write_1h);
    buf_putf(out, ",\"cost_usd\":%s}", dollars_text(step->cost_udollar, dollars));
}

void job_json_put_steps(struct buf *out, const struct store_step *steps, size_t n)
{
    buf_puts(out, ",\"steps\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? "," : "");
        job_json_put_step(out, &steps[i]);
    }
    buf_puts(out, "]");
}
