/* In: versions of the pipeline. Out: them as JSON. */
#include "api/deployment_json.h"

#include "api/job_json.h"
#include "store/store_deployments.h"

static void put_one(struct buf *out, const struct store_deployment *d)
{
    buf_putf(out, "{\"version\":%d", d->version);
    job_json_put_string(out, "name", d->name);
    job_json_put_string(out, "hash", d->hash);
    job_json_put_time(out, "deployed_at", d->at_us);
    job_json_put_string(out, "deployed_by", d->by);
    job_json_put_string(out, "program", d->program);
    job_json_put_string(out, "note", d->note);
    if (d->version > 0)
        buf_putf(out, ",\"replaced\":%d", d->replaced);
    else
        buf_puts(out, ",\"replaced\":null");
    buf_putf(out, ",\"active\":%s}", d->active ? "true" : "false");
}

void deployments_put_json(struct buf *out, const struct store_result *r)
{
    struct store_deployment built_in = {.name = "built-in", .active = true};
    int active = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->deployments[i].active)
            active = r->deployments[i].version;
    }
    built_in.active = active == 0;
    buf_putf(out, "{\"active\":%d,\"deployments\":[", active);
    for (size_t i = 0; i < r->n; i++) {
        put_one(out, &r->deployments[i]);
        buf_puts(out, ",");
    }
    put_one(out, &built_in);
    buf_puts(out, "]}");
}
