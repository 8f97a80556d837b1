/* In: what happens in the daemon. Out: counts and times for GET /metrics. Private to api. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/impl.h"
#include "api/metric_table.h"

/* From now on the store's answers and the loop's lag are timed. */
void api_metrics_start(struct api *api);
void api_metrics_stop(struct api *api); /* harmless before the start */

#endif
