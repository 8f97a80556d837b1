/* In: a table of metrics, what is counted and timed. Out: Prometheus' text format. A metric's
 * series are fixed by its table (one label, its values), or written at the scrape by whoever knows
 * them. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define METRICS_PREFIX "scriptorium_"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_TYPE_MAX };

struct metric {
    const char *name; /* without the prefix */
    enum metric_type type;
    const char *help;
    const char *labels[4]; /* NULL after the last */
    const char *const
        *series; /* values of the one label, when they are fixed; NULL after the last */
};

/* Live values of the metrics of one table, which must outlive it. */
struct metrics;
struct metrics *metrics_new(const struct metric *table, size_t n);
void metrics_free(struct metrics *m); /* takes NULL */

/* id: place in the table; series: place in its list, 0 without one. */
void metrics_add(struct metrics *m, size_t id, size_t series, int64_t n); /* counters */
/* Histograms of seconds: from half a millisecond to ten seconds. */
void metrics_observe(struct metrics *m, size_t id, size_t series, int64_t us);
/* A metric with all its live series. */
void metrics_put(const struct metrics *m, size_t id, struct buf *out);

/* A metric that the scrape knows: its head, then its samples; `values` of its labels, in order. */
void metric_put_head(const struct metric *metric, struct buf *out);
void metric_put_int(const struct metric *metric, const char *const *values, int64_t n,
                    struct buf *out);
void metric_put_seconds(const struct metric *metric, const char *const *values, int64_t us,
                        struct buf *out);

/* Several processes' metrics, texts of one table in one order, as one text: every sample carries
 * its process's place, as label `process`. NULL: nothing is known of that one. */
void metrics_merge(const char *const *texts, size_t n, struct buf *out);

/* The table as Markdown, for docs. */
void metrics_put_table(const struct metric *table, size_t n, struct buf *out);

#endif
