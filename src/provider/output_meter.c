/* In: what streams made over their lives. Out: admission that keeps their sum at the limit. */
#include "provider/output_meter.h"

#include <math.h>

#include "base/clock.h"

#define RATE_FIRST        80.0 /* tokens per second of a stream, before any was seen */
#define RATE_FIRST_WEIGHT 2.0  /* ... weighs as much as two seconds of one stream */
#define LEARN_WINDOW_S    60.0 /* of every running stream, is what the average remembers */
#define LEARN_STREAMS_MIN 5
#define LIFE_MAX_S        600.0
#define RESERVE_S         0.05 /* of the limit stays in the bucket for streams that run fast */
#define DEBT_US           (20 * USEC_PER_SEC)
#define BURST_MIN_US      USEC_PER_SEC /* the slack by which wrong rates are corrected */
#define ASK_AGAIN_US      (500 * USEC_PER_MSEC)

void output_meter_init(struct output_meter *m, int64_t per_minute, int64_t burst_us, int64_t now_us)
{
    *m = (struct output_meter){.learned_tokens = RATE_FIRST * RATE_FIRST_WEIGHT,
                               .learned_seconds = RATE_FIRST_WEIGHT};
    bucket_init(&m->bucket, per_minute, burst_us, now_us);
    m->bucket.debt_us = DEBT_US;
    m->bucket.burst_min_us = BURST_MIN_US;
}

/* Over a stream's whole life, the wait for its first token included: so that the sum over all that
 * run, some of them still silent, is what they make together. */
static double average_rate(const struct output_meter *m)
{
    return fmax(m->learned_tokens / m->learned_seconds, 1.0);
}

static double sum_of_rates(const struct output_meter *m)
{
    return m->known_rates + (m->streams - m->known) * average_rate(m);
}

/* Small: their bucket may hold far less than ours, and headers keep ours down to it. */
static double reserve(const struct output_meter *m)
{
    return RESERVE_S * bucket_per_second(&m->bucket);
}

/* The streams together may pass the limit's rate only by what the bucket can pay until the new
 * one has ended; so the sum stays at the limit, and no window goes over it by more than a burst. */
static double wanted_level(const struct output_meter *m, const struct output_need *need)
{
    double told = (double)need->tokens_per_second;
    double rate = told > 0 ? told : average_rate(m);
    double life_s = fmin((double)need->tokens / rate, LIFE_MAX_S);
    double excess = sum_of_rates(m) + rate - bucket_per_second(&m->bucket);
    double full = bucket_capacity(&m->bucket);
    double wanted = fmax(excess * life_s, 0) + reserve(m);
    /* A limit below one stream still lets one run. */
    return m->streams == 0 ? fmin(wanted, full) : wanted;
}

int64_t output_meter_when(struct output_meter *m, const struct output_need *need, int64_t now_us)
{
    struct bucket *b = &m->bucket;
    if (need->tokens <= 0)
        return now_us;
    if (now_us < b->frozen_until_us)
        return b->frozen_until_us;
    if (b->per_minute == 0)
        return now_us;
    bucket_refill(b, now_us);
    if (b->part == 0)
        return now_us + ASK_AGAIN_US;
    double missing = wanted_level(m, need) - b->level;
    if (missing <= 1e-6)
        return now_us;
    double gain = bucket_per_second(b) - sum_of_rates(m);
    double wait_us = ceil(missing / gain * (double)USEC_PER_SEC);
    /* The rates of what runs are learned meanwhile: look again soon. */
    return now_us + (gain > 0 && wait_us < (double)ASK_AGAIN_US ? (int64_t)wait_us : ASK_AGAIN_US);
}

void output_meter_begin(struct output_meter *m, struct output_stream *s,
                        const struct output_need *need, int64_t now_us)
{
    *s = (struct output_stream){.begun_us = now_us};
    m->streams++;
    if (need->tokens <= 0 || need->tokens_per_second > 0) {
        s->known = true;
        s->rate = need->tokens > 0 ? need->tokens_per_second : 0;
        m->known++;
        m->known_rates += (double)s->rate;
    }
}

/* Only whole lives teach: of what still runs, the silent beginnings would count too much. */
static void learn(struct output_meter *m, const struct output_stream *s, int64_t now_us)
{
    double streams = m->streams > LEARN_STREAMS_MIN ? m->streams : LEARN_STREAMS_MIN;
    if (s->known && s->tokens == 0)
        return;
    m->learned_tokens += (double)s->tokens;
    m->learned_seconds += (double)(now_us - s->begun_us) / (double)USEC_PER_SEC;
    double keep = LEARN_WINDOW_S * streams / m->learned_seconds;
    if (keep < 1) {
        m->learned_tokens *= keep;
        m->learned_seconds *= keep;
    }
}

void output_meter_made(struct output_meter *m, struct output_stream *s, int64_t tokens_so_far,
                       int64_t now_us)
{
    int64_t made = tokens_so_far - s->tokens;
    if (made <= 0)
        return;
    bucket_take(&m->bucket, (double)made, now_us);
    s->tokens = tokens_so_far;
}

void output_meter_settle(struct output_meter *m, struct output_stream *s, int64_t tokens,
                         int64_t now_us)
{
    bucket_correct(&m->bucket, s->tokens, tokens, now_us);
    s->tokens = tokens;
    learn(m, s, now_us);
}

void output_meter_end(struct output_meter *m, struct output_stream *s)
{
    m->streams--;
    if (s->known) {
        m->known--;
        m->known_rates -= (double)s->rate;
    }
}

double output_meter_rate(const struct output_meter *m)
{
    return sum_of_rates(m);
}

double output_meter_average(const struct output_meter *m)
{
    return average_rate(m);
}

void output_meter_freeze(struct output_meter *m, int64_t until_us, int64_t now_us)
{
    bucket_freeze(&m->bucket, until_us, reserve(m), now_us);
}
