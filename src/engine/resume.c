/* In: a run's checkpoints and the text of a cut call, as the store has them. Out: the script
 * machine brought to where the last attempt stopped; no finished call is made again. */
#include <string.h>

#include "base/clock.h"
#include "engine/impl.h"
#include "job/check.h"

static enum stop_reason saved_stop(const struct store_step *step)
{
    return step->stop != NULL && strcmp(step->stop, stop_reason_name(STOP_CUT)) == 0
               ? STOP_CUT
               : stop_reason_parse(step->stop);
}

static const struct store_step *find_step(const struct store_result *saved,
                                          const struct script_call *want)
{
    for (size_t i = 0; i < saved->n; i++) {
        const struct store_step *s = &saved->steps[i];
        if (strcmp(s->key, want->key) == 0 && strcmp(s->input_hash, want->input_hash) == 0)
            return s;
    }
    return NULL;
}

/* A finished step is reused when its input is the same to the byte; the first that is not, and all
 * that build on it, are made again. */
static bool reuse_steps(struct run *r, const struct store_result *saved)
{
    while (script_next(r->script, &r->want) == SCRIPT_CALL) {
        const struct store_step *s = find_step(saved, &r->want);
        if (s == NULL)
            return true;
        struct script_answer answer = {
            .text = s->output,
            .len = strlen(s->output),
            .stop = saved_stop(s),
            .model = s->model,
            .usage = s->usage,
            .cost_udollar = s->cost_udollar,
            .started_us = s->started_us,
            .ended_us = s->ended_us,
        };
        usage_add(&r->usage, &s->usage);
        if (r->want.resumable)
            r->words += words_count(s->output, answer.len);
        script_accept(r->script, &answer);
    }
    return false;
}

/* The text that a crash or stop cut off becomes a checkpoint of its own; true when it did. */
static bool reuse_partial(struct run *r, const struct store_result *saved)
{
    if (saved->partial == NULL || !r->want.resumable ||
        strcmp(saved->partial_key, r->want.key) != 0 ||
        strcmp(saved->partial_hash, r->want.input_hash) != 0)
        return false;
    size_t n = script_salvage(&r->want, saved->partial, strlen(saved->partial));
    if (n == 0)
        return false;
    buf_put(&r->call.text, saved->partial, n);
    r->call.words = words_count(saved->partial, n);
    int64_t now = loop_wall(r->engine->loop);
    struct script_answer answer = {.text = buf_str(&r->call.text),
                                   .len = n,
                                   .stop = STOP_CUT,
                                   .model = r->want.model,
                                   .started_us = now,
                                   .ended_us = now};
    if (!script_keeps(r->script, &answer)) { /* broken too often: its last part is asked anew */
        call_clear(r);
        return false;
    }
    run_answered(r, &answer, NULL);
    return true;
}

static void resume_again(void *ctx)
{
    run_resume(ctx);
}

static void on_steps(void *ctx, const struct store_result *saved)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    if (r->stage != RUN_LOADING) {
        /* lost meanwhile */
    } else if (engine_is_stopping(e)) {
        run_release(r, 0, NULL);
    } else if (engine_store_failed(e, saved)) {
        timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US, resume_again,
                  r);
    } else if (versions_use(r, saved->version) && run_prepare(r)) {
        /* Not only what became a checkpoint: calls that were cut were paid for, too. */
        r->cost_udollar = saved->spent_udollar;
        report_phase(r, PHASE_PREPARING, 0, script_plan(r->script)->chunks);
        if (!reuse_steps(r, saved) || !reuse_partial(r, saved))
            run_continue(r);
    }
    run_op_done(r);
}

void run_resume(struct run *r)
{
    run_op_begin(r);
    store_steps(r->engine->store, &r->id, r->run, on_steps, r);
}
