/* In: settings. Out: models, pipeline, provider and pacer. */
#include "app/workshop.h"

#include <stdlib.h>
#include <string.h>

#include "app/models_files.h"
#include "app/outbound.h"
#include "app/pipeline_files.h"
#include "app/pipeline_folder.h"
#include "base/clock.h"
#include "base/embed.h"
#include "base/mem.h"

#define ANTHROPIC_URL "https://api.anthropic.com"
#define SIMULATED_KEY "simulated"

int workshop_catalog(const struct invocation *inv, struct catalog **ret_catalog)
{
    const char *file = inv->set.models;
    struct errmsg msg = {""};
    enum err e;
    if (file == NULL) {
        e = catalog_parse((const char *)models_files[0].data, models_files[0].len,
                          models_files[0].name, ret_catalog, &msg);
    } else {
        char *text = NULL;
        size_t n = 0;
        e = settings_read_file(file, YAML_SIZE_MAX, &text, &n, &msg);
        if (e == OK)
            e = catalog_parse(text, n, file, ret_catalog, &msg);
        free(text);
    }
    return e == OK ? EXIT_DONE : command_fail(inv, EXIT_USAGE, "%s", msg.text);
}

/* ---- the pipeline ---- */

enum err workshop_built_in(struct pipeline **ret_pipeline, struct errmsg *msg)
{
    struct pipeline_file *files = mem_array(pipeline_files_count, sizeof *files);
    for (size_t i = 0; i < pipeline_files_count; i++)
        files[i] = (struct pipeline_file){
            pipeline_files[i].name, (const char *)pipeline_files[i].data, pipeline_files[i].len};
    enum err e = pipeline_parse(files, pipeline_files_count, ret_pipeline, msg);
    if (e == OK)
        (*ret_pipeline)->deployment = 0;
    free(files);
    return e;
}

/* ---- the provider ---- */

static enum err simulator(struct workshop *w, struct context *c, struct errmsg *msg)
{
    const struct settings *set = &c->inv->set;
    struct sim_config config = {.host = "127.0.0.1",
                                .seed = (uint64_t)set->seed,
                                .speed = set->speed,
                                .catalog = w->catalog};
    return sim_new(c->loop, &config, &w->sim, msg);
}

static enum err provider(struct workshop *w, struct context *c, struct errmsg *msg)
{
    const struct settings *set = &c->inv->set;
    struct messages_config config = {.base_url = set->base_url,
                                     .api_key = set->api_key,
                                     .header_timeout_us = set->header_timeout_us,
                                     .idle_timeout_us = set->idle_timeout_us,
                                     .progress_timeout_us = set->progress_timeout_us};
    enum err e = outbound_client(c, 0, &w->http, msg);
    if (e == OK && set->api_key == NULL) {
        e = simulator(w, c, msg);
        config.api_key = SIMULATED_KEY;
        config.name = "simulated";
        config.base_url = w->sim != NULL ? sim_url(w->sim) : NULL;
    } else if (config.base_url == NULL) {
        config.base_url = ANTHROPIC_URL;
    }
    if (e == OK)
        e = provider_messages_new(c->loop, w->http, &config, &w->provider, msg);
    return e;
}

int workshop_open(struct workshop *w, struct context *c)
{
    const struct settings *set = &c->inv->set;
    struct errmsg msg = {""};
    memset(w, 0, sizeof *w);
    if (set->api_key == NULL && set->base_url != NULL)
        return command_fail(c->inv, EXIT_USAGE,
                            "ANTHROPIC_BASE_URL is set but ANTHROPIC_API_KEY is not; set both, or "
                            "neither for the simulated provider");
    int code = workshop_catalog(c->inv, &w->catalog);
    if (code != EXIT_DONE)
        return code;
    enum err e = workshop_built_in(&w->built_in, &msg);
    w->pipeline = w->built_in;
    if (e == OK && set->pipeline != NULL)
        e = pipeline_folder_load(set->pipeline, w->catalog, &w->pipeline, &msg);
    if (e != OK) {
        workshop_close(w);
        return command_fail(c->inv, EXIT_USAGE, "%s", msg.text);
    }
    e = provider(w, c, &msg);
    if (e != OK) {
        workshop_close(w);
        return command_fail(c->inv, e == ERR_INVALID ? EXIT_USAGE : EXIT_WORK_FAILED, "%s",
                            msg.text);
    }
    struct pacer_config pace = {.requests = set->rpm,
                                .input_tokens = set->itpm,
                                .output_tokens = set->otpm,
                                .burst_us = 2 * USEC_PER_SEC,
                                .max_running = (int)set->max_calls};
    w->pacer = pacer_new(&pace);
    return EXIT_DONE;
}

struct engine_config workshop_engine(const struct workshop *w, const struct context *c)
{
    const struct settings *set = &c->inv->set;
    return (struct engine_config){.ceiling = {.duration_s = set->job_duration_max_us / USEC_PER_SEC,
                                              .cost_udollar = (int64_t)(set->job_cost_max * 1e6),
                                              .age_us = set->job_age_max_us},
                                  .cap_per_user = (int)set->cap_per_user,
                                  .day_cap_udollar = (int64_t)(set->budget_day_usd * 1e6),
                                  .user_day_cap_udollar = (int64_t)(set->budget_user_day_usd * 1e6),
                                  .lease_us = set->lease_us,
                                  .grace_us = set->grace_us,
                                  .sole = !c->shared,
                                  .built_in = w->built_in};
}

void workshop_close(struct workshop *w)
{
    pacer_free(w->pacer);
    provider_free(w->provider);
    http_client_free(w->http);
    sim_free(w->sim);
    if (w->pipeline != w->built_in)
        pipeline_free(w->pipeline);
    pipeline_free(w->built_in);
    catalog_free(w->catalog);
    memset(w, 0, sizeof *w);
}
