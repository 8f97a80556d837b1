/* In: schedules, their runs, and how people write them. Out: JSON, the same for the API and the
 * commands; or what is wrong. */
#ifndef API_SCHEDULE_JSON_H
#define API_SCHEDULE_JSON_H

#include "base/buf.h"
#include "store/store.h"
#include "store/store_schedules.h"

#define SCHEDULES_JSON_MAX ((size_t)16 << 20)

/* "skip", "once", "all:N". */
enum err schedule_read_missed(const char *text, struct store_schedule *schedule,
                              struct errmsg *msg) MUST_CHECK;
#define SCHEDULE_MISSED_SIZE 16
char *schedule_missed(const struct store_schedule *s, char *out); /* returns `out` */

/* Name, expression and worker id are such as can be kept. */
enum err schedule_check(const struct store_schedule *s, struct errmsg *msg) MUST_CHECK;

const char *schedule_run_state(enum store_run_state state);
/* One object each. */
void schedule_put_json(struct buf *out, const struct store_schedule *s);
void schedule_put_sql(struct buf *out, const struct store_schedule *s); /* one of cron.job */
void schedule_put_run(struct buf *out, const struct store_run *run);

#endif
