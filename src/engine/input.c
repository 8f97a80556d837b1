/* In: a claimed job of a store with an input hook. Out: the run begun with what the hook gave, or
 * its attempt failed; no model was called before. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/impl.h"

static void ask(void *ctx);

static void refused(struct run *r, const struct store_result *result)
{
    const char *why = result->why != NULL ? result->why[0] : "refused";
    char *error = mem_printf("hooks.input: %s", why);
    /* The hook's own words alone where it meant them for people. */
    run_fail(r, ENGINE_FAIL_HOOK, result->for_good, result->for_good ? why : error);
    free(error);
}

static void on_input(void *ctx, const struct store_result *result)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    if (r->stage != RUN_LOADING) {
        run_op_done(r);
        return;
    }
    if (engine_is_stopping(e)) {
        run_release(r, 0, NULL);
    } else if (engine_store_failed(e, result)) {
        timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US, ask, r);
    } else if (result->lost[0] == STORE_REFUSED) {
        refused(r, result);
    } else if (result->lost[0] != STORE_HELD) {
        run_lost(r, result->lost[0]);
    } else {
        run_begin(r, result->text);
    }
    run_op_done(r);
}

static void ask(void *ctx)
{
    struct run *r = ctx;
    run_op_begin(r);
    store_input(r->engine->store, &r->held, r->run, on_input, r);
}

void input_load(struct run *r)
{
    ask(r);
}
