/* In: a level, an event and its fields. Out: one line on stderr, text or JSON. Only the layer that
 * decides logs; lower layers return errors. Never pass a secret. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_MAX };

void log_set_level(enum log_level level); /* default LOG_INFO */
void log_set_json(bool json);             /* default text */
void log_set_worker(const char *name);    /* in each JSON record from now on; copied, cut at 63 */
enum err log_level_parse(const char *name, enum log_level *ret) MUST_CHECK; /* "info" ... */

struct log_subject { /* ids in text, and more than the message says; each may be NULL */
    const char *job, *invocation, *details;
};
void log_about(enum log_level level, const struct log_subject *about, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `job` is a job id in text or NULL. */
void log_write(enum log_level level, const char *job, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(job, ...) log_write(LOG_DEBUG, job, __VA_ARGS__)
#define log_info(job, ...)  log_write(LOG_INFO, job, __VA_ARGS__)
#define log_warn(job, ...)  log_write(LOG_WARN, job, __VA_ARGS__)
#define log_error(job, ...) log_write(LOG_ERROR, job, __VA_ARGS__)

#endif
