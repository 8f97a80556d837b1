/* In: firings. Out: calls of the function on behalf of their worker ids, as a caller that does not
 * wait would make them. */
#include "engine/schedule_calls.h"

#include <stdio.h>

#include "engine/impl.h"
#include "engine/invoke.h"
#include "store/store_schedules.h"

#define CALLER "pg_cron"

static const char *said(const struct invoke_result *r, char *out, size_t size)
{
    if (r->err != OK)
        return r->message;
    if (r->n > 0)
        (void)snprintf(out, size, "%zu job(s) accepted", r->n);
    else
        (void)snprintf(out, size, "%s",
                       r->paused     ? "paused"
                       : r->due_left ? "all jobs already being processed"
                                     : "no pending jobs");
    return out;
}

/* What becomes of the jobs is told by the record of the call. */
static void on_invoke(void *ctx, const struct invoke_result *r)
{
    char text[64];
    if (r->stage != INVOKE_CLAIMED)
        return;
    schedule_called(ctx, &(struct schedule_outcome){.err = r->err,
                                                    .message = said(r, text, sizeof text),
                                                    .invocation = r->id});
}

void schedule_calls_make(void *ctx, const struct store_run *run, struct schedule_call *call)
{
    const struct schedule_calls *c = ctx;
    invoke(c->invoker,
           &(struct invoke){
               .caller = CALLER, .label = run->label, .async = true, .fn = on_invoke, .ctx = call});
}

bool schedule_calls_worker(void *ctx, struct uuid *ret_worker)
{
    const struct engine *e = ((const struct schedule_calls *)ctx)->engine;
    if (e->stage != ENGINE_RUNNING || !lease_held(e))
        return false;
    *ret_worker = e->worker;
    return true;
}
