/* In: model calls as they begin and end. Out: their cost, the estimates that pacing and cut calls
 * need, and ledger rows that end whatever happens to the job. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/impl.h"

#define LEARN_WEIGHT        0.2 /* of the newest call in a learned average */
#define TOKENS_PER_WORD     1.5
#define BYTES_PER_TOKEN_MIN 1.0
#define BYTES_PER_TOKEN_MAX 8.0
#define INPUT_RATIO_MIN     0.25
#define INPUT_RATIO_MAX     4.0

int64_t ledger_cost(const struct engine *e, const char *model_id, const struct usage *usage)
{
    struct price price;
    if (catalog_price(e->catalog, model_id, loop_wall(e->loop), usage_prompt(usage), &price) != OK)
        return 0;
    return price_usage(&price, usage);
}

static int64_t tokens_of(const struct engine *e, size_t bytes)
{
    return (int64_t)((double)bytes / e->bytes_per_token);
}

int64_t ledger_output_tokens(const struct engine *e, const struct call *call)
{
    return tokens_of(e, call->text.len);
}

/* What the first read brings was made before it: in a tick, or in seconds for which this process
 * stood still. Not to look like a burst, it counts by itself only, since the request. */
int64_t ledger_output_rate(const struct engine *e, const struct call *call)
{
    size_t bytes = call->text.len - call->first_len;
    int64_t us = loop_now(e->loop) - call->streaming_us;
    if (us < TOKENS_READ_TICK_US) {
        bytes = call->text.len;
        us = loop_now(e->loop) - call->sent_us;
    }
    return us > 0 ? tokens_of(e, bytes) * USEC_PER_SEC / us : 0;
}

int64_t ledger_untaught_input(const struct script_call *want)
{
    int64_t n = tokens_estimate(want->user, strlen(want->user));
    if (want->system != NULL)
        n += tokens_estimate(want->system, strlen(want->system));
    return n;
}

int64_t ledger_input_tokens(const struct engine *e, const struct call *call)
{
    return (int64_t)((double)call->untaught_input * e->input_ratio);
}

/* By the words that it is asked for: of two minutes' speech or of fifteen. */
int64_t ledger_expected_output(const struct engine *e, const struct script_call *want)
{
    const struct learned_output *l = &e->learned_output[want->phase];
    if (want->expected_words <= 0)
        return want->max_tokens / 2;
    double per_word = l->words > 0 ? l->tokens / l->words : TOKENS_PER_WORD;
    int64_t tokens = (int64_t)((double)want->expected_words * per_word);
    return tokens < want->max_tokens ? tokens : want->max_tokens;
}

struct price ledger_price(const struct engine *e, const struct call *call)
{
    struct price price;
    if (catalog_price(e->catalog, call->model->id, loop_wall(e->loop), call->estimated_input,
                      &price) != OK)
        return (struct price){0}; /* a model without a price: estimates are 0 */
    return price;
}

int64_t ledger_expected_cost(const struct engine *e, const struct run *r)
{
    struct price price = ledger_price(e, &r->call);
    struct usage usage = {.input = r->call.estimated_input,
                          .output = ledger_expected_output(e, &r->want)};
    return price_usage(&price, &usage);
}

static void learn(double *average, double value)
{
    *average = *average == 0 ? value : *average + LEARN_WEIGHT * (value - *average);
}

/* What all estimates are made with. One answer that says little about text (white space, figures of
 * a proxy's own making) must not make cut calls cost ten times what they did, or nothing. */
static void learn_within(double *average, double value, double low, double high)
{
    learn(average, value < low ? low : value > high ? high : value);
}

void ledger_learn(struct engine *e, const struct run *r, const struct usage *usage)
{
    const struct call *c = &r->call;
    if (usage->output > 50)
        learn_within(&e->bytes_per_token, (double)c->text.len / (double)usage->output,
                     BYTES_PER_TOKEN_MIN, BYTES_PER_TOKEN_MAX);
    /* Against the estimate before any learning: against one that was made with an older ratio, the
     * calls of many slots would each correct it once more, and it would swing ever wider. */
    if (c->untaught_input > 0 && usage_prompt(usage) > 0)
        learn_within(&e->input_ratio, (double)usage_prompt(usage) / (double)c->untaught_input,
                     INPUT_RATIO_MIN, INPUT_RATIO_MAX);
    if (r->want.expected_words > 0) {
        struct learned_output *l = &e->learned_output[r->want.phase];
        learn(&l->tokens, (double)usage->output);
        learn(&l->words, (double)r->want.expected_words);
    }
}

/* ---- ending rows ---- */

struct closing {
    struct engine *engine;
    struct arena arena;
    struct store_call_end end;
    struct loop_timer timer;
};

static void submit(void *ctx);

static void on_closed(void *ctx, const struct store_result *result)
{
    struct closing *closing = ctx;
    struct engine *e = closing->engine;
    if (engine_store_failed(e, result) && !e->gave_up) {
        timer_set(e->loop, &closing->timer, loop_now(e->loop) + ENGINE_STORE_RETRY_US, submit,
                  closing);
        return;
    }
    arena_free(&closing->arena);
    free(closing);
    engine_op_done(e);
}

static void submit(void *ctx)
{
    struct closing *closing = ctx;
    store_call_close(closing->engine->store, &closing->end, on_closed, closing);
}

void ledger_close(struct engine *e, const struct store_call_end *end)
{
    if (e->stage == ENGINE_DONE)
        return; /* the store did not answer in time: the next start closes it as estimated */
    struct closing *closing = mem_alloc(sizeof *closing);
    closing->engine = e;
    closing->end = *end;
    closing->end.served_model = arena_strdup(&closing->arena, end->served_model);
    closing->end.request_id = arena_strdup(&closing->arena, end->request_id);
    closing->end.error = arena_strdup(&closing->arena, end->error);
    e->ops++;
    submit(closing);
}
