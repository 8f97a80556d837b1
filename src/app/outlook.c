/* In: an open store. Out: who works on it and when its jobs will start and finish. */
#include "app/outlook.h"

#include "api/scale_json.h"
#include "app/daemon.h"

static void take_stats(void *ctx, const struct store_result *r)
{
    struct outlook *o = ctx;
    o->paused = r->stats->paused;
    figures_take(&o->figures, r->stats, 1);
}

static void take_running(void *ctx, const struct store_result *r)
{
    struct outlook *o = ctx;
    int64_t counted = o->figures.running;
    figures_take_running(&o->figures, r->jobs, r->n, 1, o->now_us);
    if (r->n == STORE_BATCH_MAX)
        o->figures.running = counted;
    o->running = o->figures.running;
}

struct scale_look {
    struct outlook *o;
    const struct settings *set;
};

/* While something is due, all that could run does: workers may have other settings than we. */
static void take_scale(void *ctx, const struct store_result *r)
{
    const struct scale_look *look = ctx;
    struct outlook *o = look->o;
    int64_t each = look->set->concurrency > 0 ? look->set->concurrency : SLOTS_DEFAULT;
    struct scale_figures f =
        scale_figures(r->scale, o->called ? 0 : each, look->set->concurrent_limit);
    o->workers = (size_t)r->scale->processes;
    if (!o->called && (r->scale->due == 0 || o->running == 0))
        o->slots = (size_t)f.slots;
}

int outlook_read(struct context *c, struct outlook *ret_outlook)
{
    struct outlook o = {.now_us = loop_wall(c->loop), .called = c->inv->set.mode == MODE_TRIGGERED};
    struct store_filter filter = {.status = JOB_PROCESSING, .limit = STORE_BATCH_MAX};
    struct scale_look look = {&o, &c->inv->set};
    struct answer a = answer_new(c, take_stats, &o);
    store_stats(c->store, answer_take, &a);
    int code = answer_wait(c, &a);
    if (code == EXIT_DONE) {
        a = answer_new(c, take_running, &o);
        store_list(c->store, &filter, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE) {
        a = answer_new(c, take_scale, &look);
        store_scale_get(c->store, &(struct uuid){0}, true, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE)
        *ret_outlook = o;
    return code;
}

struct estimate outlook_of(const struct outlook *o, const struct store_job *job)
{
    struct estimate none = {0};
    return o->workers > 0 ? figures_estimate(&o->figures, o->slots, job, o->now_us) : none;
}
