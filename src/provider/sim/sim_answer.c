/* In: a message. Out: the answer's blocks, cut where max_tokens, the window or a stop sequence cut
 * them, and the pace. */
#include "provider/sim/sim_answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/sim/sim_ask.h"
#include "provider/sim/sim_text.h"

#define ANSWER_MAX       ((size_t)16 << 20)
#define THINKING_ROOM    64 /* max_tokens from which on there is room to think */
#define EVENT_TOKENS_MAX 20
#define EVENT_US         50000.0

/* Is the byte in the middle of a UTF-8 character? */
static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static void put_body(const struct sim_message *m, uint64_t seed, int64_t max_tokens,
                     struct buf *out)
{
    struct ask ask;
    if (ask_read(m->prompt, m->prompt_len, &ask)) {
        if (ask.kind == ASK_OUTLINE || ask.kind == ASK_REPAIR)
            text_put_outline(&ask, seed, (size_t)max_tokens * 4, out);
        else
            text_put_chapters(&ask, seed, out);
        ask_free(&ask);
    } else if (m->schema != NULL) {
        text_put_schema(m->schema, m->prompt, m->prompt_len, seed, out);
    } else {
        text_put_reply(m->prompt, m->prompt_len, seed, out);
    }
}

/* Cuts the text before the first stop sequence in it. */
static void stop_at_sequence(const struct sim_message *m, struct sim_answer *a, struct sim_part *p)
{
    size_t i;
    json_t *stop;
    char *first = NULL;
    const char *sequence = NULL;
    json_array_foreach (m->stops, i, stop) {
        char *at = strstr(p->text, json_string_value(stop));
        if (at != NULL && (first == NULL || at < first)) {
            first = at;
            sequence = json_string_value(stop);
        }
    }
    if (first == NULL)
        return;
    a->stop_reason = "stop_sequence";
    a->stop_sequence = mem_strdup(sequence);
    *first = '\0';
    p->len = (size_t)(first - p->text);
    p->tokens = sim_tokens(p->len);
}

/* Cuts the text where the tokens end, at a word if one ends nearby. */
static void stop_at_tokens(struct sim_part *p, int64_t tokens)
{
    size_t len = (size_t)tokens * 4, word = len;
    while (word > 0 && len - word < 16 && p->text[word] != ' ' && p->text[word] != '\n')
        word--;
    if (word > 0 && len - word < 16)
        len = word;
    while (len > 0 && continues(p->text[len]))
        len--;
    p->text[len] = '\0';
    p->len = len;
    p->tokens = tokens;
}

void sim_answer_make(const struct sim_message *m, uint64_t seed, struct sim_answer *ret_answer)
{
    struct sim_answer a = {.stop_reason = "end_turn"};
    int64_t room = m->max_tokens, window = m->model->context_tokens - m->input_tokens;
    const char *full = "max_tokens";
    if (window < room) {
        room = window;
        full = "model_context_window_exceeded";
    }
    struct buf text = BUF_INIT(ANSWER_MAX);
    if (m->thinking && room >= THINKING_ROOM) {
        buf_puts(&text, "First what is asked for, then its shape and length, then the words.");
        a.parts[a.n++] =
            (struct sim_part){.thinking = true, .len = text.len, .tokens = sim_tokens(text.len)};
        a.parts[0].text = buf_take(&text);
        room -= a.parts[0].tokens;
    }
    put_body(m, seed, room, &text);
    struct sim_part *p = &a.parts[a.n++];
    p->len = text.len;
    p->tokens = sim_tokens(text.len);
    p->text = buf_take(&text);
    stop_at_sequence(m, &a, p);
    if (p->tokens > room) {
        a.stop_reason = full;
        free(a.stop_sequence);
        a.stop_sequence = NULL;
        stop_at_tokens(p, room);
    }
    for (size_t i = 0; i < a.n; i++)
        a.tokens += a.parts[i].tokens;
    *ret_answer = a;
}

void sim_answer_free(struct sim_answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->parts[i].text);
    free(a->stop_sequence);
    memset(a, 0, sizeof(*a));
}

size_t sim_part_bytes(const struct sim_part *p, int64_t tokens)
{
    size_t n = (size_t)tokens * 4;
    if (tokens >= p->tokens || n >= p->len)
        return p->len;
    while (n > 0 && continues(p->text[n]))
        n--;
    return n;
}

struct latency latency_draw(const struct latency_config *config, struct rng *rng)
{
    const double z95 = 1.6448536269514722; /* of the normal distribution */
    double ttft_sigma = log(config->ttft_p95_s / config->ttft_median_s) / z95;
    double tps_sigma = sqrt(log(1 + config->tps_cv * config->tps_cv));
    double first_s = config->ttft_median_s * exp(ttft_sigma * rng_normal(rng));
    double tps = config->tps_median * exp(tps_sigma * rng_normal(rng));
    return (struct latency){.first_us = (int64_t)(first_s * 1e6 / config->speed),
                            .us_per_token = 1e6 / tps / config->speed};
}

int64_t latency_event_tokens(double us_per_token, struct rng *rng)
{
    double mean = fmin(EVENT_US / us_per_token, EVENT_TOKENS_MAX);
    int64_t m = mean < 1 ? 1 : llround(mean);
    int64_t reach = m - 1 < EVENT_TOKENS_MAX - m ? m - 1 : EVENT_TOKENS_MAX - m;
    return m - reach + rng_below(rng, (uint32_t)(2 * reach + 1));
}
