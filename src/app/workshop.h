/* In: settings. Out: all that the engine makes scripts with: models, pipeline, provider, pacer. */
#ifndef APP_WORKSHOP_H
#define APP_WORKSHOP_H

#include "app/context.h"
#include "engine/engine.h"
#include "job/pipeline.h"
#include "job/price.h"
#include "provider/pacer.h"
#include "provider/provider.h"
#include "provider/sim/sim.h"

struct workshop {
    struct catalog *catalog;
    struct pipeline *pipeline; /* of --pipeline, else built_in */
    struct pipeline *built_in; /* version 0 */
    struct http_client *http;
    struct sim *sim; /* when no key is configured */
    struct provider *provider;
    struct pacer *pacer;
};

/* What run and serve tell their engines alike; slots, name and scaling are their own. */
struct engine_config workshop_engine(const struct workshop *w, const struct context *c);

/* EXIT_DONE, or another exit code after one line on standard error. */
int workshop_open(struct workshop *w, struct context *c);
void workshop_close(struct workshop *w); /* takes one that was not opened */

/* The pipeline that the program carries. Owned. */
enum err workshop_built_in(struct pipeline **ret_pipeline, struct errmsg *msg) MUST_CHECK;

/* --models, or the built-in ones; also for simulate. Owned. */
int workshop_catalog(const struct invocation *inv, struct catalog **ret_catalog);

#endif
