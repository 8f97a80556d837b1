/* In: an open store. Out: everything doctor wants of it, kept; what cannot be had is left out. */
#include <stdlib.h>
#include <string.h>

#include "app/doctor.h"
#include "base/clock.h"
#include "store/store_history.h"
#include "store/store_schedules.h"

#define HOUR_US        (3600 * USEC_PER_SEC)
#define OVERDUE_US     (90 * USEC_PER_SEC) /* a schedule's minute, and somebody's to see it */
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
        bool error = strcmp(l->level, "error") == 0;
        if (l->at_us < since || (!error && strcmp(l->level, "warn") != 0))
            continue;
        if (error) {
            d->errors++;
            d->latest_error = l->details == NULL
                                  ? arena_strdup(&d->arena, l->message)
                                  : arena_printf(&d->arena, "%s: %.300s", l->message, l->details);
        } else {
            d->warnings++;
        }
    }
}

static void take_calls(void *ctx, const struct store_result *r)
{
    struct doctor *d = ctx;
    int64_t since = loop_wall(d->context.loop) - HOUR_US;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_invocation *call = &r->invocations[i];
        if (call->at_us < since)
            continue;
        d->calls++;
        d->calls_failed += call->status >= 400;
        if (call->at_us > d->newest_us)
            d->newest_us = call->at_us;
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

/* True: it has answered. The first failure is told by the check of the database. */
static bool wait_for(struct doctor *d, struct answer *a)
{
    if (answer_await(a) == OK)
        return true;
    if (d->trouble == NULL)
        d->trouble = arena_strdup(&d->arena, a->msg.text);
    return false;
}

#define ASK(d, take, verb, ...)                                                                    \
    do {                                                                                           \
        struct answer a_ = answer_new(&(d)->context, (take), (d));                                 \
        verb((d)->context.store, __VA_ARGS__, answer_take, &a_);                                   \
        (void)wait_for((d), &a_);                                                                  \
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

void doctor_ask_store(struct doctor *d)
{
    struct answer first = answer_new(&d->context, take_facts, d);
    store_examine(d->context.store, answer_take, &first);
    d->reached = wait_for(d, &first);
    if (!d->reached)
        return;
    struct answer a = answer_new(&d->context, take_stats, d);
    store_stats(d->context.store, answer_take, &a);
    (void)wait_for(d, &a);
    a = answer_new(&d->context, take_workers, d);
    store_workers(d->context.store, answer_take, &a);
    (void)wait_for(d, &a);
    ASK(d, take_scale, store_scale_get, &(struct uuid){{0}}, true);
    ASK(d, take_lines, store_log, &(struct store_log_filter){.limit = STORE_BATCH_MAX});
    ASK(d, take_calls, store_invocations, &(struct uuid){{0}}, STORE_BATCH_MAX);
    ASK(d, take_schedules, store_schedule_list,
        &(struct store_schedule_filter){.limit = STORE_BATCH_MAX});
    if (d->postgres)
        wait_for_notifications(d);
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
