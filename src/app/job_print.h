/* In: stored rows. Out: how `jobs` prints them for people. */
#ifndef APP_JOB_PRINT_H
#define APP_JOB_PRINT_H

#include "api/figures.h"
#include "base/buf.h"
#include "store/store.h"

#define JOB_PRINT_MAX ((size_t)256 << 20)

/* A list's head, and one job of it. now_us: with the seconds since it was started instead of
 * when it was asked for; 0 = not. */
void job_put_head(struct buf *out, int64_t now_us);
void job_put_line(struct buf *out, const struct store_job *job, int64_t now_us);
void job_put_page(struct buf *out, const struct store_job *job, const struct estimate *e);

#endif
