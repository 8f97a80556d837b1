/* In: calls that want to start, run and end, and the provider's headers. Out: go, or when to ask
 * again. Each rate class has its own buckets, so that none waits for another. */
#include "provider/pacer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/pacer_impl.h"

#define TOKEN_ROUNDING     1000.0 /* of remaining tokens in the headers */
#define FIRST_CALLS_MAX    32     /* unanswered ones, while no limit is known */
#define FIRST_CALLS_SHARED 4      /* ... where other processes may begin at the same moment */
#define FIRST_CALLS_US     (100 * USEC_PER_MSEC)
#define SHARE_ASK_US       (250 * USEC_PER_MSEC)
#define THROTTLE_US        USEC_PER_SEC       /* a 429 without retry-after */
#define RAMP_US            (5 * USEC_PER_SEC) /* a ramp limit without retry-after */

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

struct pace_class *pacer_class(struct pacer *p, const char *name, int64_t now_us)
{
    struct pace_class *c = find_class(p, name);
    if (c != NULL)
        return c;
    c = mem_alloc(sizeof(*c));
    c->name = mem_strdup(name);
    bucket_init(&c->requests, p->config.requests, p->config.burst_us, now_us);
    bucket_init(&c->input, p->config.input_tokens, p->config.burst_us, now_us);
    output_meter_init(&c->output, p->config.output_tokens, p->config.burst_us, now_us);
    c->concurrency.max = p->config.max_running;
    c->share.counted_us = now_us;
    c->next = p->classes;
    p->classes = c;
    return c;
}

/* ---- admission ---- */

enum wait {
    WAIT_NONE,
    WAIT_TROUBLE,
    WAIT_SHARE,
    WAIT_CALLS,
    WAIT_REQUESTS,
    WAIT_INPUT,
    WAIT_OUTPUT,
    WAIT_MAX
};

/* Before the first answer nobody knows what is allowed: no storm into the dark. */
static int64_t calls_when(const struct pacer *p, struct pace_class *c, int64_t now_us)
{
    int64_t at_us = concurrency_when(&c->concurrency, c->running, now_us);
    bool dark = !c->answered && c->requests.per_minute == 0;
    if (at_us == now_us && dark &&
        c->silent_calls >= (p->shared ? FIRST_CALLS_SHARED : FIRST_CALLS_MAX))
        return now_us + FIRST_CALLS_US;
    return at_us;
}

static struct output_need output_need(const struct pacer_need *need)
{
    return (struct output_need){.tokens = need->output_tokens,
                                .tokens_per_second = need->tokens_per_second};
}

/* What other processes leave us is known in a moment; of a limit that we have just been told, too.
 */
static int64_t share_when(const struct pacer *p, const struct pace_class *c, int64_t now_us)
{
    const int64_t *part = c->share.part;
    bool agreed = c->share.agreed && (c->requests.per_minute == 0 || part[PACE_REQUESTS] >= 0) &&
                  (c->input.per_minute == 0 || part[PACE_INPUT] >= 0) &&
                  (c->output.bucket.per_minute == 0 || part[PACE_OUTPUT] >= 0);
    return p->shared && !agreed ? now_us + SHARE_ASK_US : now_us;
}

/* The latest of all dimensions' times: nothing is taken unless every one of them allows it. */
static int64_t class_when(const struct pacer *p, struct pace_class *c,
                          const struct pacer_need *need, int64_t now_us, enum wait *ret_wait)
{
    const struct output_need output = output_need(need);
    int64_t at[WAIT_MAX] = {
        [WAIT_NONE] = now_us,
        [WAIT_TROUBLE] = breaker_when(&c->breaker, c->silent_calls, now_us),
        [WAIT_SHARE] = share_when(p, c, now_us),
        [WAIT_CALLS] = calls_when(p, c, now_us),
        [WAIT_REQUESTS] = bucket_when(&c->requests, 1, now_us),
        [WAIT_INPUT] = bucket_when(&c->input, (double)need->input_tokens, now_us),
        [WAIT_OUTPUT] = output_meter_when(&c->output, &output, now_us),
    };
    *ret_wait = WAIT_NONE;
    for (int i = 1; i < WAIT_MAX; i++)
        if (at[i] > at[*ret_wait])
            *ret_wait = (enum wait)i;
    return at[*ret_wait];
}

static bool lacks_part(const struct pacer *p, const struct pace_class *c, enum wait wait)
{
    return p->shared && (wait == WAIT_SHARE || (wait == WAIT_REQUESTS && c->requests.part == 0) ||
                         (wait == WAIT_INPUT && c->input.part == 0) ||
                         (wait == WAIT_OUTPUT && c->output.bucket.part == 0));
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
    output_meter_end(&c->output, &t->output);
    c->running--;
    t->class = NULL;
    t->next_free = p->free_ticket;
    p->free_ticket = (uint32_t)(t - p->tickets) + 1;
}

int64_t pacer_admit(struct pacer *p, const struct pacer_need *need, int64_t now_us,
                    uint64_t *ret_ticket)
{
    struct pace_class *c = pacer_class(p, need->rate_class, now_us);
    if (p->parked != NULL || c->parked != NULL)
        return INT64_MAX;
    enum wait wait;
    int64_t at_us = class_when(p, c, need, now_us, &wait);
    if (wait != WAIT_NONE) {
        c->share.lacks = c->share.lacks || lacks_part(p, c, wait);
        return at_us;
    }
    c->share.used_requests++;
    c->share.used_input += need->input_tokens;
    pace_minute_add(&c->used_requests, 1, now_us);
    pace_minute_add(&c->used_input, need->input_tokens, now_us);
    bucket_take(&c->requests, 1, now_us);
    bucket_take(&c->input, (double)need->input_tokens, now_us);
    struct ticket *t;
    *ret_ticket = new_ticket(p, &t);
    t->class = c;
    t->input = need->input_tokens;
    const struct output_need output = output_need(need);
    output_meter_begin(&c->output, &t->output, &output, now_us);
    c->running++;
    c->silent_calls++;
    c->silent_input += need->input_tokens;
    return 0;
}

/* ---- corrections ---- */

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
    breaker_answered(&c->breaker);
    /* Cache reads do not count against the limit. */
    int64_t truth = usage->input + usage->cache_write_5m + usage->cache_write_1h;
    bucket_correct(&c->input, t->input, truth, now_us);
    c->share.used_input += truth - t->input;
    pace_minute_add(&c->used_input, truth - t->input, now_us);
    t->input = truth;
}

static void count_made(struct ticket *t, int64_t tokens, int64_t now_us)
{
    pace_minute_add(&t->class->used_output, tokens - t->made, now_us);
    t->made = tokens;
}

void pacer_output(struct pacer *p, uint64_t ticket, int64_t tokens_so_far, int64_t now_us)
{
    struct ticket *t = get_ticket(p, ticket);
    if (t == NULL)
        return;
    output_meter_made(&t->class->output, &t->output, tokens_so_far, now_us);
    count_made(t, tokens_so_far, now_us);
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
    struct pace_class *c = pacer_class(p, rate_class, now_us);
    int64_t at_us = rates->at_us > 0 ? rates->at_us : now_us;
    if (at_us < c->reported_us) /* a long stream's end repeats what was true when it began */
        return;
    c->reported_us = at_us;
    if (rates->requests.limit > 0 || rates->input.limit > 0 || rates->output.limit > 0) {
        c->share.told_us = at_us;
        c->told = *rates;
    }
    bucket_told(&c->requests, &rates->requests, 1, (double)c->silent_calls, at_us, now_us, wall_us);
    bucket_told(&c->input, &rates->input, TOKEN_ROUNDING, (double)c->silent_input, at_us, now_us,
                wall_us);
    bucket_told(&c->output.bucket, &rates->output, TOKEN_ROUNDING, 0, at_us, now_us, wall_us);
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
    if (requests || none) {
        bucket_freeze(&c->requests, until_us, 1, now_us);
        c->share.frozen_until_us[PACE_REQUESTS] = until_us;
    }
    if (input || none) {
        bucket_freeze(&c->input, until_us, (double)t->input, now_us);
        c->share.frozen_until_us[PACE_INPUT] = until_us;
    }
    if (output || none) {
        output_meter_freeze(&c->output, until_us, now_us);
        c->share.frozen_until_us[PACE_OUTPUT] = until_us;
    }
}

static void cut(struct pace_class *c, int64_t now_us)
{
    concurrency_cut(&c->concurrency, c->running, now_us);
    c->share.cut_us = now_us;
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
        if (c->requests.per_minute == 0) /* no bucket keeps those that wait from going together */
            cut(c, now_us);
        break;
    case CALL_RAMP:
        c->share.frozen_until_us[PACE_REQUESTS] = retry_at(end, RAMP_US, now_us);
        bucket_freeze(&c->requests, c->share.frozen_until_us[PACE_REQUESTS], 1, now_us);
        cut(c, now_us);
        break;
    case CALL_OVERLOADED:
        cut(c, now_us);
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

/* Refused, and not for a time that was told, or not answered at all. Of a request that cannot work,
 * a key or an address, others speak: they are parked. */
static bool is_trouble(const struct ticket *t, const struct provider_end *end)
{
    return !t->started && (end->class == CALL_OVERLOADED || end->class == CALL_RETRY ||
                           (end->class == CALL_THROTTLED && end->retry_after_us < 0));
}

/* What was debited for the ticket becomes what the call really took. */
static void settle(struct pacer *p, uint64_t id, struct ticket *t, const struct provider_end *end,
                   int64_t now_us)
{
    struct pace_class *c = t->class;
    if (end != NULL && end->billed) {
        pacer_started(p, id, &end->usage, now_us);
        output_meter_settle(&c->output, &t->output, end->usage.output, now_us);
        count_made(t, end->usage.output, now_us);
    } else if (!t->started) {
        bucket_give(&c->input, (double)t->input, now_us);
        pace_minute_add(&c->used_input, -t->input, now_us);
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
        c->ended[end->class]++;
        c->answered = c->answered || end->http_status > 0;
        if (end->http_status > 0)
            pacer_report(p, c->name, &end->rates, now_us, wall_us);
        if (is_trouble(t, end))
            breaker_failed(&c->breaker, end->retry_after_us, now_us);
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

bool pacer_is_failing(const struct pacer *p, const char *rate_class)
{
    const struct pace_class *c = find_class(p, rate_class);
    return c != NULL && breaker_is_open(&c->breaker);
}

void pacer_park(struct pacer *p, const char *rate_class, const char *reason)
{
    char **place = rate_class == NULL ? &p->parked : &pacer_class(p, rate_class, 0)->parked;
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
            breaker_doubt(&c->breaker);
            free(c->parked);
            c->parked = NULL;
        }
    }
}

static void explain(char *out, size_t size, const struct pace_class *c, enum wait wait)
{
    switch (wait) {
    case WAIT_TROUBLE:
        (void)snprintf(out, size,
                       "the provider, which has answered none of the last calls of %s; it is asked "
                       "with one call at a time until it does",
                       c->name);
        break;
    case WAIT_SHARE:
        (void)snprintf(out, size, "what other processes leave of the limits of %s", c->name);
        break;
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
                       (long long)c->output.bucket.per_minute);
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
    class_when(p, c, need, now_us, &wait);
    explain(p->why, sizeof(p->why), c, wait);
    return p->why;
}
