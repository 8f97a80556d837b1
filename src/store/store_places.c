/* In: the due jobs' order, read once in a while. Out: a job's place in it. */
#include "store/store_places.h"

#include <stdlib.h>

#include "base/clock.h"

#define FRESH_US (250 * USEC_PER_MSEC)
#define USED_US  (5 * USEC_PER_SEC) /* an older one is better than waiting, up to this */
#define COST     10                 /* reading takes at most this part of the time */
#define CALM     3                  /* ... and so much less when all that are asked for are in it */

/* ---- pure ---- */

static bool is_before(struct store_place a, struct store_place b)
{
    if (a.priority != b.priority)
        return a.priority > b.priority;
    return a.tag != b.tag ? a.tag < b.tag : a.tie < b.tie;
}

static void thin_out(struct places *p)
{
    for (size_t i = 0; i < p->n / 2; i++)
        p->at[i] = p->at[2 * i];
    p->n /= 2;
    p->step *= 2;
}

void places_add(struct places *p, struct store_place place)
{
    if (p->step == 0)
        p->step = 1;
    if (p->total++ % p->step != 0)
        return;
    if (p->n == STORE_PLACES_MAX)
        thin_out(p);
    p->at[p->n++] = place;
}

/* How many of those it knows come before. */
static size_t count_before(const struct places *p, struct store_place place)
{
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(p->at[middle], place))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t places_position(const struct places *p, struct store_place place)
{
    size_t i = count_before(p, place);
    bool known = i < p->n && !is_before(place, p->at[i]);
    if (i == 0 || known || p->step <= 1)
        return 1 + (int64_t)i * p->step;
    return i == p->n ? 1 + p->total : 1 + (int64_t)(i - 1) * p->step;
}

int64_t places_beside(const struct places *p, struct store_place place)
{
    size_t first = count_before(p, place), next = first;
    while (p->step <= 1 && next < p->n && !is_before(place, p->at[next]))
        next++;
    return next > first ? (int64_t)(next - first) - 1 : 0;
}

bool places_may_have(const struct places *p, struct store_place place)
{
    size_t i = count_before(p, place);
    return p->step > 1 || (i < p->n && !is_before(place, p->at[i]));
}

/* ---- the store's ---- */

struct store_places {
    struct places known;
    int64_t asked_us, read_us, cost_us; /* loop time; how long the answer took */
    bool has;
    struct store_op *reading; /* the op that reads them */
    struct store_op *waiting;
};

static void answer(struct store *s, struct store_op *op)
{
    const struct store_places *p = s->places;
    for (size_t i = 0; p->has && i < op->n_placed; i++) {
        const struct store_placed *placed = &op->placed[i];
        placed->job->position = (int)places_position(&p->known, placed->place);
        placed->job->beside = (int)places_beside(&p->known, placed->place);
    }
    op->n_placed = 0;
}

static bool may_have_all(const struct store_places *p, const struct store_op *op)
{
    size_t i = 0;
    while (i < op->n_placed && places_may_have(&p->known, op->placed[i].place))
        i++;
    return i == op->n_placed;
}

static void keep(struct store_places *p, const struct places *read)
{
    free(p->known.at);
    p->known = *read;
    p->known.at = mem_dup(read->at, read->n * sizeof *read->at);
    p->has = true;
}

static void on_read(void *ctx, const struct store_result *r)
{
    struct store *s = ctx;
    struct store_places *p = s->places;
    struct store_op *op = p->waiting;
    if (r->err == OK) {
        keep(p, p->reading->places);
        p->read_us = p->asked_us;
        p->cost_us = loop_now(s->loop) - p->asked_us;
    }
    p->waiting = NULL;
    p->reading = NULL;
    while (op != NULL) {
        struct store_op *next = op->next;
        answer(s, op);
        store_op_done(s, op);
        op = next;
    }
}

static void read_again(struct store *s)
{
    struct store_places *p = s->places;
    if (p->reading != NULL)
        return;
    p->asked_us = loop_now(s->loop);
    p->reading = store_ask_places(s, on_read, s);
}

bool store_places_take(struct store *s, struct store_op *op)
{
    if (op->n_placed == 0)
        return false;
    if (s->places == NULL)
        s->places = mem_alloc(sizeof *s->places);
    struct store_places *p = s->places;
    int64_t age = loop_now(s->loop) - p->read_us, pause = COST * p->cost_us;
    bool newer = p->has && !may_have_all(p, op) && age >= pause;
    if (p->has && !newer && (age < USED_US || age < pause)) {
        if (age >= FRESH_US && age >= CALM * pause)
            read_again(s);
        answer(s, op);
        return false;
    }
    op->next = p->waiting;
    p->waiting = op;
    read_again(s);
    return true;
}

void store_places_free(struct store *s)
{
    if (s->places == NULL)
        return;
    free(s->places->known.at);
    free(s->places);
}
