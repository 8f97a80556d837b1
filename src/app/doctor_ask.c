/* In: an open store. Out: everything doctor wants of it, kept; what cannot be had is left out. */
#include <stdlib.h>
#include <string.h>

#include "api/forecast_json.h"
#include "app/deployed.h"
#include "app/doctor.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "store/store_history.h"
#include "store/store_schedules.h"

#define HOUR_US        (3600 * USEC_PER_SEC)
#define NOTIFY_WAIT_US (5 * USEC_PER_SEC)

static void take_facts(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t now = loop_wall(d->context.loop);
    d->facts = arena_array(&d->arena, r->n, sizeof *d->facts);
    for (size_t i = 0; i < r->n; i++)
        d->facts[d->n_facts++] = (struct store_fact){arena_strdup(&d->arena, r->facts[i].name),
                                                     arena_strdup(&d->arena, r->facts[i].value)};
    int64_t theirs = doctor_number(d, "now_us", 0);
    d->clock_known = theirs != 0;
    d->skew_us = now - theirs;
}

static void take_stats(void *ctx, const struct store_result *r)
{
    ((struct doctor *)ctx)->stats = *r->stats;
}

static void take_scale(void *ctx, const struct store_result *r)
{
    ((struct doctor *)ctx)->scale = *r->scale;
}

static void take_workers(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    d->workers = arena_array(&d->arena, r->n, sizeof *d->workers);
    for (size_t i = 0; i < r->n; i++) {
        d->workers[i] = r->workers[i];
        d->workers[i].name = arena_strdup(&d->arena, r->workers[i].name);
    }
    d->n_workers = r->n;
}

static void take_lines(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t since = loop_wall(d->context.loop) - HOUR_US;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_line *l = &r->lines[i];
        if (l->at_us < since || strcmp(l->level, "error") != 0)
            continue;
        d->errors++;
        d->latest_error = l->details == NULL
                              ? arena_strdup(&d->arena, l->message)
                              : arena_printf(&d->arena, "%s: %.300s", l->message, l->details);
    }
}

static void take_calls(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t since = loop_wall(d->context.loop) - HOUR_US;
    d->last_call_us = r->n > 0 ? r->invocations[0].at_us : 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_invocation *call = &r->invocations[i];
        if (call->at_us < since)
            continue;
        d->calls++;
        d->calls_failed += call->status >= 400;
    }
}

static void take_schedules(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t late = loop_wall(d->context.loop) - d->skew_us - OVERDUE_US;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_schedule *s = &r->schedules[i];
        d->schedules += s->active;
        d->schedules_off += !s->active;
        d->overdue += s->active && s->planned && s->due_us > 0 && s->due_us < late;
        if (s->active && s->error != NULL)
            d->schedule_error = arena_printf(&d->arena, "%s: %s", s->name, s->error);
    }
}

/* A schedule fails when the newest of its runs that ended did: one that went well since is over. */
static void take_runs(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t since = loop_wall(d->context.loop) - d->skew_us - HOUR_US;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_run *run = &r->runs[i];
        bool failed = run->state == STORE_RUN_FAILED || run->state == STORE_RUN_LOST;
        bool newest = run->ended_us > 0;
        for (size_t k = 0; k < i && newest; k++)
            newest = r->runs[k].schedule != run->schedule || r->runs[k].ended_us == 0;
        if (!newest || !failed || run->fire_us < since)
            continue;
        if (d->failing++ == 0)
            d->run_failure = arena_printf(&d->arena, "%s: %.300s", run->name,
                                          run->message != NULL ? run->message : "its worker ended");
    }
}

/* For the planner; that no steps are asked for makes no difference to what it is asked here. */
static void take_completed(void *ctx, const struct store_result *r)
{
    struct forecast_look unused;
    forecast_learn(&((struct doctor *)ctx)->plan, r, &unused);
}

/* ---- asking ---- */

/* The first failure is told by the check of the database. */
static void wait_for(struct doctor *d, struct answer *a, enum doctor_source source)
{
    enum err e = answer_await(a);
    if (e == OK) {
        d->told |= source;
    } else if (d->trouble == NULL) {
        d->trouble = arena_strdup(&d->arena, a->msg.text);
        d->trouble_err = e;
    }
}

#define ASK(d, source, take, verb, ...)                                                            \
    do {                                                                                           \
        struct answer a_ = answer_new(&(d)->context, (take), (d));                                 \
        verb((d)->context.store, __VA_ARGS__, answer_take, &a_);                                   \
        wait_for((d), &a_, (source));                                                              \
    } while (0)

static void ignore(void *ctx)
{
    (void)ctx;
}

static void wait_for_notifications(struct doctor *d)
{
    struct loop *loop = d->context.loop;
    int64_t end = loop_now(loop) + NOTIFY_WAIT_US;
    store_on_change(d->context.store, ignore, NULL);
    do {
        loop_turn(loop, 50 * USEC_PER_MSEC);
        d->hints = store_pg_hints(d->context.store, &d->hints_why);
    } while ((d->hints == PG_HINTS_OFF || d->hints == PG_HINTS_STARTING) && loop_now(loop) < end);
    d->hints_why = arena_strdup(&d->arena, d->hints_why);
    store_on_change(d->context.store, NULL, NULL);
}

static void ask_pipeline(struct doctor *d)
{
    struct catalog *catalog = NULL;
    struct deployed found = {0};
    struct errmsg msg = {""};
    if (workshop_catalog(d->inv, &catalog) != EXIT_DONE)
        return;
    if (deployed_read(&d->context, catalog, &found, &msg) == OK) {
        d->told |= TOLD_PIPELINE;
        d->pipeline = found.version;
        if (found.pipeline != NULL)
            d->pipeline_name =
                arena_printf(&d->arena, "%.60s %s", found.pipeline->name, found.pipeline->version);
        if (found.unusable.text[0] != '\0')
            d->pipeline_unusable = arena_strdup(&d->arena, found.unusable.text);
    }
    pipeline_free(found.pipeline);
    catalog_free(catalog);
}

void doctor_ask_store(struct doctor *d)
{
    struct store *store = d->context.store;
    struct answer a = answer_new(&d->context, take_facts, d);
    store_examine(store, answer_take, &a);
    wait_for(d, &a, TOLD_FACTS);
    if (d->told == 0)
        return; /* nor would it tell anything else */
    a = answer_new(&d->context, take_stats, d);
    store_stats(store, answer_take, &a);
    wait_for(d, &a, TOLD_STATS);
    a = answer_new(&d->context, take_workers, d);
    store_workers(store, answer_take, &a);
    wait_for(d, &a, TOLD_WORKERS);
    ASK(d, TOLD_SCALE, take_scale, store_scale_get, &(struct uuid){{0}}, true);
    ASK(d, TOLD_LINES, take_lines, store_log, &(struct store_log_filter){.limit = STORE_BATCH_MAX});
    ASK(d, TOLD_CALLS, take_calls, store_invocations, &(struct uuid){{0}}, STORE_BATCH_MAX);
    ASK(d, TOLD_SCHEDULES, take_schedules, store_schedule_list,
        &(struct store_schedule_filter){.limit = STORE_BATCH_MAX});
    ASK(d, TOLD_RUNS, take_runs, store_runs, &(struct store_run_filter){.limit = STORE_BATCH_MAX});
    ASK(d, 0, take_completed, store_list,
        &(struct store_filter){.status = JOB_COMPLETED, .limit = FORECAST_LOOK_BACK});
    ask_pipeline(d);
    if (d->postgres)
        wait_for_notifications(d);
}

bool doctor_is_triggered(const struct doctor *d)
{
    return d->inv->set.mode == MODE_TRIGGERED || d->daemon_triggered;
}

const char *doctor_fact(struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->n_facts; i++)
        if (strcmp(d->facts[i].name, name) == 0)
            return d->facts[i].value;
    return NULL;
}

int64_t doctor_number(struct doctor *d, const char *name, int64_t fallback)
{
    const char *text = doctor_fact(d, name);
    return text != NULL ? strtoll(text, NULL, 10) : fallback;
}
