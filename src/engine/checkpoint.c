/* In: the answer to a step. Out: it is kept, in one transaction with the end of its call in the
 * ledger; then the run goes on. */
#include "base/clock.h"
#include "engine/impl.h"

static void save_step(void *ctx);

static void accept(struct run *r)
{
    script_accept(r->script, &r->answer);
    if (r->want.resumable)
        r->words += r->call.words;
    call_clear(r);
    run_tell(r, ENGINE_JOB_STEP, NULL);
    if (engine_is_stopping(r->engine))
        run_release(r, 0, NULL);
    else
        run_continue(r);
}

static void on_saved(void *ctx, const struct store_result *result)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    if (r->stage != RUN_SAVING) { /* the job is lost; the money is recorded all the same */
        if (result->err != OK && r->has_call_end)
            ledger_close(e, &r->call_end);
    } else if (engine_store_refused(result)) {
        if (r->has_call_end)
            ledger_close(e, &r->call_end);
        run_fail(r, ENGINE_FAIL_DATABASE, true, result->message);
    } else if (engine_store_failed(e, result)) {
        timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US, save_step,
                  r);
    } else if (result->n > 0 && result->lost[0] != STORE_HELD) {
        run_lost(r, result->lost[0]); /* the call itself is in the ledger by now */
    } else {
        accept(r);
    }
    /* This answer was one of r->ops: nothing above has freed the run. */
    run_op_done(r); /* NOLINT(clang-analyzer-unix.Malloc) */
}

static void save_step(void *ctx)
{
    struct run *r = ctx;
    struct store_step step = {
        .key = r->want.key,
        .input_hash = r->want.input_hash,
        .output = r->answer.text,
        .stop = stop_reason_name(r->answer.stop),
        .model = r->answer.model,
        .usage = r->answer.usage,
        .cost_udollar = r->answer.cost_udollar,
        .started_us = r->answer.started_us,
        .ended_us = r->answer.ended_us,
    };
    run_op_begin(r);
    store_step_save(r->engine->store, &r->held, r->run, &step,
                    r->has_call_end ? &r->call_end : NULL, on_saved, r);
}

void run_answered(struct run *r, const struct script_answer *answer,
                  const struct store_call_end *end)
{
    r->answer = *answer; /* its text is r->call.text, which stays until call_clear() */
    r->has_call_end = end != NULL;
    if (end != NULL)
        r->call_end = *end;
    usage_add(&r->usage, &answer->usage);
    r->cost_udollar += answer->cost_udollar;
    r->stage = RUN_SAVING;
    if (script_keeps(r->script, answer)) {
        save_step(r);
        return;
    }
    if (end != NULL)
        ledger_close(r->engine, end);
    accept(r);
}
