/* In: stored rows, and what else is known of the jobs. Out: their JSON, the same for the API and
 * for commands with --json; the cursor of a page. */
#ifndef API_JOB_JSON_H
#define API_JOB_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "api/figures.h"
#include "base/buf.h"
#include "store/store.h"

/* A page of STORE_BATCH_MAX jobs, or one whose texts are as long as they may be and all escapes.
 * Longer texts, which only another program can have written, are cut or left out. */
#define JOB_JSON_MAX ((size_t)512 << 20)

/* Both without the closing brace, for members that the caller adds: one job with the request, the
 * script and its metadata (job_json_put_steps() comes next); one that was just asked for. */
void job_json_open(struct buf *out, const struct store_job *job, const struct estimate *e);
void job_json_open_new(struct buf *out, const struct store_job *job, const struct estimate *e);
/* "jobs":[...],"next_cursor":...: rows without their texts and steps. `limit`: of the page. */
void job_json_put_page(struct buf *out, const struct store_job *jobs, size_t n, size_t limit,
                       const struct estimate *each);
/* A next_cursor, into `after` of a filter. ERR_INVALID: it is none. */
enum err job_cursor_parse(const char *text, struct store_filter *filter) MUST_CHECK;

/* ,"name":"..." or ,"name":null */
void job_json_put_string(struct buf *out, const char *name, const char *value);
void job_json_put_note(struct buf *out, const char *name, const char *value); /* cut at 4 KiB */
void job_json_put_time(struct buf *out, const char *name, int64_t wall_us);   /* 0 = null */
/* ,"steps":[...] without their texts; one of them as an object. */
void job_json_put_steps(struct buf *out, const struct store_step *steps, size_t n);
void job_json_put_step(struct buf *out, const struct store_step *step);

#endif
