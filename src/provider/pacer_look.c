/* In: a pacer. Out: its limits, what is used of them and what became of the calls, for people and
 * metrics. */
#include "provider/pacer.h"

#include "base/clock.h"
#include "provider/pacer_impl.h"

#define MINUTE_US (60 * USEC_PER_SEC)

static void move_on(struct pace_minute *m, int64_t now_us)
{
    int64_t minute = now_us / MINUTE_US;
    if (minute == m->minute)
        return;
    m->before = minute == m->minute + 1 ? m->now : 0;
    m->now = 0;
    m->minute = minute;
}

void pace_minute_add(struct pace_minute *m, int64_t n, int64_t now_us)
{
    move_on(m, now_us);
    m->now += n;
}

/* What this minute used, and of the one before the part that is not a minute ago yet. */
static int64_t used(struct pace_minute *m, int64_t now_us)
{
    move_on(m, now_us);
    int64_t left_us = MINUTE_US - now_us % MINUTE_US;
    int64_t all = m->now + (int64_t)((double)m->before * (double)left_us / (double)MINUTE_US);
    return all > 0 ? all : 0;
}

static struct pacer_limit limit_of(const struct bucket *b, const struct limit_report *told,
                                   bool was_told, struct pace_minute *m, int64_t now_us)
{
    return (struct pacer_limit){.per_minute = b->per_minute,
                                .share = b->part < 0 ? -1 : b->part,
                                .used = used(m, now_us),
                                .remaining = was_told ? told->remaining : -1};
}

static struct pacer_view look(const struct pacer *p, struct pace_class *c, int64_t now_us)
{
    bool told = c->share.told_us > 0;
    struct pacer_view v = {
        .rate_class = c->name,
        .parked = p->parked != NULL ? p->parked : c->parked,
        .running = c->running,
        .max_running = c->concurrency.max,
        .allowed = c->concurrency.allowed > 0 ? (int)c->concurrency.allowed : -1,
        .requests = limit_of(&c->requests, &c->told.requests, told, &c->used_requests, now_us),
        .input = limit_of(&c->input, &c->told.input, told, &c->used_input, now_us),
        .output = limit_of(&c->output.bucket, &c->told.output, told, &c->used_output, now_us),
        .told_us = c->share.told_us,
    };
    for (int i = 0; i < CALL_CLASS_MAX; i++)
        v.calls[i] = c->ended[i];
    return v;
}

size_t pacer_look(struct pacer *p, struct pacer_view *views, size_t max, int64_t now_us)
{
    size_t n = 0;
    for (struct pace_class *c = p->classes; c != NULL && n < max; c = c->next)
        views[n++] = look(p, c, now_us);
    return n;
}
