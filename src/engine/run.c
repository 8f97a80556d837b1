/* In: a claimed job. Out: its steps carried out one by one, as the script machine asks for them;
 * then one of finish.c's outcomes. */
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

void run_tell(struct run *r, enum engine_event_kind kind, const char *message)
{
    struct engine *e = r->engine;
    char step[PLAN_STEP_SIZE];
    const struct call *call = &r->call;
    struct engine_event event = {
        .kind = kind,
        .failure = r->failure,
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
    free(r->overlay);
    versions_drop(r);
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

/* The smaller of two bounds, 0 being none. */
static int64_t lesser(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

void run_fail(struct run *r, enum engine_failure failure, bool permanent, const char *error)
{
    struct engine *e = r->engine;
    struct job_model job = {.state = STATE_RUNNING,
                            .fence = r->held.fence,
                            .attempts = r->attempts,
                            .max_retries = r->max_retries,
                            .run = r->run},
                     after = job;
    struct job_event_args args = {.now_us = claim_wall(e), .fence = r->held.fence};
    unsigned effects;
    args.run_at_us = args.now_us + retry_job_delay_us(r->attempts + 1, &e->rng);
    enum err err =
        job_apply(&job, permanent ? EVENT_FAIL_FOR_GOOD : EVENT_FAIL, &args, &after, &effects);
    free(r->error);
    r->error = mem_strdup(error);
    r->failure = failure;
    r->run_at_us = lesser(args.run_at_us, r->deadline_us);
    finish_run(r, err == OK && after.state == STATE_WAITING ? STORE_RETRY : STORE_FAIL);
}

void run_release(struct run *r, int64_t delay_us, const char *why)
{
    call_abort(r);
    report_flush(r); /* before the row lets go of the fence */
    free(r->error);
    r->error = mem_strdup(why);
    r->run_at_us = lesser(claim_wall(r->engine) + delay_us,
                          r->deadline_us); /* then it is over, and has failed */
    finish_run(r, STORE_RELEASE);
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

/* What the call is expected to cost counts: a cap that is seen only when it is passed stops
 * nothing. */
bool run_spent(struct run *r)
{
    int64_t next = ledger_expected_cost(r->engine, r);
    if (r->deadline_us > 0 && claim_wall(r->engine) >= r->deadline_us) {
        run_fail(r, ENGINE_FAIL_LIMIT, true, deadline_passed);
        return true;
    }
    if (r->max_cost_udollar == 0 || r->cost_udollar + next <= r->max_cost_udollar)
        return false;
    char *why = mem_printf("maxCostUsd: $%.4f are spent and %s would cost about $%.4f, more than "
                           "the $%.4f of the request or of the configured job-cost-max; raise it "
                           "and run the job again, finished steps are kept",
                           (double)r->cost_udollar / 1e6, r->want.key, (double)next / 1e6,
                           (double)r->max_cost_udollar / 1e6);
    run_fail(r, ENGINE_FAIL_LIMIT, true, why);
    free(why);
    return true;
}

/* The script was checked on the way here; that takes no time, but those who follow are told. */
static void report_check(struct run *r, enum script_do what)
{
    bool written = r->phase == PHASE_CHUNK && (what != SCRIPT_CALL || r->want.phase != PHASE_CHUNK);
    if (written)
        report_phase(r, PHASE_VALIDATING, r->chunks, r->chunks);
}

void run_continue(struct run *r)
{
    enum script_do what = script_next(r->script, &r->want);
    report_check(r, what);
    if (what == SCRIPT_DONE) {
        complete(r);
        return;
    }
    if (what == SCRIPT_FAILED) {
        bool permanent = false;
        const char *error = script_error(r->script, &permanent);
        run_fail(r, ENGINE_FAIL_SCRIPT, permanent, error);
        return;
    }
    r->stage = RUN_CALLING;
    int chunks = script_plan(r->script)->chunks;
    report_phase(r, r->want.phase, r->want.phase == PHASE_EXPANDING ? chunks : r->want.chunk,
                 chunks);
    call_start(r);
}

/* ---- the start ---- */

static void on_deadline(void *ctx)
{
    struct run *r = ctx;
    if (r->stage != RUN_CALLING)
        return; /* call_start() looks too */
    call_abort(r);
    run_fail(r, ENGINE_FAIL_LIMIT, true, deadline_passed);
}

/* What the request asks for, but not past what the configuration allows to anybody. */
static enum err bound(struct run *r, const struct params *params, struct errmsg *msg)
{
    const struct engine_ceiling *c = &r->engine->config.ceiling;
    const char *mode = json_str(params->all, "mode");
    if (mode != NULL && strcmp(mode, "live") != 0)
        return err_set(msg, ERR_INVALID, "mode: %s", params_no_batch);
    r->max_cost_udollar = lesser(params->max_cost_udollar, c->cost_udollar);
    r->deadline_us = lesser(params->deadline_us,
                            c->age_us > 0 && r->created_us > 0 ? r->created_us + c->age_us : 0);
    return OK;
}

static enum err prepare(struct run *r, const char *text, const char *overlay_text,
                        struct errmsg *msg)
{
    struct engine *e = r->engine;
    struct params params = {0};
    json_t *overlay = NULL;
    enum err err = OK;
    struct params_limits limits = params_limits_of(e->config.ceiling.duration_s);
    if (overlay_text != NULL)
        err = json_parse(overlay_text, strlen(overlay_text), STORE_TEXT_MAX, &overlay, msg);
    if (err != OK)
        return err;
    err = params_normalise(text, text == NULL ? 0 : strlen(text), overlay, &limits, &params, msg);
    json_decref(overlay);
    if (err != OK)
        return err;
    err = bound(r, &params, msg);
    if (err == OK)
        err = script_new(r->pipeline, e->catalog, &params, &r->script, msg);
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

bool run_prepare(struct run *r)
{
    struct engine *e = r->engine;
    struct errmsg msg = {0};
    if (r->script != NULL)
        return true;
    enum err err = prepare(r, r->params, r->overlay, &msg);
    free(r->params);
    free(r->overlay);
    r->params = r->overlay = NULL;
    if (err != OK) {
        run_fail(r, ENGINE_FAIL_REQUEST, true, msg.text);
        return false;
    }
    if (r->deadline_us > 0)
        timer_set(e->loop, &r->deadline, loop_now(e->loop) + (r->deadline_us - claim_wall(e)),
                  on_deadline, r);
    return true;
}

void run_begin(struct run *r, const char *overlay)
{
    r->overlay = mem_strdup(overlay);
    run_resume(r);
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
    r->created_us = job->created_us;
    r->waited_us = job->waited_us;
    r->claimed_us = loop_now(e->loop);
    r->stage = RUN_LOADING;
    r->phase = PHASE_INITIALIZING;
    r->shown_progress = r->progress = plan_progress(PHASE_INITIALIZING, 0, 0, 0);
    r->row_written_us = loop_now(e->loop); /* the claim wrote it */
    r->call.text = BUF_INIT(ENGINE_TEXT_MAX);
    r->params = mem_strdup(job->params);
    DL_APPEND(e->runs, r);
    e->n_runs++;
    run_tell(r, ENGINE_JOB_CLAIMED, NULL);
    if ((store_hooks(e->store) & STORE_HOOK_INPUT) != 0)
        input_load(r);
    else
        run_begin(r, NULL);
}
