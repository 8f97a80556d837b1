/* In: streams that begin, make tokens and end. Out: whether one more may begin under a limit that
 * is metered while tokens are made: a start commits a rate, not an amount. Pure. */
#ifndef PROVIDER_OUTPUT_METER_H
#define PROVIDER_OUTPUT_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "provider/bucket.h"

struct output_meter {
    struct bucket bucket;
    int streams, known; /* that run; of them, those whose caller told their rate */
    double known_rates; /* the sum of theirs, tokens per second */
    double learned_tokens, learned_seconds; /* their quotient is the rate of an average stream */
};

struct output_stream {
    int64_t tokens; /* as debited so far */
    int64_t begun_us;
    int64_t rate; /* as told by the caller, when known */
    bool known;   /* else it counts as an average stream */
};

/* What a call brings; 0 tokens: none, it is never held up. 0 a second: the learned average. */
struct output_need {
    int64_t tokens, tokens_per_second;
};

void output_meter_init(struct output_meter *m, int64_t per_minute, int64_t burst_us,
                       int64_t now_us);
/* When one more may begin: now_us, or when to ask again. */
int64_t output_meter_when(struct output_meter *m, const struct output_need *need, int64_t now_us);
void output_meter_begin(struct output_meter *m, struct output_stream *s,
                        const struct output_need *need, int64_t now_us);
void output_meter_made(struct output_meter *m, struct output_stream *s, int64_t tokens_so_far,
                       int64_t now_us);
/* At its end: the provider's own count, or the best that is known; may be less than was debited. */
void output_meter_settle(struct output_meter *m, struct output_stream *s, int64_t tokens,
                         int64_t now_us);
void output_meter_end(struct output_meter *m, struct output_stream *s);
/* Tokens per second: of all that run together, and of one more. */
double output_meter_rate(const struct output_meter *m);
double output_meter_average(const struct output_meter *m);
void output_meter_freeze(struct output_meter *m, int64_t until_us, int64_t now_us);

#endif
