/* In: a claimed job. Out: its steps carried out one by one, as the script machine asks for them,
 * each kept as a checkpoint; then one of finish.c's outcomes. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/impl.h"
#include "job/check.h"
#include "job/retry.h"

static const char deadline_passed[] = "the job's deadline has passed";

static const struct params_limits limits = {.duration_default_s = 600,
                                            .duration_max_s = PLAN_DURATION_MAX_S};

void run_tell(struct run *r, enum engine_event_kind kind, const char *message)
{
    struct engine *e = r->engine;
    char step[PLAN_STEP_SIZE];
    const struct call *call = &r->call;
    struct engine_event event = {
        .kind = kind,
        .job = r->id,
        .user_id = r->user_id,
        .step = plan_step_name(r->phase, r->chunk, r->chunks, step),
        .progress = r->shown_progress,
        .chunk = r->chunk,
        .chunks = r->chunks,
        .words = r->words + call->words,
        .tokens_out = r->usage.output,
        .usage = r->usage,
        .cost_udollar = r->cost_udollar,
        .waited_us = r->waited_us,
        .worked_us = loop_now(e->loop) - r->claimed_us,
        .attempt = r->attempts + 1,
        .max_retries = r->max_retries,
        .batch = batch_id(r->batch),
        .message = message,
    };
    if (call->stage == STAGE_STREAMING) {
        event.tokens_out += ledger_output_tokens(e, call);
        event.tokens_per_second = (double)ledger_output_rate(e, call);
    }
    if (kind == ENGINE_JOB_COMPLETED) {
        event.script = script_text(r->script);
        event.words = words_count(event.script, strlen(event.script)); /* what is spoken */
    }
    batch_event(r->batch, r->batch_at, &event);
    engine_tell(e, &event);
}

/* ---- the end of a run, seen from here ---- */

static void free_run(struct run *r)
{
    script_free(r->script);
    buf_free(&r->call.text);
    free(r->error);
    free(r->params);
    free(r);
}

void run_op_begin(struct run *r)
{
    r->ops++;
    r->engine->ops++;
}

void run_op_done(struct run *r)
{
    struct engine *e = r->engine;
    r->ops--;
    if (r->ops == 0 && r->stage == RUN_GONE)
        free_run(r);
    engine_op_done(e);
}

void run_end(struct run *r)
{
    struct engine *e = r->engine;
    r->stage = RUN_GONE;
    timer_stop(e->loop, &r->deadline);
    timer_stop(e->loop, &r->store_retry);
    report_forget(r);
    DL_DELETE(e->runs, r);
    e->n_runs--;
    batch_left(r->batch, r->batch_at);
    r->batch = NULL;
    claim_soon(e);
    run_op_begin(r);
    run_op_done(r);
}

void run_lost(struct run *r, enum store_lost how)
{
    static const char *const why[STORE_LOST_MAX] = {
        [STORE_HELD] = "lost",
        [STORE_CANCELLED] = "cancelled",
        [STORE_DELETED] = "deleted",
        [STORE_REPLACED] = "taken over or run again",
        [STORE_REFUSED] = "refused by the database",
    };
    call_abort(r);
    if (r->stage == RUN_SAVING && timer_is_set(&r->store_retry) && r->has_call_end)
        ledger_close(r->engine, &r->call_end); /* the money is recorded all the same */
    run_tell(r, ENGINE_JOB_LOST, why[how]);
    run_end(r);
}

void run_fail(struct run *r, bool permanent, const char *error)
{
    struct engine *e = r->engine;
    struct job_model job = {.state = STATE_RUNNING,
                            .fence = r->held.fence,
                            .attempts = r->attempts,
                            .max_retries = r->max_retries,
                            .run = r->run},
                     after = job;
    struct job_event_args args = {.now_us = loop_wall(e->loop), .fence = r->held.fence};
    unsigned effects;
    args.run_at_us = args.now_us + retry_job_delay_us(r->attempts + 1, &e->rng);
    enum err err =
        job_apply(&job, permanent ? EVENT_FAIL_FOR_GOOD : EVENT_FAIL, &args, &after, &effects);
    free(r->error);
    r->error = mem_strdup(error);
    r->run_at_us = args.run_at_us;
    finish_run(r, err == OK && after.state == STATE_WAITING ? STORE_RETRY : STORE_FAIL);
}

void run_release(struct run *r, int64_t run_at_us, const char *why)
{
    call_abort(r);
    report_flush(r); /* before the row lets go of the fence */
    free(r->error);
    r->error = mem_strdup(why);
    r->run_at_us = run_at_us;
    finish_run(r, STORE_RELEASE);
}

/* ---- a checkpoint ---- */

static void save_step(void *ctx);

static void accept(struct run *r)
{
    script_accept(r->script, &r->answer);
    if (r->want.resumable)
        r->words += r->call.words;
    call_clear(r);
    run_tell(r, ENGINE_JOB_STEP, NULL);
    if (engine_is_stopping(r->engine))
        run_release(r, loop_wall(r->engine->loop), NULL);
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
        run_fail(r, true, result->message);
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

/* ---- the steps ---- */

static void complete(struct run *r)
{
    const char *notes = script_notes(r->script);
    if (notes[0] != '\0')
        log_info(r->name, "%s", notes);
    report_phase(r, PHASE_SAVING, r->chunks, r->chunks);
    finish_run(r, STORE_COMPLETE);
}

const char *run_spent(const struct run *r)
{
    if (r->deadline_us > 0 && loop_wall(r->engine->loop) >= r->deadline_us)
        return deadline_passed;
    if (r->max_cost_udollar > 0 && r->cost_udollar >= r->max_cost_udollar)
        return "maxCostUsd is spent: raise it and run the job again; finished steps are kept";
    return NULL;
}

void run_continue(struct run *r)
{
    enum script_do what = script_next(r->script, &r->want);
    if (what == SCRIPT_DONE) {
        complete(r);
        return;
    }
    if (what == SCRIPT_FAILED) {
        bool permanent = false;
        const char *error = script_error(r->script, &permanent);
        run_fail(r, permanent, error);
        return;
    }
    const char *reason = run_spent(r);
    if (reason != NULL) {
        run_fail(r, true, reason);
        return;
    }
    r->stage = RUN_CALLING;
    report_phase(r, r->want.phase, r->want.chunk, script_plan(r->script)->chunks);
    call_start(r);
}

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
        r->cost_udollar += s->cost_udollar;
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

static void load_steps(void *ctx);

static void on_steps(void *ctx, const struct store_result *saved)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    if (r->stage != RUN_LOADING) {
        /* lost meanwhile */
    } else if (engine_is_stopping(e)) {
        run_release(r, loop_wall(e->loop), NULL);
    } else if (engine_store_failed(e, saved)) {
        timer_set(e->loop, &r->store_retry, loop_now(e->loop) + ENGINE_STORE_RETRY_US, load_steps,
                  r);
    } else {
        report_phase(r, PHASE_PREPARING, 0, script_plan(r->script)->chunks);
        if (!reuse_steps(r, saved) || !reuse_partial(r, saved))
            run_continue(r);
    }
    run_op_done(r);
}

static void load_steps(void *ctx)
{
    struct run *r = ctx;
    run_op_begin(r);
    store_steps(r->engine->store, &r->id, r->run, on_steps, r);
}

/* ---- the start ---- */

static void on_deadline(void *ctx)
{
    struct run *r = ctx;
    if (r->stage != RUN_CALLING)
        return; /* run_continue() looks too */
    call_abort(r);
    run_fail(r, true, deadline_passed);
}

static enum err prepare(struct run *r, const char *text, const char *overlay_text,
                        struct errmsg *msg)
{
    struct engine *e = r->engine;
    struct params params = {0};
    json_t *overlay = NULL;
    enum err err = OK;
    if (overlay_text != NULL)
        err = json_parse(overlay_text, strlen(overlay_text), STORE_TEXT_MAX, &overlay, msg);
    if (err != OK)
        return err;
    err = params_normalise(text, text == NULL ? 0 : strlen(text), overlay, &limits, &params, msg);
    json_decref(overlay);
    if (err != OK)
        return err;
    r->max_cost_udollar = params.max_cost_udollar;
    r->deadline_us = params.deadline_us;
    err = script_new(e->pipeline, e->catalog, &params, &r->script, msg);
    params_free(&params);
    return err;
}

/* A client ran the job again before we saw that its last attempt is over. */
static void drop_last_attempt(struct engine *e, const struct uuid *job)
{
    struct run *r, *next;
    DL_FOREACH_SAFE (e->runs, r, next) {
        if (uuid_equal(&r->id, job) && r->stage != RUN_FINISHING)
            run_lost(r, STORE_REPLACED);
    }
}

void run_begin(struct run *r, const char *params, const char *overlay)
{
    struct engine *e = r->engine;
    struct errmsg msg = {0};
    if (prepare(r, params, overlay, &msg) != OK) {
        run_fail(r, true, msg.text);
        return;
    }
    if (r->deadline_us > 0)
        timer_set(e->loop, &r->deadline, loop_now(e->loop) + (r->deadline_us - loop_wall(e->loop)),
                  on_deadline, r);
    load_steps(r);
}

void run_start(struct engine *e, const struct store_claimed *job)
{
    run_start_in(e, job, NULL, 0);
}

void run_start_in(struct engine *e, const struct store_claimed *job, struct batch *batch, size_t at)
{
    drop_last_attempt(e, &job->id);
    struct run *r = mem_alloc(sizeof *r);
    r->engine = e;
    r->batch = batch;
    r->batch_at = at;
    r->id = job->id;
    r->user_id = job->user_id;
    uuid_text(&job->id, r->name);
    r->held = (struct store_held){.job = job->id, .fence = job->fence};
    r->run = job->run;
    r->attempts = job->attempts;
    r->max_retries = job->max_retries;
    r->waited_us = job->waited_us;
    r->claimed_us = loop_now(e->loop);
    r->stage = RUN_LOADING;
    r->phase = PHASE_INITIALIZING;
    r->shown_progress = r->progress = plan_progress(PHASE_INITIALIZING, 0, 0, 0);
    r->row_written_us = loop_now(e->loop); /* the claim wrote it */
    r->call.text = BUF_INIT(ENGINE_TEXT_MAX);
    DL_APPEND(e->runs, r);
    e->n_runs++;
    run_tell(r, ENGINE_JOB_CLAIMED, NULL);
    if ((store_hooks(e->store) & STORE_HOOK_INPUT) != 0)
        input_load(r, job->params);
    else
        run_begin(r, job->params, NULL);
}
