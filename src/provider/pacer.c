/* In: calls that want to start, run and end, and the provider's headers. Out: go, or when to ask
 * again. Each rate class has its own buckets, so that none waits for another. */
#include "provider/pacer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/bucket.h"
#include "provider/concurrency.h"

#define TOKEN_ROUNDING      1000.0 /* of remaining tokens in the headers */
#define RATE_FIRST          80.0   /* tokens per second of a stream, before any was seen */
#define RATE_FIRST_WEIGHT   2.0    /* ... weighs as much as two seconds of one stream */
#define LEARN_WINDOW_S      60.0   /* of every running stream, is what the average remembers */
#define LEARN_STREAMS_MIN   5
#define MEASURE_AFTER_US    USEC_PER_SEC
#define LIFE_MAX_S          600.0
#define OUTPUT_RESERVE      0.1 /* of the output bucket stays free for streams that run fast */
#define OUTPUT_DEBT_US      (20 * USEC_PER_SEC)
#define OUTPUT_BURST_MIN_US USEC_PER_SEC /* the slack by which wrong rates are corrected */
#define FIRST_CALLS_MAX     32           /* unanswered ones, while no limit is known */
#define FIRST_CALLS_US      (100 * USEC_PER_MSEC)
#define ASK_AGAIN_US        (500 * USEC_PER_MSEC)
#define THROTTLE_US         USEC_PER_SEC       /* a 429 without retry-after */
#define RAMP_US             (5 * USEC_PER_SEC) /* a ramp limit without retry-after */

struct pace_class {
    struct pace_class *next;
    char *name, *parked;
    struct bucket requests, input, output;
    struct concurrency concurrency;
    int running;
    bool answered; /* the provider has answered a call: what it tells of its limits is known */
    int64_t silent_calls, silent_input;     /* running, and message_start has not come yet */
    double rates;                           /* sum over the running streams, tokens per second */
    double learned_tokens, learned_seconds; /* their quotient is the rate of an average stream */
    int64_t reported_us;                    /* when the newest headers came */
};

struct ticket {
    struct pace_class *class; /* NULL = free */
    uint32_t generation, next_free;
    bool started;
    int64_t input, output; /* as debited so far */
    int64_t learned_at_us, first_output_us, first_output;
    double rate;
};

struct pacer {
    struct pacer_config config;
    struct pace_class *classes;
    struct ticket *tickets;
    uint32_t n_tickets, free_ticket; /* index + 1; 0 = none */
    char *parked;
    char why[256];
};

struct pacer *pacer_new(const struct pacer_config *config)
{
    struct pacer *p = mem_alloc(sizeof(*p));
    p->config = *config;
    if (p->config.burst_us <= 0)
        p->config.burst_us = USEC_PER_SEC;
    return p;
}

void pacer_free(struct pacer *p)
{
    if (p == NULL)
        return;
    for (struct pace_class *c = p->classes, *next; c != NULL; c = next) {
        next = c->next;
        free(c->name);
        free(c->parked);
        free(c);
    }
    free(p->tickets);
    free(p->parked);
    free(p);
}

static struct pace_class *find_class(const struct pacer *p, const char *name)
{
    struct pace_class *c = p->classes;
    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

static struct pace_class *get_class(struct pacer *p, const char *name, int64_t now_us)
{
    struct pace_class *c = find_class(p, name);
    if (c != NULL)
        return c;
    c = mem_alloc(sizeof(*c));
    c->name = mem_strdup(name);
    bucket_init(&c->requests, p->config.requests, p->config.burst_us, now_us);
    bucket_init(&c->input, p->config.input_tokens, p->config.burst_us, now_us);
    bucket_init(&c->output, p->config.output_tokens, p->config.burst_us, now_us);
    c->output.debt_us = OUTPUT_DEBT_US;
    c->output.burst_min_us = OUTPUT_BURST_MIN_US;
    c->concurrency.max = p->config.max_running;
    c->learned_tokens = RATE_FIRST * RATE_FIRST_WEIGHT;
    c->learned_seconds = RATE_FIRST_WEIGHT;
    c->next = p->classes;
    p->classes = c;
    return c;
}

/* ---- output tokens: metered while they are made, so a start commits a rate, not an amount ---- */

static double expected_rate(const struct pace_class *c, const struct pacer_need *need)
{
    if (need->tokens_per_second > 0)
        return (double)need->tokens_per_second;
    return fmax(c->learned_tokens / c->learned_seconds, 1.0);
}

/* The streams together may pass the limit's rate only by what the bucket can pay until the new
 * one has ended; so the sum stays at the limit, and no window goes over it by more than a burst. */
static int64_t output_when(struct pace_class *c, const struct pacer_need *need, int64_t now_us)
{
    struct bucket *b = &c->output;
    if (need->output_tokens <= 0)
        return now_us;
    if (now_us < b->frozen_until_us)
        return b->frozen_until_us;
    if (b->per_minute == 0)
        return now_us;
    bucket_refill(b, now_us);
    double rate = expected_rate(c, need);
    double life_s = fmin((double)need->output_tokens / rate, LIFE_MAX_S);
    double excess = c->rates + rate - bucket_per_second(b);
    double full = bucket_capacity(b);
    double wanted = fmax(excess * life_s, 0) + OUTPUT_RESERVE * full;
    if (c->running == 0)
        wanted = fmin(wanted, full); /* a limit below one stream still lets one run */
    if (b->level >= wanted - 1e-6)
        return now_us;
    double gain = bucket_per_second(b) - c->rates;
    double wait_us = ceil((wanted - b->level) / gain * (double)USEC_PER_SEC);
    /* The rates of what runs are learned meanwhile: look again soon. */
    return now_us + (gain > 0 && wait_us < (double)ASK_AGAIN_US ? (int64_t)wait_us : ASK_AGAIN_US);
}

static void set_rate(struct ticket *t, double rate)
{
    t->class->rates += rate - t->rate;
    t->rate = rate;
}

/* One stream made so many tokens since it was last looked at (or since it was admitted, so that
 * the wait for the first token counts too). */
static void learn(struct pace_class *c, struct ticket *t, int64_t tokens, int64_t now_us)
{
    double streams = c->running > LEARN_STREAMS_MIN ? c->running : LEARN_STREAMS_MIN;
    c->learned_tokens = fmax(c->learned_tokens + (double)tokens, 0);
    c->learned_seconds += (double)(now_us - t->learned_at_us) / (double)USEC_PER_SEC;
    t->learned_at_us = now_us;
    double keep = LEARN_WINDOW_S * streams / c->learned_seconds;
    if (keep < 1) {
        c->learned_tokens *= keep;
        c->learned_seconds *= keep;
    }
}

static void measure(struct ticket *t, int64_t now_us)
{
    if (t->first_output_us == 0) {
        t->first_output_us = now_us;
        t->first_output = t->output;
    }
    int64_t took_us = now_us - t->first_output_us;
    int64_t made = t->output - t->first_output;
    if (took_us >= MEASURE_AFTER_US && made > 0)
        set_rate(t, (double)made / ((double)took_us / (double)USEC_PER_SEC));
}

/* ---- admission ---- */

enum wait { WAIT_NONE, WAIT_CALLS, WAIT_REQUESTS, WAIT_INPUT, WAIT_OUTPUT, WAIT_MAX };

/* Before the first answer nobody knows what is allowed: no storm into the dark. */
static int64_t calls_when(struct pace_class *c, int64_t now_us)
{
    int64_t at_us = concurrency_when(&c->concurrency, c->running, now_us);
    bool dark = !c->answered && c->requests.per_minute == 0;
    if (at_us == now_us && dark && c->silent_calls >= FIRST_CALLS_MAX)
        return now_us + FIRST_CALLS_US;
    return at_us;
}

/* The latest of all dimensions' times: nothing is taken unless every one of them allows it. */
static int64_t class_when(struct pace_class *c, const struct pacer_need *need, int64_t now_us,
                          enum wait *ret_wait)
{
    int64_t at[WAIT_MAX] = {
        [WAIT_NONE] = now_us,
        [WAIT_CALLS] = calls_when(c, now_us),
        [WAIT_REQUESTS] = bucket_when(&c->requests, 1, now_us),
        [WAIT_INPUT] = bucket_when(&c->input, (double)need->input_tokens, now_us),
        [WAIT_OUTPUT] = output_when(c, need, now_us),
    };
    *ret_wait = WAIT_NONE;
    for (int i = 1; i < WAIT_MAX; i++)
        if (at[i] > at[*ret_wait])
            *ret_wait = (enum wait)i;
    return at[*ret_wait];
}

static uint64_t new_ticket(struct pacer *p, struct ticket **ret_ticket)
{
    if (p->free_ticket == 0) {
        uint32_t n = p->n_tickets == 0 ? 64 : p->n_tickets * 2;
        p->tickets = mem_resize(p->tickets, n * sizeof(*p->tickets));
        for (uint32_t i = p->n_tickets; i < n; i++)
            p->tickets[i] = (struct ticket){.next_free = i + 1 < n ? i + 2 : 0};
        p->free_ticket = p->n_tickets + 1;
        p->n_tickets = n;
    }
    uint32_t slot = p->free_ticket;
    struct ticket *t = &p->tickets[slot - 1];
    p->free_ticket = t->next_free;
    *t = (struct ticket){.generation = t->generation + 1};
    *ret_ticket = t;
    return (uint64_t)t->generation << 32 | slot;
}

static struct ticket *get_ticket(struct pacer *p, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    if (slot == 0 || slot > p->n_tickets)
        return NULL;
    struct ticket *t = &p->tickets[slot - 1];
    return t->class != NULL && t->generation == (uint32_t)(id >> 32) ? t : NULL;
}

static void free_ticket(struct pacer *p, struct ticket *t)
{
    struct pace_class *c = t->class;
    if (!t->started) {
        c->silent_calls--;
        c->silent_input -= t->input;
    }
    set_rate(t, 0);
    if (--c->running == 0)
        c->rates = 0; /* what rounding left */
    t->class = NULL;
    t->next_free = p->free_ticket;
    p->free_ticket = (uint32_t)(t - p->tickets) + 1;
}

int64_t pacer_admit(struct pacer *p, const struct pacer_need *need, int64_t now_us,
                    uint64_t *ret_ticket)
{
    struct pace_class *c = get_class(p, need->rate_class, now_us);
    if (p->parked != NULL || c->parked != NULL)
        return INT64_MAX;
    enum wait wait;
    int64_t at_us = class_when(c, need, now_us, &wait);
    if (wait != WAIT_NONE)
        return at_us;
    bucket_take(&c->requests, 1, now_us);
    bucket_take(&c->input, (double)need->input_tokens, now_us);
    struct ticket *t;
    *ret_ticket = new_ticket(p, &t);
    t->class = c;
    t->input = need->input_tokens;
    t->learned_at_us = now_us;
    if (need->output_tokens > 0)
        set_rate(t, expected_rate(c, need));
    c->running++;
    c->silent_calls++;
    c->silent_input += need->input_tokens;
    return 0;
}

/* ---- corrections ---- */

static void bucket_correct(struct bucket *b, int64_t taken, int64_t truth, int64_t now_us)
{
    if (truth > taken)
        bucket_take(b, (double)(truth - taken), now_us);
    else if (truth < taken)
        bucket_give(b, (double)(taken - truth), now_us);
}

void pacer_started(struct pacer *p, uint64_t ticket, const struct usage *usage, int64_t now_us)
{
    struct ticket *t = get_ticket(p, ticket);
    if (t == NULL || t->started)
        return;
    struct pace_class *c = t->class;
    c->silent_calls--;
    c->silent_input -= t->input;
    t->started = true;
    c->answered = true;
    /* Cache reads do not count against the limit. */
    int64_t truth = usage->input + usage->cache_write_5m + usage->cache_write_1h;
    bucket_correct(&c->input, t->input, truth, now_us);
    t->input = truth;
}

void pacer_output(struct pacer *p, uint64_t ticket, int64_t tokens_so_far, int64_t now_us)
{
    struct ticket *t = get_ticket(p, ticket);
    if (t == NULL || tokens_so_far <= t->output)
        return;
    int64_t made = tokens_so_far - t->output;
    bucket_take(&t->class->output, (double)made, now_us);
    t->output = tokens_so_far;
    learn(t->class, t, made, now_us);
    measure(t, now_us);
}

static void bucket_told(struct bucket *b, const struct limit_report *told, double rounding,
                        double in_flight, int64_t at_us, int64_t now_us, int64_t wall_us)
{
    struct bucket_report r = {
        .told = *told,
        .rounding = rounding,
        .in_flight = in_flight,
        .at_us = at_us,
    };
    bucket_report(b, &r, now_us, wall_us);
}

void pacer_report(struct pacer *p, const char *rate_class, const struct rate_report *rates,
                  int64_t now_us, int64_t wall_us)
{
    struct pace_class *c = get_class(p, rate_class, now_us);
    int64_t at_us = rates->at_us > 0 ? rates->at_us : now_us;
    if (at_us < c->reported_us) /* a long stream's end repeats what was true when it began */
        return;
    c->reported_us = at_us;
    bucket_told(&c->requests, &rates->requests, 1, (double)c->silent_calls, at_us, now_us, wall_us);
    bucket_told(&c->input, &rates->input, TOKEN_ROUNDING, (double)c->silent_input, at_us, now_us,
                wall_us);
    bucket_told(&c->output, &rates->output, TOKEN_ROUNDING, 0, at_us, now_us, wall_us);
}

/* ---- the end of a call ---- */

/* Which limits the answer names: those with nothing left; none named means any of them. */
static void freeze(struct pace_class *c, const struct ticket *t, const struct rate_report *rates,
                   int64_t until_us, int64_t now_us)
{
    bool requests = rates->requests.remaining == 0;
    bool input = rates->input.remaining == 0;
    bool output = rates->output.remaining == 0;
    bool none = !requests && !input && !output;
    if (requests || none)
        bucket_freeze(&c->requests, until_us, 1, now_us);
    if (input || none)
        bucket_freeze(&c->input, until_us, (double)t->input, now_us);
    if (output || none)
        bucket_freeze(&c->output, until_us, OUTPUT_RESERVE * bucket_capacity(&c->output), now_us);
}

static int64_t retry_at(const struct provider_end *end, int64_t fallback_us, int64_t now_us)
{
    return now_us + (end->retry_after_us >= 0 ? end->retry_after_us : fallback_us);
}

static void obey_class(struct pacer *p, const struct ticket *t, const struct provider_end *end,
                       int64_t now_us)
{
    struct pace_class *c = t->class;
    switch (end->class) {
    case CALL_THROTTLED:
        freeze(c, t, &end->rates, retry_at(end, THROTTLE_US, now_us), now_us);
        break;
    case CALL_RAMP:
        bucket_freeze(&c->requests, retry_at(end, RAMP_US, now_us), 1, now_us);
        concurrency_cut(&c->concurrency, c->running, now_us);
        break;
    case CALL_OVERLOADED:
        concurrency_cut(&c->concurrency, c->running, now_us);
        break;
    case CALL_PARKED: /* the money is the organisation's, not the model's */
        pacer_park(p, NULL, end->error);
        break;
    case CALL_OPERATOR: /* a model that does not exist is its class's trouble, a key everyone's */
        pacer_park(p, end->http_status == 404 ? c->name : NULL, end->error);
        break;
    default:
        break;
    }
}

/* What was debited for the ticket becomes what the call really took. */
static void settle(struct pacer *p, uint64_t id, struct ticket *t, const struct provider_end *end,
                   int64_t now_us)
{
    struct pace_class *c = t->class;
    if (end != NULL && end->billed) {
        pacer_started(p, id, &end->usage, now_us);
        bucket_correct(&c->output, t->output, end->usage.output, now_us);
        learn(c, t, end->usage.output - t->output, now_us);
    } else if (!t->started) {
        bucket_give(&c->input, (double)t->input, now_us);
        if (end == NULL || !end->sent)
            bucket_give(&c->requests, 1, now_us);
    }
}

void pacer_ended(struct pacer *p, uint64_t ticket, const struct provider_end *end, int64_t now_us,
                 int64_t wall_us)
{
    struct ticket *t = get_ticket(p, ticket);
    if (t == NULL)
        return;
    struct pace_class *c = t->class;
    settle(p, ticket, t, end, now_us);
    if (end != NULL) {
        c->answered = c->answered || end->http_status > 0;
        if (end->http_status > 0)
            pacer_report(p, c->name, &end->rates, now_us, wall_us);
        obey_class(p, t, end, now_us);
    }
    free_ticket(p, t);
}

/* ---- parking, and the reasons for people ---- */

const char *pacer_parked(const struct pacer *p, const char *rate_class)
{
    if (p->parked != NULL)
        return p->parked;
    const struct pace_class *c = rate_class == NULL ? NULL : find_class(p, rate_class);
    return c == NULL ? NULL : c->parked;
}

void pacer_park(struct pacer *p, const char *rate_class, const char *reason)
{
    char **place = rate_class == NULL ? &p->parked : &get_class(p, rate_class, 0)->parked;
    char *copy = mem_strdup(reason);
    free(*place);
    *place = copy;
}

void pacer_unpark(struct pacer *p, const char *rate_class)
{
    if (rate_class == NULL) {
        free(p->parked);
        p->parked = NULL;
    }
    for (struct pace_class *c = p->classes; c != NULL; c = c->next) {
        if (rate_class == NULL || strcmp(c->name, rate_class) == 0) {
            free(c->parked);
            c->parked = NULL;
        }
    }
}

static void explain(char *out, size_t size, const struct pace_class *c, enum wait wait)
{
    switch (wait) {
    case WAIT_CALLS:
        (void)snprintf(out, size, "%d calls of %s run already%s", c->running, c->name,
                       c->concurrency.allowed > 0
                           ? "; fewer are sent while the provider is overloaded"
                           : ", as many as are allowed");
        break;
    case WAIT_REQUESTS:
        (void)snprintf(out, size, "the request limit of %s (%lld a minute)", c->name,
                       (long long)c->requests.per_minute);
        break;
    case WAIT_INPUT:
        (void)snprintf(out, size, "the input token limit of %s (%lld a minute)", c->name,
                       (long long)c->input.per_minute);
        break;
    case WAIT_OUTPUT:
        (void)snprintf(out, size, "the output token limit of %s (%lld a minute)", c->name,
                       (long long)c->output.per_minute);
        break;
    default:
        out[0] = '\0';
    }
}

const char *pacer_why(struct pacer *p, const struct pacer_need *need, int64_t now_us)
{
    const char *parked = pacer_parked(p, need->rate_class);
    if (parked != NULL) {
        (void)snprintf(p->why, sizeof(p->why), "stopped by the provider: %s", parked);
        return p->why;
    }
    enum wait wait = WAIT_NONE;
    struct pace_class *c = find_class(p, need->rate_class);
    if (c == NULL)
        return "";
    class_when(c, need, now_us, &wait);
    explain(p->why, sizeof(p->why), c, wait);
    return p->why;
}
