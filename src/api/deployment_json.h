/* In: versions of the pipeline. Out: them as JSON, the same for the API and the commands. */
#ifndef API_DEPLOYMENT_JSON_H
#define API_DEPLOYMENT_JSON_H

#include "base/buf.h"
#include "store/store.h"

#define DEPLOYMENTS_JSON_MAX ((size_t)32 << 20)

/* {"active": N, "deployments": [...]}, the built-in version 0 at the end. */
void deployments_put_json(struct buf *out, const struct store_result *r);

#endif
