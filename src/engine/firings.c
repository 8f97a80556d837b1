/* In: a schedule and the time. Out: its firings by its policy for what was missed. */
#include "engine/firings.h"

#include <stdio.h>

#include "base/clock.h"
#include "store/store_schedules.h"

#define MINUTE_US (60 * USEC_PER_SEC)

/* ---- the last times until now ---- */

struct times {
    int64_t at[STORE_MISSED_LIMIT]; /* oldest first */
    size_t n;
    bool more; /* there were others before them */
};

static void push(struct times *t, size_t max, int64_t at)
{
    if (t->n == max) {
        for (size_t i = 1; i < max; i++)
            t->at[i - 1] = t->at[i];
        t->n--;
        t->more = true;
    }
    t->at[t->n++] = at;
}

static void last_of_interval(int64_t interval, int64_t first, int64_t now, size_t max,
                             struct times *t)
{
    int64_t count = (now - first) / interval + 1;
    int64_t skip = count > (int64_t)max ? count - (int64_t)max : 0;
    t->n = 0;
    for (int64_t i = skip; i < count; i++)
        t->at[t->n++] = first + i * interval;
    t->more = skip > 0;
}

/* The newest `max` times from `first`, which is one, until now. After a long absence there may be
 * millions: it looks at the last minutes first, and further back only while it has too few. */
static void last_times(const struct cron *c, int64_t first, int64_t now, size_t max,
                       struct times *t)
{
    int64_t interval = cron_interval_us(c), window = 2 * (int64_t)max * MINUTE_US;
    if (interval > 0) {
        last_of_interval(interval, first, now, max, t);
        return;
    }
    for (;; window *= 4) {
        bool all = now - first <= window;
        int64_t at = all ? first : cron_next(c, now - window);
        *t = (struct times){0};
        for (; at != 0 && at <= now; at = cron_next(c, at))
            push(t, max, at);
        t->more = t->more || !all;
        if (all || t->n == max)
            return;
    }
}

/* ---- the policies ---- */

static const char *when(int64_t us, char *out)
{
    clock_iso(us, out);
    (void)snprintf(out + 19, CLOCK_ISO_SIZE - 19, "Z"); /* whole seconds */
    return out;
}

static void add(struct firings *f, int64_t at, bool skip, const char *note)
{
    f->items[f->n++] = (struct store_firing){.at_us = at, .skip = skip, .note = note};
}

static void skip_missed(struct firings *f, int64_t first, int64_t last, bool late)
{
    char text[CLOCK_ISO_SIZE];
    if (late) {
        (void)snprintf(f->note, sizeof f->note, "missed, with all since %s", when(first, text));
        add(f, last, true, f->note);
        return;
    }
    if (first != last) {
        (void)snprintf(f->note, sizeof f->note, "missed, with all before %s", when(last, text));
        add(f, first, true, f->note);
    }
    add(f, last, false, NULL);
}

static void make_up_once(struct firings *f, int64_t first, int64_t last)
{
    char text[CLOCK_ISO_SIZE];
    if (first != last)
        (void)snprintf(f->note, sizeof f->note, "stands for all since %s", when(first, text));
    add(f, last, false, first != last ? f->note : NULL);
}

static void make_up_all(struct firings *f, int64_t first, const struct times *t)
{
    char text[CLOCK_ISO_SIZE];
    if (t->more) {
        (void)snprintf(f->note, sizeof f->note, "missed, with all before %s", when(t->at[0], text));
        add(f, first, true, f->note);
    }
    for (size_t i = 0; i < t->n; i++)
        add(f, t->at[i], false, NULL);
}

/* The time from which firings are owed. */
static int64_t first_time(const struct cron *c, const struct store_schedule *s, int64_t now)
{
    if (!s->planned)
        return cron_next(c, s->changed_us < now ? s->changed_us : now);
    if (s->planned_us > now + STORE_CLOCK_BACK_US)
        return cron_next(c, now); /* the clock was wrong, and was set right */
    return s->due_us;
}

void firings_plan(const struct cron *c, const struct store_schedule *s, int64_t now_us,
                  struct firings *ret)
{
    struct times t = {0};
    size_t max = s->missed == STORE_MISSED_ALL ? (size_t)s->missed_max : 1;
    int64_t first = first_time(c, s, now_us), interval = cron_interval_us(c);
    *ret = (struct firings){.next_us = first};
    if (first == 0 || first > now_us)
        return;
    if (max < 1 || max > STORE_MISSED_LIMIT)
        max = 1;
    last_times(c, first, now_us, max, &t);
    int64_t last = t.at[t.n - 1];
    ret->next_us = cron_next(c, last);
    if (s->missed == STORE_MISSED_SKIP)
        skip_missed(ret, first, last, now_us - last >= (interval > 0 ? interval : FIRINGS_LATE_US));
    else if (s->missed == STORE_MISSED_ONCE)
        make_up_once(ret, first, last);
    else
        make_up_all(ret, first, &t);
}
