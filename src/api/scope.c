/* In: whose jobs somebody wants to see. Out: which those are. */
#include "api/scope.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US   USEC_PER_SEC
#define SOON_US   (50 * USEC_PER_MSEC)
#define FRESH_MAX 100 /* looked through each time for what began and ended since the last look */

enum stage { RUNNING, WAITING, ENDED };

struct scope {
    struct loop *loop;
    struct store *store;
    struct uuid user;
    struct scope_handlers handlers;
    void *ctx;
    struct loop_timer timer;
    enum stage stage;
    bool asking, freed;
    int64_t began_us, wall_us; /* this look: loop and wall clock */
    int64_t last_us;           /* wall: the last whole one began */
    int64_t wanted_us;         /* wall: what the next look is to reach back to; 0 = the last one */
    int64_t since_us;          /* wall: what this one reaches back to */
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
    if (!s->asking && (!timer_is_set(&s->timer) || (int64_t)s->timer.node.key > at))
        timer_set(s->loop, &s->timer, at, look, s);
}

void scope_since(struct scope *s, int64_t wall_us)
{
    if (s->wanted_us == 0 || wall_us < s->wanted_us)
        s->wanted_us = wall_us;
    scope_hint(s);
}

bool scope_tells_ended(const struct scope *s)
{
    return s->stage == ENDED;
}

int64_t scope_began_us(const struct scope *s)
{
    return s->began_us;
}

int64_t scope_wall_us(const struct scope *s)
{
    return s->wall_us;
}

/* Who writes the row itself may set no time. */
int64_t scope_ended_us(const struct store_job *job)
{
    int64_t us = job->completed_us > job->updated_us ? job->completed_us : job->updated_us;
    return us > job->created_us ? us : job->created_us;
}

static bool is_wanted(const struct scope *s, const struct store_job *job)
{
    return s->stage != ENDED || (job->status != JOB_PENDING && job->status != JOB_PROCESSING &&
                                 scope_ended_us(job) >= s->since_us - SCOPE_SLACK_US);
}

static void ask(struct scope *s);

static void on_list(void *ctx, const struct store_result *r)
{
    struct scope *s = ctx;
    s->asking = false;
    if (s->freed) {
        free(s);
        return;
    }
    for (size_t i = 0; r->err == OK && i < r->n; i++) {
        if (is_wanted(s, &r->jobs[i]))
            s->handlers.job(s->ctx, s, &r->jobs[i]);
    }
    if (r->err == OK && s->stage != ENDED) {
        s->stage++;
        ask(s);
        return;
    }
    int64_t wait_us = r->err == OK && s->wanted_us > 0 ? SOON_US : LOOK_US;
    if (r->err == OK) {
        s->last_us = s->wall_us;
        s->handlers.done(s->ctx, s);
    } else if (s->wanted_us == 0 || s->since_us < s->wanted_us) {
        s->wanted_us = s->since_us; /* the store is away: once more */
    }
    timer_set(s->loop, &s->timer, loop_now(s->loop) + wait_us, look, s);
}

static void ask(struct scope *s)
{
    static const enum job_status status[] = {JOB_PROCESSING, JOB_PENDING, JOB_STATUS_MAX};
    const size_t limit[] = {SCOPE_RUNNING_MAX, SCOPE_WAITING_MAX,
                            s->since_us < s->last_us ? SCOPE_ENDED_MAX : FRESH_MAX};
    struct store_filter filter = {
        .status = status[s->stage], .user_id = s->user, .limit = limit[s->stage]};
    s->asking = true;
    store_list(s->store, &filter, on_list, s);
}

static void look(void *ctx)
{
    struct scope *s = ctx;
    bool back = s->wanted_us > 0 && s->wanted_us < s->last_us;
    s->stage = RUNNING;
    s->began_us = loop_now(s->loop);
    s->wall_us = loop_wall(s->loop);
    s->since_us = back ? s->wanted_us : s->last_us;
    s->wanted_us = 0;
    ask(s);
}
