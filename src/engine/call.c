/* In: the model call that a run wants. Out: its answer, or the run's retry, release or failure.
 * pace.c -> intent row -> stream -> end, with what each failure calls for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/impl.h"
#include "job/section.h"
#include "job/retry.h"

#define TRIES_MAX             6    /* of one call that fails for reasons of its own */
#define TRIES_OVERLOADED_MAX  10   /* the provider's trouble: the slot is given back after these */
#define TRIES_UNREACHABLE_MAX 4    /* about four seconds, then the operator is told */
#define RETRY_BUDGET_MAX      20.0 /* retries of overload that may go at once over all runs ... */
#define RETRY_BUDGET_EARNED   0.2  /* ... and what each success earns */

void call_clear(struct run *r)
{
    struct call *c = &r->call;
    buf_clear(&c->text);
    c->sent = 0;
    c->words = 0;
    c->in_word = c->wide_half = false;
    c->streaming_us = 0;
    c->first_len = 0;
    c->usage = (struct usage){0};
}

/* ---- the end ---- */

static void keep_text(char *out, size_t size, const char *s)
{
    (void)snprintf(out, size, "%s", s != NULL ? s : "");
}

static struct store_call_end describe_end(struct run *r, enum call_state state,
                                          const struct usage *usage, int http_status,
                                          const char *error)
{
    struct call *c = &r->call;
    return (struct store_call_end){
        .id = c->id,
        .state = state,
        .usage = *usage,
        .cost_udollar = ledger_cost(r->engine, c->model->id, usage),
        .served_model = c->served_model,
        .request_id = c->request_id,
        .error = error,
        .http_status = http_status,
    };
}

static void add_cost(struct run *r, const struct store_call_end *row)
{
    usage_add(&r->usage, &row->usage);
    r->cost_udollar += row->cost_udollar;
}

/* Nobody can know what a cut call produced: its prompt as told or estimated, and the text we saw.
 * The provider's count stands where there was no text. */
static struct usage cut_usage(struct run *r, const struct usage *told)
{
    struct usage u = *told;
    if (usage_prompt(&u) == 0)
        u.input = r->call.estimated_input;
    if (r->call.text.len > 0)
        u.output = ledger_output_tokens(r->engine, &r->call);
    return u;
}

static void answered(struct run *r, const struct provider_end *end)
{
    struct engine *e = r->engine;
    struct call *c = &r->call;
    struct usage usage = end->usage_final ? end->usage : cut_usage(r, &end->usage);
    struct store_call_end row = describe_end(r, end->usage_final ? CALL_EXACT : CALL_ESTIMATED,
                                             &usage, end->http_status, NULL);
    if (end->usage_final)
        ledger_learn(e, r, &usage);
    e->retry_budget += RETRY_BUDGET_EARNED;
    if (e->retry_budget > RETRY_BUDGET_MAX)
        e->retry_budget = RETRY_BUDGET_MAX;
    struct script_answer answer = {.text = buf_str(&c->text),
                                   .len = c->text.len,
                                   .stop = end->stop,
                                   .model = c->served_model,
                                   .usage = usage,
                                   .cost_udollar = row.cost_udollar,
                                   .started_us = c->started_us,
                                   .ended_us = loop_wall(e->loop)};
    run_answered(r, &answer, &row);
}

/* The text of a cut call up to its last full sentence becomes a checkpoint; true when it did. What
 * the failure calls for (a pause, the operator) comes when the checkpoint is written. */
static bool salvage(struct run *r, const struct store_call_end *row, const struct provider_end *end)
{
    struct call *c = &r->call;
    size_t n = r->want.resumable ? script_salvage(&r->want, buf_str(&c->text), c->text.len) : 0;
    if (n == 0)
        return false;
    c->text.len = n;
    c->text.data[n] = '\0';
    c->salvaged = true;
    c->trouble = (struct trouble){end->class, end->retry_after_us, end->should_retry};
    struct script_answer answer = {.text = buf_str(&c->text),
                                   .len = n,
                                   .stop = STOP_CUT,
                                   .model = c->served_model,
                                   .usage = row->usage,
                                   .cost_udollar = row->cost_udollar,
                                   .started_us = c->started_us,
                                   .ended_us = loop_wall(r->engine->loop)};
    run_answered(r, &answer, row);
    return true;
}

static void on_backoff_over(void *ctx)
{
    pace_enter(ctx);
}

static void back_off(struct run *r, int failures, int64_t retry_after_us)
{
    struct engine *e = r->engine;
    int64_t delay = retry_call_delay_us(failures, retry_after_us, &e->rng);
    if (engine_is_stopping(e)) {
        run_release(r, delay, "the model provider asked to wait");
        return;
    }
    if (delay > RETRY_HOLD_MAX_US) {
        pace_put_off(r, delay, "the model provider asked to wait");
        return;
    }
    r->call.stage = STAGE_BACKOFF;
    timer_set(e->loop, &r->call.timer, loop_now(e->loop) + delay, on_backoff_over, r);
}

/* Where the provider refuses us as a whole no job is claimed meanwhile, so that one is due at once
 * and goes on as soon as it can; where only its model is not there, it waits and others go on. */
int64_t call_park_wait(const struct engine *e)
{
    return pacer_parked(e->pacer, NULL) != NULL ? 0 : ENGINE_PARK_US;
}

/* The provider refuses: nothing is burned, the operator is told. */
static void park(struct run *r, bool whole)
{
    struct engine *e = r->engine;
    claim_park(e, r->call.error, whole);
    run_release(r, call_park_wait(e), r->call.error);
}

/* The provider answers nobody: no fault of this job's. */
static bool is_outage(const struct run *r)
{
    return pacer_is_failing(r->engine->pacer, r->call.model->rate_class);
}

/* The pacer lets one call after the other find out whether it is over, ever more seldom; once that
 * is more than a minute away, those that wait give their slots back. */
static void wait_for_its_end(struct run *r)
{
    if (r->call.tries + r->call.overloads > TRIES_OVERLOADED_MAX)
        pace_put_off(r, RETRY_HOLD_MAX_US, r->call.error);
    else
        pace_enter(r);
}

static void after_overload(struct run *r, const struct trouble *t)
{
    struct engine *e = r->engine;
    if (t->should_retry == 0) {
        run_fail(r, ENGINE_FAIL_PROVIDER, true, r->call.error);
        return;
    }
    if (is_outage(r)) {
        wait_for_its_end(r);
        return;
    }
    if (e->retry_budget < 1 || r->call.overloads > TRIES_OVERLOADED_MAX) {
        pace_put_off(r, RETRY_HOLD_MAX_US, r->call.error);
        return;
    }
    e->retry_budget -= 1;
    back_off(r, r->call.overloads, t->retry_after_us);
}

/* Only these are counted against the job: nothing that the provider did to many. */
static void after_break(struct run *r, const struct trouble *t)
{
    if (t->should_retry != 0 && is_outage(r))
        wait_for_its_end(r);
    else if (r->call.tries >= TRIES_MAX || t->should_retry == 0)
        run_fail(r, ENGINE_FAIL_PROVIDER, false, r->call.error);
    else
        back_off(r, r->call.tries, t->retry_after_us);
}

static void after_failure(struct run *r, const struct trouble *t)
{
    if (run_spent(r))
        return;
    switch (t->class) {
    case CALL_THROTTLED:
    case CALL_RAMP:
        pace_enter(r); /* the pacer has frozen what the answer named */
        return;
    case CALL_OVERLOADED:
        r->call.overloads++;
        after_overload(r, t);
        return;
    case CALL_PARKED:
    case CALL_OPERATOR: /* the pacer knows whether it is the key or one model */
        park(r, pacer_parked(r->engine->pacer, NULL) != NULL);
        return;
    case CALL_UNREACHABLE:
        if (++r->call.tries >= TRIES_UNREACHABLE_MAX)
            park(r, true);
        else
            back_off(r, r->call.tries, -1);
        return;
    case CALL_RETRY:
        r->call.tries++;
        after_break(r, t);
        return;
    default:
        run_fail(r, ENGINE_FAIL_PROVIDER, true, r->call.error);
        return;
    }
}

static void failed(struct run *r, const struct provider_end *end)
{
    struct call *c = &r->call;
    /* An error answer costs nothing; a request that left without any answer may have, and so may
     * one whose answer broke before it said anything. */
    bool silent = end->http_status == 0 || (end->http_status == 200 && end->class == CALL_RETRY);
    bool maybe_billed = end->billed || (end->sent && silent);
    struct usage usage = {0};
    enum call_state state = CALL_UNBILLED;
    if (maybe_billed) {
        usage = end->usage_final ? end->usage : cut_usage(r, &end->usage);
        state = end->usage_final ? CALL_EXACT : CALL_ESTIMATED;
    }
    struct store_call_end row = describe_end(r, state, &usage, end->http_status, c->error);
    if (salvage(r, &row, end))
        return;
    ledger_close(r->engine, &row);
    add_cost(r, &row);
    c->id = (struct uuid){0};
    call_clear(r);
    after_failure(r, &(struct trouble){end->class, end->retry_after_us, end->should_retry});
}

/* ---- the stream ---- */

static void on_start(void *ctx, const struct provider_begin *begin)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    struct call *c = &r->call;
    c->usage = begin->usage;
    keep_text(c->request_id, sizeof c->request_id, begin->request_id);
    pacer_started(e->pacer, c->ticket, &begin->usage, loop_now(e->loop));
    pacer_report(e->pacer, c->model->rate_class, &begin->rates, loop_now(e->loop),
                 loop_wall(e->loop)); /* not first at the end, which may be minutes away */
}

/* As words_count() does, about: marks and headings count while they come. */
static void count_words(struct call *c, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool space = isspace((unsigned char)text[i]) != 0;
        if (section_is_wide(text + i, n - i)) {
            i += 2;
            c->words += c->wide_half;
            c->wide_half = !c->wide_half;
            space = true; /* it is no letter of the next word */
        } else if (c->in_word && space) {
            c->words++;
        }
        c->in_word = !space;
    }
}

static void on_text(void *ctx, const char *text, size_t n)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    struct call *c = &r->call;
    if (buf_add(&c->text, text, n) != OK) {
        call_abort(r);
        run_fail(r, ENGINE_FAIL_SCRIPT, true, "the model's answer is larger than a script can be");
        return;
    }
    int64_t now = loop_now(e->loop);
    if (c->streaming_us == 0)
        c->streaming_us = now;
    if (c->streaming_us == now)
        c->first_len = c->text.len;
    count_words(c, text, n);
    pacer_output(e->pacer, c->ticket, ledger_output_tokens(e, c), now);
    report_text(r);
}

static void on_end(void *ctx, const struct provider_end *end)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    struct call *c = &r->call;
    c->provider = NULL;
    c->stage = STAGE_NONE;
    keep_text(c->served_model, sizeof c->served_model,
              end->served_model[0] != '\0' ? end->served_model : c->model->id);
    keep_text(c->request_id, sizeof c->request_id, end->request_id);
    keep_text(c->error, sizeof c->error, end->error);
    pacer_ended(e->pacer, c->ticket, end, loop_now(e->loop), loop_wall(e->loop));
    c->ticket = 0;
    if (end->class == CALL_DONE)
        answered(r, end);
    else
        failed(r, end);
    pace_soon(e);
}

static void send(struct run *r)
{
    static const struct provider_handlers handlers = {on_start, on_text, on_end};
    struct call *c = &r->call;
    char id[UUID_TEXT_SIZE];
    struct provider_request request = {
        .model = c->model,
        .system = r->want.system,
        .user = r->want.user,
        .schema = c->model->schema ? r->want.schema : NULL,
        .max_tokens = r->want.max_tokens,
        .call_id = uuid_text(&c->id, id),
    };
    c->stage = STAGE_STREAMING;
    c->started_us = loop_wall(r->engine->loop);
    c->sent_us = loop_now(r->engine->loop);
    c->provider = provider_start(r->engine->provider, &request, &handlers, r);
}

/* ---- the intent ---- */

struct intent {
    struct run *run;
    struct uuid id;
};

static void write_intent(void *ctx);

static void on_intent(void *ctx, const struct store_result *result)
{
    struct intent *intent = ctx;
    struct run *r = intent->run;
    struct engine *e = r->engine;
    bool ours = r->call.stage == STAGE_INTENT && uuid_equal(&r->call.id, &intent->id);
    if (!ours) { /* given up meanwhile: it was never sent, but may be there, whatever we heard */
        ledger_close(e, &(struct store_call_end){.id = intent->id, .state = CALL_UNBILLED});
    } else if (engine_store_refused(result)) {
        call_abort(r);
        run_fail(r, ENGINE_FAIL_DATABASE, true, result->message);
    } else if (engine_store_failed(e, result)) {
        timer_set(e->loop, &r->call.timer, loop_now(e->loop) + ENGINE_STORE_RETRY_US, write_intent,
                  r);
    } else if (result->cap != STORE_CAP_NONE) {
        call_abort(r);
        spend_capped(r, result->cap);
    } else if (!lease_held(e) || engine_is_stopping(e)) { /* nothing may be sent any more */
        ledger_close(e, &(struct store_call_end){.id = intent->id, .state = CALL_UNBILLED});
        call_abort(r);
        pace_enter(r);
    } else {
        send(r);
    }
    free(intent);
    run_op_done(r);
}

static void write_intent(void *ctx)
{
    struct run *r = ctx;
    struct engine *e = r->engine;
    struct call *c = &r->call;
    struct price price = ledger_price(e, c);
    struct store_call row = {
        .id = c->id,
        .job = r->id,
        .user_id = r->user_id,
        .worker = e->worker,
        .run = r->run,
        .attempt = r->attempts + 1,
        .step = r->want.key,
        .provider = provider_name(e->provider),
        .model = c->model->id,
        .estimated_input = c->estimated_input,
        .price_input = price.input,
        .price_output = price.output,
        .reserved_udollar = ledger_expected_cost(e, r),
        .day_cap_udollar = e->config.day_cap_udollar,
        .user_day_cap_udollar = e->config.user_day_cap_udollar,
    };
    struct intent *intent = mem_alloc(sizeof *intent);
    *intent = (struct intent){.run = r, .id = c->id};
    c->stage = STAGE_INTENT;
    run_op_begin(r);
    store_call_open(e->store, &row, on_intent, intent);
}

void call_admitted(struct run *r)
{
    /* Once per try: when the answer to the intent gets lost, it is sent again as the same row. */
    struct call *c = &r->call;
    c->id = uuid_new(loop_wall(r->engine->loop));
    c->served_model[0] = c->request_id[0] = c->error[0] = '\0';
    write_intent(r);
}

/* ---- the start ---- */

void call_start(struct run *r)
{
    struct engine *e = r->engine;
    struct call *c = &r->call;
    call_clear(r);
    c->tries = c->overloads = 0;
    c->model = catalog_model(e->catalog, r->want.model);
    if (c->model == NULL) {
        run_fail(r, ENGINE_FAIL_REQUEST, true, "the model is not in the catalogue");
        return;
    }
    c->untaught_input = ledger_untaught_input(&r->want);
    c->estimated_input = ledger_input_tokens(e, c);
    if (run_spent(r))
        return;
    if (c->salvaged) {
        c->salvaged = false;
        after_failure(r, &c->trouble);
    } else {
        pace_enter(r);
    }
}

/* ---- our own end ---- */

void call_abort(struct run *r)
{
    struct engine *e = r->engine;
    struct call *c = &r->call;
    enum call_stage stage = c->stage;
    if (stage == STAGE_INTENT && timer_is_set(&c->timer)) /* failed, but it may be there */
        ledger_close(e, &(struct store_call_end){.id = c->id, .state = CALL_UNBILLED});
    timer_stop(e->loop, &c->timer);
    if (stage == STAGE_PACING)
        pace_leave(r);
    c->stage = STAGE_NONE;
    if (stage == STAGE_STREAMING) {
        struct usage told = {0};
        provider_abort(c->provider, &told);
        c->provider = NULL;
        struct usage usage = cut_usage(r, &told);
        usage.output = tokens_after_cut(usage.output, ledger_output_rate(e, c),
                                        TOKENS_READ_TICK_US + 2 * TOKENS_WAY_US);
        keep_text(c->served_model, sizeof c->served_model, c->model->id);
        struct store_call_end row =
            describe_end(r, CALL_ESTIMATED, &usage, 0, "cut by us: stopped, cancelled or lost");
        ledger_close(e, &row);
    }
    if (stage == STAGE_STREAMING || stage == STAGE_INTENT) {
        pacer_ended(e->pacer, c->ticket, NULL, loop_now(e->loop), loop_wall(e->loop));
        c->ticket = 0;
        pace_soon(e);
    }
}
