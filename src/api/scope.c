/* In: whose jobs somebody wants to see. Out: which those are. */
#include "api/scope.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US USEC_PER_SEC
#define SOON_US (50 * USEC_PER_MSEC)

struct scope {
    struct loop *loop;
    struct store *store;
    struct uuid user;
    struct scope_handlers handlers;
    void *ctx;
    struct loop_timer timer;
    bool asking, freed;
    int64_t began_us, wall_us; /* this look: loop and wall clock */
    int64_t last_us;           /* wall: the last whole one began */
    int64_t wanted_us;         /* wall: what the next look is to reach back to; 0 = the last one */
    int64_t since_us;          /* wall: what this one reaches back to */
    bool paging;               /* this look has told some of the ends, up to this one: */
    int64_t page_us;
    struct uuid page_job;
    bool forgot; /* not all ends that it reaches back to are remembered */
};

static void look(void *ctx);

struct scope *scope_new(struct loop *loop, struct store *store, const struct uuid *user,
                        const struct scope_handlers *handlers, void *ctx)
{
    struct scope *s = mem_alloc(sizeof *s);
    *s = (struct scope){
        .loop = loop, .store = store, .user = *user, .handlers = *handlers, .ctx = ctx};
    s->last_us = loop_wall(loop);
    timer_set(loop, &s->timer, loop_now(loop), look, s);
    return s;
}

void scope_free(struct scope *s)
{
    if (s == NULL)
        return;
    timer_stop(s->loop, &s->timer);
    s->freed = true;
    if (!s->asking)
        free(s);
}

const struct uuid *scope_user(const struct scope *s)
{
    return &s->user;
}

void scope_hint(struct scope *s)
{
    int64_t at = loop_now(s->loop) + SOON_US;
    if (!s->asking && !s->paging && (!timer_is_set(&s->timer) || (int64_t)s->timer.node.key > at))
        timer_set(s->loop, &s->timer, at, look, s);
}

void scope_since(struct scope *s, int64_t wall_us)
{
    if (s->wanted_us == 0 || wall_us < s->wanted_us)
        s->wanted_us = wall_us;
    scope_hint(s);
}

int64_t scope_began_us(const struct scope *s)
{
    return s->began_us;
}

int64_t scope_wall_us(const struct scope *s)
{
    return s->wall_us;
}

bool scope_forgot(const struct scope *s)
{
    return s->forgot;
}

static void on_live(void *ctx, const struct store_result *r);

static void ask(struct scope *s)
{
    struct store_live ask = {.user_id = s->user, .ended = SCOPE_ENDED_MAX};
    if (s->paging) {
        ask.since_us = s->page_us;
        ask.after = s->page_job;
    } else {
        ask.since_us = s->since_us - SCOPE_SLACK_US;
        ask.running = SCOPE_RUNNING_MAX;
        ask.waiting = SCOPE_WAITING_MAX;
    }
    s->asking = true;
    store_live(s->store, &ask, on_live, s);
}

static void ask_on(void *ctx)
{
    struct scope *s = ctx;
    if (s->handlers.page(s->ctx, s))
        ask(s);
    else
        timer_set(s->loop, &s->timer, loop_now(s->loop) + SOON_US, ask_on, s);
}

/* False: these were all. */
static bool is_page(struct scope *s, const struct store_result *r)
{
    size_t ended = 0;
    for (size_t i = 0; i < r->n; i++)
        ended += r->live[i].ended_us > 0;
    s->paging = ended == SCOPE_ENDED_MAX;
    if (s->paging) {
        s->page_us = r->live[r->n - 1].ended_us;
        s->page_job = r->live[r->n - 1].id;
    }
    return s->paging;
}

static void on_live(void *ctx, const struct store_result *r)
{
    struct scope *s = ctx;
    s->asking = false;
    if (s->freed) {
        free(s);
        return;
    }
    for (size_t i = 0; r->err == OK && i < r->n; i++)
        s->handlers.job(s->ctx, s, &r->live[i]);
    s->forgot = r->err == OK && (s->forgot || r->count > 0);
    if (r->err == OK && is_page(s, r)) {
        ask_on(s);
        return;
    }
    s->paging = false;
    int64_t wait_us = r->err == OK && s->wanted_us > 0 ? SOON_US : LOOK_US;
    if (r->err == OK) {
        s->last_us = s->wall_us;
        s->handlers.done(s->ctx, s);
    } else if (s->wanted_us == 0 || s->since_us < s->wanted_us) {
        s->wanted_us = s->since_us; /* the store is away: once more */
    }
    timer_set(s->loop, &s->timer, loop_now(s->loop) + wait_us, look, s);
}

static void look(void *ctx)
{
    struct scope *s = ctx;
    bool back = s->wanted_us > 0 && s->wanted_us < s->last_us;
    s->began_us = loop_now(s->loop);
    s->wall_us = loop_wall(s->loop);
    s->since_us = back ? s->wanted_us : s->last_us;
    s->wanted_us = 0;
    s->forgot = false;
    ask(s);
}
