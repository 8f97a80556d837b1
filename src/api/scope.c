/* In: whose jobs somebody wants to see. Out: which those are. */
#include "api/scope.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US USEC_PER_SEC
#define SOON_US (50 * USEC_PER_MSEC)

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
    int64_t since_us; /* 0 = nobody has asked */
};

static void look(void *ctx);

struct scope *scope_new(struct loop *loop, struct store *store, const struct uuid *user,
                        const struct scope_handlers *handlers, void *ctx)
{
    struct scope *s = mem_alloc(sizeof *s);
    *s = (struct scope){
        .loop = loop, .store = store, .user = *user, .handlers = *handlers, .ctx = ctx};
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
    if (s->since_us == 0 || wall_us < s->since_us)
        s->since_us = wall_us;
    scope_hint(s);
}

bool scope_tells_ended(const struct scope *s)
{
    return s->stage == ENDED;
}

static bool is_wanted(const struct scope *s, const struct store_job *job)
{
    int64_t ended = job->completed_us > job->updated_us ? job->completed_us : job->updated_us;
    return s->stage != ENDED ||
           (job->status != JOB_PENDING && job->status != JOB_PROCESSING && ended >= s->since_us);
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
    if (r->err == OK && s->stage == RUNNING) {
        s->stage = WAITING;
        ask(s);
    } else if (r->err == OK && s->stage == WAITING && s->since_us > 0) {
        s->stage = ENDED;
        ask(s);
    } else {
        if (r->err == OK && s->stage == ENDED)
            s->since_us = 0;
        s->stage = RUNNING;
        timer_set(s->loop, &s->timer, loop_now(s->loop) + LOOK_US, look, s);
        s->handlers.done(s->ctx, s);
    }
}

static void ask(struct scope *s)
{
    static const enum job_status status[] = {JOB_PROCESSING, JOB_PENDING, JOB_STATUS_MAX};
    static const size_t limit[] = {SCOPE_RUNNING_MAX, SCOPE_WAITING_MAX, SCOPE_ENDED_MAX};
    struct store_filter filter = {
        .status = status[s->stage], .user_id = s->user, .limit = limit[s->stage]};
    s->asking = true;
    store_list(s->store, &filter, on_list, s);
}

static void look(void *ctx)
{
    struct scope *s = ctx;
    s->stage = RUNNING;
    ask(s);
}
