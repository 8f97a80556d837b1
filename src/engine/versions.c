/* In: the version of the pipeline that is active in the store, and the one each job began with.
 * Out: the pipeline that a run is made by. A version that cannot be read changes nothing. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"
#include "job/bundle.h"
#include "store/store_deployments.h"

#define LOOK_US (400 * USEC_PER_MSEC) /* a new version is taken within a second */
#define BLOCKED_US                                                                                 \
    (30 * USEC_PER_SEC) /* before a job of a version that we cannot read comes back */

struct version { /* one that was read from the store */
    struct version *prev, *next;
    int number;
    struct pipeline *pipeline;
    int users; /* runs */
};

static bool follows(const struct engine *e)
{
    return e->pipeline->deployment == 0;
}

/* ---- those in memory ---- */

static struct version *find(const struct engine *e, int number)
{
    struct version *v;
    DL_FOREACH (e->versions, v) {
        if (v->number == number)
            return v;
    }
    return NULL;
}

static void forget(struct engine *e, struct version *v)
{
    DL_DELETE(e->versions, v);
    pipeline_free(v->pipeline);
    free(v);
}

static void forget_unused(struct engine *e)
{
    struct version *v, *next;
    DL_FOREACH_SAFE (e->versions, v, next) {
        if (v->users == 0 && v->pipeline != e->current)
            forget(e, v);
    }
}

static const struct pipeline *built_in(const struct engine *e)
{
    return e->config.built_in != NULL ? e->config.built_in : e->pipeline;
}

/* Readable, and with models that this node has: others may have more in their catalogues. */
static enum err read_version(const struct engine *e, const char *content, struct pipeline **ret,
                             struct errmsg *msg)
{
    struct pipeline *p = NULL;
    enum err err = bundle_parse(content, strlen(content), &p, msg);
    if (err == OK)
        err = pipeline_check_models(p, e->catalog, msg);
    if (err == OK) {
        *ret = p;
        p = NULL;
    }
    pipeline_free(p);
    return err;
}

/* A version as the store gave it. NULL: we cannot use it, and *ret_why says why. */
static struct version *take(struct engine *e, const struct store_result *r, struct errmsg *ret_why)
{
    if (r->err != OK) {
        (void)err_set(ret_why, r->err, "%s", r->message);
        return NULL;
    }
    const struct store_deployment *d = &r->deployments[0];
    struct version *v = find(e, d->version);
    struct pipeline *p = NULL;
    if (v != NULL)
        return v;
    if (d->content == NULL || read_version(e, d->content, &p, ret_why) != OK)
        return NULL;
    p->deployment = d->version;
    v = mem_alloc(sizeof *v);
    *v = (struct version){.number = d->version, .pipeline = p};
    DL_APPEND(e->versions, v);
    return v;
}

int versions_current(const struct engine *e)
{
    return e->current->deployment;
}

int engine_pipeline(const struct engine *e, const char **ret_version)
{
    *ret_version = e->current->version;
    return e->current->deployment;
}

/* ---- the active one ---- */

static void look(void *ctx);

static void look_later(struct engine *e, int64_t wait_us)
{
    if (!engine_is_stopping(e))
        timer_set(e->loop, &e->version_timer, loop_now(e->loop) + wait_us, look, e);
}

/* The first look comes before the first claim. */
static void looked(struct engine *e)
{
    e->version_asked = -1;
    look_later(e, LOOK_US);
    if (e->stage == ENGINE_OPENING && !e->versions_known) {
        e->versions_known = true;
        versions_opened(e);
    }
}

static void on_told(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    if (r->err != OK)
        e->version_told = -1; /* with the next look; a lost lease is opened with the version */
    engine_op_done(e);
}

/* What this worker claims from now on begins with the current version. */
static void tell_store(struct engine *e)
{
    if (e->stage != ENGINE_RUNNING || e->version_told == versions_current(e))
        return;
    e->version_told = versions_current(e);
    e->ops++;
    store_worker_version(e->store, &e->worker, e->version_told, on_told, e);
}

static void adopt(struct engine *e, const struct pipeline *p)
{
    if (p == e->current)
        return;
    e->current = p;
    forget_unused(e);
    log_info(NULL, "pipeline version %d (%s %s) from now on; jobs that have begun keep theirs",
             p->deployment, p->name, p->version);
    tell_store(e);
}

static void ask_for(struct engine *e, int number);

/* At the start there is no last good one: the version it replaced, and so on, down to 0. */
static bool ask_before(struct engine *e, const struct store_result *r)
{
    if (e->versions_known || r->err != OK || ++e->version_tries > STORE_BATCH_MAX)
        return false;
    int before = r->deployments[0].replaced;
    if (before <= 0 || before == e->version_asked)
        return false;
    ask_for(e, before);
    return true;
}

static void on_version(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    struct errmsg why = {""};
    if (engine_is_stopping(e)) {
        /* nothing begins any more */
    } else if (r->err != ERR_NOT_FOUND && engine_store_failed(e, r)) {
        e->version_asked = e->version_seen = -1;
        look_later(e, LOOK_US);
    } else {
        struct version *v = take(e, r, &why);
        if (v != NULL) {
            adopt(e, v->pipeline);
        } else {
            log_error(NULL,
                      "pipeline version %d cannot be used by this program (scriptorium "
                      "" SCRIPTORIUM_VERSION "): %s; it goes on with what it has: upgrade it, or "
                      "run `scriptorium rollback`",
                      e->version_asked, why.text);
            if (ask_before(e, r)) {
                engine_op_done(e);
                return;
            }
        }
        looked(e);
    }
    engine_op_done(e);
}

static void ask_for(struct engine *e, int number)
{
    e->version_asked = number;
    e->ops++;
    store_deployment_get(e->store, number, on_version, e);
}

static void on_active(void *ctx, const struct store_result *r)
{
    struct engine *e = ctx;
    if (engine_is_stopping(e)) {
        /* nothing begins any more */
    } else if (engine_store_failed(e, r)) {
        look_later(e, LOOK_US);
    } else if (r->version == e->version_seen) { /* read, or refused and told */
        tell_store(e);
        looked(e);
    } else {
        e->version_seen = r->version;
        struct version *v = find(e, r->version);
        if (r->version != 0 && v == NULL) {
            ask_for(e, r->version);
        } else {
            adopt(e, v != NULL ? v->pipeline : built_in(e));
            looked(e);
        }
    }
    engine_op_done(e);
}

static void look(void *ctx)
{
    struct engine *e = ctx;
    if (e->version_asked >= 0)
        return; /* its answer looks again */
    e->ops++;
    store_deployment_active(e->store, on_active, e);
}

void versions_open(struct engine *e)
{
    e->stage = ENGINE_OPENING;
    e->version_asked = e->version_told = e->version_seen = -1;
    if (follows(e))
        look(e);
    else
        versions_opened(e);
}

void versions_stop(struct engine *e)
{
    timer_stop(e->loop, &e->version_timer);
}

void versions_free(struct engine *e)
{
    struct version *v, *next;
    DL_FOREACH_SAFE (e->versions, v, next)
        forget(e, v);
}

/* ---- that of a run ---- */

static void use(struct run *r, struct version *v)
{
    v->users++;
    r->version = v;
    r->pipeline = v->pipeline;
}

void versions_drop(struct run *r)
{
    struct version *v = r->version;
    r->version = NULL;
    if (v != NULL && --v->users == 0 && v->pipeline != r->engine->current)
        forget(r->engine, v);
}

/* Another program may read it, or this one when it is upgraded; nothing is burned. */
static void release_blocked(struct run *r, const char *why)
{
    char *text =
        mem_printf("the job began with pipeline version %d, which this program (scriptorium "
                   "" SCRIPTORIUM_VERSION ") cannot use: %s",
                   r->wanted_version, why);
    log_error(r->name, "%s; upgrade it, or cancel the job and run it again", text);
    run_release(r, BLOCKED_US, text);
    free(text);
}

static void ask_for_run(void *ctx);

static void on_run_version(void *ctx, const struct store_result *result)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    struct errmsg why = {""};
    if (r->stage != RUN_LOADING) {
        /* lost meanwhile */
    } else if (engine_is_stopping(e)) {
        run_release(r, 0, NULL);
    } else if (result->err != ERR_NOT_FOUND && engine_store_failed(e, result)) {
        timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US, ask_for_run,
                  r);
    } else {
        struct version *v = take(e, result, &why);
        if (v != NULL) {
            use(r, v);
            run_resume(r);
        } else {
            release_blocked(r, why.text);
        }
    }
    run_op_done(r);
}

static void ask_for_run(void *ctx)
{
    struct run *r = ctx;
    run_op_begin(r);
    store_deployment_get(r->engine->store, r->wanted_version, on_run_version, r);
}

bool versions_use(struct run *r, int number)
{
    struct engine *e = r->engine;
    if (r->pipeline != NULL)
        return true;
    struct version *v = find(e, number);
    if (v != NULL) {
        use(r, v);
    } else if (number > 0) {
        r->wanted_version = number;
        ask_for_run(r);
        return false;
    } else {
        r->pipeline = number == 0 ? built_in(e) : e->pipeline;
    }
    return true;
}
