/* In: a store. Out: the active version of the pipeline, read and checked. */
#include "app/deployed.h"

#include <stdio.h>
#include <string.h>

#include "job/bundle.h"
#include "store/store_deployments.h"

struct reader {
    const struct catalog *catalog;
    struct deployed found;
};

static void take_version(void *ctx, const struct store_result *r)
{
    struct reader *reader = ctx;
    reader->found.version = r->version;
}

static void take_content(void *ctx, const struct store_result *r)
{
    struct reader *reader = ctx;
    struct deployed *d = &reader->found;
    const char *text = r->deployments[0].content;
    struct pipeline *p = NULL;
    enum err e = text != NULL ? bundle_parse(text, strlen(text), &p, &d->unusable)
                              : err_set(&d->unusable, ERR_INVALID, "it has no files");
    if (e == OK)
        e = pipeline_check_models(p, reader->catalog, &d->unusable);
    if (e == OK && p != NULL) {
        p->deployment = d->version;
        d->pipeline = p;
        p = NULL;
    }
    pipeline_free(p);
}

enum err deployed_read(struct context *c, const struct catalog *catalog,
                       struct deployed *ret_deployed, struct errmsg *msg)
{
    struct reader reader = {.catalog = catalog};
    struct answer a = answer_new(c, take_version, &reader);
    store_deployment_active(c->store, answer_take, &a);
    enum err e = answer_await(&a);
    if (e == OK && reader.found.version > 0) {
        a = answer_new(c, take_content, &reader);
        store_deployment_get(c->store, reader.found.version, answer_take, &a);
        e = answer_await(&a);
    }
    if (e != OK)
        return err_set(msg, e, "%s", a.msg.text);
    *ret_deployed = reader.found;
    return OK;
}
