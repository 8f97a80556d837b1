/* In: stored rows. Out: how `jobs` prints them for people. */
#ifndef APP_JOB_PRINT_H
#define APP_JOB_PRINT_H

#include "api/figures.h"
#include "base/buf.h"
#include "store/store.h"

#define JOB_PRINT_MAX ((size_t)256 << 20)

void job_put_head(struct buf *out);                              /* of a list */
void job_put_line(struct buf *out, const struct store_job *job); /* one of it */
void job_put_page(struct buf *out, const struct store_job *job, const struct estimate *e);

#endif
