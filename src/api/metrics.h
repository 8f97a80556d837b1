/* In: what happens in the daemon. Out: counts and times for GET /metrics. Private to api. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/impl.h"
#include "api/metric_table.h"

#define METRICS_MAX ((size_t)1 << 20) /* of one process */

/* From now on the store's answers and the loop's lag are timed. */
void api_metrics_start(struct api *api);
void api_metrics_stop(struct api *api); /* harmless before the start */

/* What this process counts and times, and its provider's limits. */
void metrics_put_process(const struct api *api, struct buf *out);

/* metrics_crew.c: from now on the others know them, too; those of all, this one's as they are now.
 */
void metrics_crew_start(struct api *api);
void metrics_crew_stop(struct api *api);
void metrics_crew_put(const struct api *api, struct buf *out);

#endif
