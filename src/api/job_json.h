/* In: a stored row, and what else is known of the job. Out: its JSON, the same for the API and for
 * `scriptorium jobs --json`. */
#ifndef API_JOB_JSON_H
#define API_JOB_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

/* A page of STORE_BATCH_MAX jobs, or one whose texts are as long as they may be and all escapes.
 * Longer texts, which only another program can have written, are cut or left out. */
#define JOB_JSON_MAX ((size_t)512 << 20)

/* The row as one object; `everything`: with the request, the script and its metadata. */
void job_json_put(struct buf *out, const struct store_job *job, bool everything);
/* The same without the closing brace, for members that the caller adds. */
void job_json_open(struct buf *out, const struct store_job *job, bool everything);

/* ,"name":"..." or ,"name":null */
void job_json_put_string(struct buf *out, const char *name, const char *value);
void job_json_put_note(struct buf *out, const char *name, const char *value); /* cut at 4 KiB */
void job_json_put_time(struct buf *out, const char *name, int64_t wall_us);   /* 0 = null */
/* One step as an object, without its text. */
void job_json_put_step(struct buf *out, const struct store_step *step);
/* ,"steps":[...] without their texts. */
void job_json_put_steps(struct buf *out, const struct store_step *steps, size_t n);

#endif
