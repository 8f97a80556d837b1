/* In: expected and measured rates of streams. Out: admission that keeps their sum at the limit. */
#include "provider/output_meter.h"

#include <math.h>

#include "base/clock.h"

#define RATE_FIRST        80.0 /* tokens per second of a stream, before any was seen */
#define RATE_FIRST_WEIGHT 2.0  /* ... weighs as much as two seconds of one stream */
#define LEARN_WINDOW_S    60.0 /* of every running stream, is what the average remembers */
#define LEARN_STREAMS_MIN 5
#define MEASURE_AFTER_US  USEC_PER_SEC
#define LIFE_MAX_S        600.0
#define RESERVE           0.1 /* of the bucket stays free for streams that run fast */
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

static double expected_rate(const struct output_meter *m, const struct output_need *need)
{
    if (need->tokens_per_second > 0)
        return (double)need->tokens_per_second;
    return fmax(m->learned_tokens / m->learned_seconds, 1.0);
}

/* The streams together may pass the limit's rate only by what the bucket can pay until the new
 * one has ended; so the sum stays at the limit, and no window goes over it by more than a burst. */
static double wanted_level(const struct output_meter *m, const struct output_need *need)
{
    double rate = expected_rate(m, need);
    double life_s = fmin((double)need->tokens / rate, LIFE_MAX_S);
    double excess = m->rates + rate - bucket_per_second(&m->bucket);
    double full = bucket_capacity(&m->bucket);
    double wanted = fmax(excess * life_s, 0) + RESERVE * full;
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
    double missing = wanted_level(m, need) - b->level;
    if (missing <= 1e-6)
        return now_us;
    double gain = bucket_per_second(b) - m->rates;
    double wait_us = ceil(missing / gain * (double)USEC_PER_SEC);
    /* The rates of what runs are learned meanwhile: look again soon. */
    return now_us + (gain > 0 && wait_us < (double)ASK_AGAIN_US ? (int64_t)wait_us : ASK_AGAIN_US);
}

static void set_rate(struct output_meter *m, struct output_stream *s, double rate)
{
    m->rates += rate - s->rate;
    s->rate = rate;
}

void output_meter_begin(struct output_meter *m, struct output_stream *s,
                        const struct output_need *need, int64_t now_us)
{
    *s = (struct output_stream){.learned_at_us = now_us};
    m->streams++;
    if (need->tokens > 0)
        set_rate(m, s, expected_rate(m, need));
}

/* So many more tokens since it was last looked at (or since it began, so that the wait for the
 * first one counts too). */
static void learn(struct output_meter *m, struct output_stream *s, int64_t tokens, int64_t now_us)
{
    double streams = m->streams > LEARN_STREAMS_MIN ? m->streams : LEARN_STREAMS_MIN;
    m->learned_tokens = fmax(m->learned_tokens + (double)tokens, 0);
    m->learned_seconds += (double)(now_us - s->learned_at_us) / (double)USEC_PER_SEC;
    s->learned_at_us = now_us;
    double keep = LEARN_WINDOW_S * streams / m->learned_seconds;
    if (keep < 1) {
        m->learned_tokens *= keep;
        m->learned_seconds *= keep;
    }
}

static void measure(struct output_meter *m, struct output_stream *s, int64_t now_us)
{
    if (s->first_us == 0) {
        s->first_us = now_us;
        s->first_tokens = s->tokens;
    }
    int64_t took_us = now_us - s->first_us;
    int64_t made = s->tokens - s->first_tokens;
    if (took_us >= MEASURE_AFTER_US && made > 0)
        set_rate(m, s, (double)made / ((double)took_us / (double)USEC_PER_SEC));
}

void output_meter_made(struct output_meter *m, struct output_stream *s, int64_t tokens_so_far,
                       int64_t now_us)
{
    int64_t made = tokens_so_far - s->tokens;
    if (made <= 0)
        return;
    bucket_take(&m->bucket, (double)made, now_us);
    s->tokens = tokens_so_far;
    learn(m, s, made, now_us);
    measure(m, s, now_us);
}

void output_meter_settle(struct output_meter *m, struct output_stream *s, int64_t tokens,
                         int64_t now_us)
{
    bucket_correct(&m->bucket, s->tokens, tokens, now_us);
    learn(m, s, tokens - s->tokens, now_us);
    s->tokens = tokens;
}

void output_meter_end(struct output_meter *m, struct output_stream *s)
{
    set_rate(m, s, 0);
    if (--m->streams == 0)
        m->rates = 0; /* what rounding left */
}

void output_meter_freeze(struct output_meter *m, int64_t until_us, int64_t now_us)
{
    bucket_freeze(&m->bucket, until_us, RESERVE * bucket_capacity(&m->bucket), now_us);
}
