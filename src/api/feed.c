/* In: jobs that clients watch. Out: what is new of them, fetched once for all who watch the same
 * job. */
#include "api/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US      (200 * USEC_PER_MSEC) /* text is saved ten times a second */
#define LOOK_IDLE_US (USEC_PER_SEC)        /* at a job that waits */
#define SOON_US      (20 * USEC_PER_MSEC)
#define ROUND_MAX    250 /* jobs in one question */
#define ROUND_NEW    32  /* of which never looked at: all their text comes */

struct entry {
    struct watch *watch;
    struct uuid job; /* the key */
    int64_t due_us;  /* loop clock */
    bool asked;      /* is in the question that is under way */
    bool joined;     /* somebody has come: tell, news or not */
    UT_hash_handle hh;
};

struct round { /* a question under way; outlives the feed when it must */
    struct feed *feed;
    uint64_t number;
    size_t n;
    struct entry *entries[ROUND_MAX];
};

struct feed {
    struct loop *loop;
    struct store *store;
    struct feed_handlers handlers;
    void *ctx;
    struct entry *entries;
    struct entry *at; /* the round goes on here: all get their turn */
    struct round *round;
    uint64_t rounds; /* asked so far */
    struct loop_timer timer;
};

static void look(void *ctx);

static void look_at(struct feed *f, int64_t at_us)
{
    if (f->round != NULL)
        return; /* its answer sets the timer */
    if (!timer_is_set(&f->timer) || (int64_t)f->timer.node.key > at_us)
        timer_set(f->loop, &f->timer, at_us, look, f);
}

struct feed *feed_new(struct loop *loop, struct store *store, const struct feed_handlers *handlers,
                      void *ctx)
{
    struct feed *f = mem_alloc(sizeof *f);
    *f = (struct feed){.loop = loop, .store = store, .handlers = *handlers, .ctx = ctx};
    return f;
}

static void entry_free(struct entry *e)
{
    watch_free(e->watch);
    free(e);
}

static void drop(struct feed *f, struct entry *e)
{
    if (f->at == e)
        f->at = e->hh.next;
    assert(f->entries != NULL); /* e is one of them */
    HASH_DEL(f->entries, e);
    entry_free(e);
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    if (f->round != NULL)
        f->round->feed = NULL;
    struct entry *e = f->entries, *next;
    HASH_CLEAR(hh, f->entries);
    for (; e != NULL; e = next) {
        next = e->hh.next;
        entry_free(e);
    }
    timer_stop(f->loop, &f->timer);
    free(f);
}

static struct entry *find(struct feed *f, const struct uuid *job)
{
    struct entry *e;
    HASH_FIND(hh, f->entries, job, sizeof *job, e);
    return e;
}

struct watch *feed_find(struct feed *f, const struct uuid *job)
{
    struct entry *e = find(f, job);
    return e != NULL ? e->watch : NULL;
}

size_t feed_watched(const struct feed *f)
{
    return HASH_COUNT(f->entries);
}

void feed_join(struct feed *f, const struct uuid *job, struct cursor *c, void *owner)
{
    struct entry *e = find(f, job);
    if (e == NULL) {
        e = mem_alloc(sizeof *e);
        e->job = *job;
        e->watch = watch_new(job);
        HASH_ADD(hh, f->entries, job, sizeof e->job, e);
    }
    cursor_join(c, e->watch, owner);
    c->since = f->rounds;
    e->joined = true;
    e->due_us = 0; /* what the client knows may be newer than what we know */
    look_at(f, loop_now(f->loop));
}

void feed_leave(struct feed *f, struct cursor *c)
{
    if (c->watch == NULL)
        return;
    struct entry *e = find(f, &c->watch->job);
    cursor_leave(c);
    if (e != NULL && e->watch->cursors == NULL && !e->asked)
        drop(f, e);
}

void feed_hint(struct feed *f, const struct uuid *job)
{
    struct entry *e = find(f, job);
    if (e == NULL)
        return;
    e->due_us = 0;
    look_at(f, loop_now(f->loop) + SOON_US);
}

/* ---- a round ---- */

/* Some wait now: soon; else so late that one question serves many. */
static int64_t when_next(const struct feed *f, int64_t now_us)
{
    for (const struct entry *e = f->entries; e != NULL; e = e->hh.next) {
        if (e->due_us <= now_us)
            return now_us + SOON_US;
    }
    return now_us + LOOK_US / 2;
}

static int64_t next_look(const struct entry *e, int64_t now_us)
{
    const struct watch *w = e->watch;
    if (watch_is_over(w) || (w->loaded && w->status == JOB_PENDING))
        return now_us + LOOK_IDLE_US;
    return now_us + LOOK_US;
}

static void answered(struct feed *f, struct round *round, const struct store_result *r)
{
    int64_t now = loop_now(f->loop);
    f->round = NULL;
    for (size_t i = 0; i < round->n; i++) {
        struct entry *e = round->entries[i];
        e->asked = false;
        if (e->watch->cursors == NULL) {
            drop(f, e);
            continue;
        }
        if (r->err == OK) {
            bool tell = e->joined;
            e->joined = e->watch->cursors->prev->since >= round->number;
            e->watch->looked = round->number;
            bool news = watch_take(e->watch, &r->followed[i]);
            e->due_us = e->joined ? 0 : next_look(e, now);
            e->asked = true; /* whoever leaves in the handler does not free it */
            if (news || tell)
                f->handlers.news(f->ctx, e->watch);
            e->asked = false;
            if (e->watch->cursors == NULL)
                drop(f, e);
        } else {
            e->due_us = now + LOOK_IDLE_US; /* the store is away; what is known stays */
        }
    }
    f->handlers.tick(f->ctx);
    look_at(f, when_next(f, now));
}

static void on_followed(void *ctx, const struct store_result *r)
{
    struct round *round = ctx;
    if (round->feed != NULL)
        answered(round->feed, round, r);
    free(round);
}

static void gather(struct feed *f, struct round *round, int64_t now_us, int64_t *ret_next)
{
    size_t fresh = 0, seen = HASH_COUNT(f->entries);
    struct entry *e = f->at != NULL ? f->at : f->entries;
    *ret_next = INT64_MAX;
    for (; seen > 0; seen--, e = e->hh.next != NULL ? e->hh.next : f->entries) {
        if (e->due_us > now_us) {
            *ret_next = e->due_us < *ret_next ? e->due_us : *ret_next;
            continue;
        }
        if (round->n == ROUND_MAX || (!e->watch->loaded && fresh == ROUND_NEW)) {
            *ret_next = now_us;
            if (round->n == ROUND_MAX)
                break;
            continue;
        }
        fresh += !e->watch->loaded;
        e->asked = true;
        round->entries[round->n++] = e;
    }
    f->at = e;
}

static void look(void *ctx)
{
    struct feed *f = ctx;
    struct store_follow items[ROUND_MAX];
    int64_t next;
    if (f->entries == NULL)
        return;
    struct round *round = mem_alloc(sizeof *round);
    round->feed = f;
    gather(f, round, loop_now(f->loop), &next);
    for (size_t i = 0; i < round->n; i++)
        watch_ask(round->entries[i]->watch, &items[i]);
    if (round->n == 0) {
        free(round);
        f->handlers.tick(f->ctx);
        if (f->entries != NULL)
            look_at(f, next < loop_now(f->loop) + LOOK_US ? next : loop_now(f->loop) + LOOK_US);
        return;
    }
    f->round = round;
    round->number = ++f->rounds;
    store_follow(f->store, items, round->n, on_followed, round);
}
