/* In: entries as requests begin and end. Out: a ring of them, as JSON. */
#include "provider/sim/sim_truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "text/json.h"

struct truth {
    struct truth_entry *entries; /* entry n is at (n - 1) % cap once the ring is full-sized */
    uint64_t cap, first, last;   /* numbers remembered: first..last; none when last < first */
};

struct truth *truth_new(void)
{
    struct truth *t = mem_alloc(sizeof(*t));
    t->first = 1;
    return t;
}

void truth_free(struct truth *t)
{
    if (t == NULL)
        return;
    free(t->entries);
    free(t);
}

void truth_reset(struct truth *t)
{
    t->first = t->last + 1;
}

/* Twice the room, with every entry at its number's new place. */
static void grow(struct truth *t)
{
    uint64_t cap = t->cap == 0 ? 256 : t->cap * 2;
    if (cap > TRUTH_ENTRIES_MAX)
        cap = TRUTH_ENTRIES_MAX;
    struct truth_entry *entries = mem_array(cap, sizeof(*entries));
    for (uint64_t n = t->first; t->cap > 0 && n <= t->last; n++)
        entries[n % cap] = t->entries[n % t->cap];
    free(t->entries);
    t->entries = entries;
    t->cap = cap;
}

struct truth_entry *truth_begin(struct truth *t, int64_t wall_us)
{
    uint64_t count = t->last + 1 - t->first;
    if (count == t->cap && t->cap < TRUTH_ENTRIES_MAX)
        grow(t);
    else if (count == t->cap)
        t->first++;
    t->last++;
    struct truth_entry *e = &t->entries[t->last % t->cap];
    *e = (struct truth_entry){.n = t->last, .started_us = wall_us};
    return e;
}

struct truth_entry *truth_find(struct truth *t, uint64_t n)
{
    return n < t->first || n > t->last ? NULL : &t->entries[n % t->cap];
}

char *truth_id(const char *prefix, uint64_t seed, uint64_t n, char *out)
{
    static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    struct rng rng = rng_seed(seed, n * 2 + (prefix[0] == 'm'));
    int at = snprintf(out, TRUTH_ID_SIZE, "%.8s_01", prefix);
    for (int i = 0; i < 22; i++)
        out[at++] = digits[rng_below(&rng, sizeof(digits) - 1)];
    out[at] = '\0';
    return out;
}

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_putf(out, ",\"%s\":", key);
    if (text == NULL)
        buf_puts(out, "null");
    else
        json_put_string(out, text, strlen(text));
}

static const char *truth_word(bool b)
{
    return b ? "true" : "false";
}

static void put_entry(const struct truth_entry *e, uint64_t seed, struct buf *out)
{
    char id[TRUTH_ID_SIZE];
    buf_putf(out, "{\"n\":%llu", (unsigned long long)e->n);
    put_text(out, "request_id", truth_id("req", seed, e->n, id));
    put_text(out, "call", e->call[0] ? e->call : NULL);
    put_text(out, "model", e->model);
    buf_putf(out, ",\"status\":%d,\"stream\":%s,\"input_tokens\":%lld", e->status,
             truth_word(e->stream), (long long)e->input_tokens);
    buf_putf(out, ",\"generated_tokens\":%lld,\"delivered_tokens\":%lld", (long long)e->generated,
             (long long)e->delivered);
    buf_putf(out, ",\"billed_input_tokens\":%lld,\"billed_output_tokens\":%lld",
             e->billed ? (long long)e->input_tokens : 0LL,
             e->billed ? (long long)e->generated : 0LL);
    buf_putf(out, ",\"completed\":%s,\"aborted\":%s,\"running\":%s", truth_word(e->completed),
             truth_word(e->aborted), truth_word(e->ended_us == 0));
    put_text(out, "stop_reason", e->stop_reason);
    put_text(out, "fault", e->fault);
    buf_putf(out, ",\"started_us\":%lld,\"ended_us\":%lld}", (long long)e->started_us,
             (long long)e->ended_us);
}

void truth_put(struct truth *t, uint64_t after, uint64_t limit, bool lines, uint64_t seed,
               struct buf *out)
{
    uint64_t from = after + 1 > t->first ? after + 1 : t->first;
    buf_puts(out, lines ? "" : "[");
    for (uint64_t n = from; n <= t->last && n - from < limit; n++) {
        buf_puts(out, lines || n == from ? "" : ",\n");
        put_entry(truth_find(t, n), seed, out);
        buf_puts(out, lines ? "\n" : "");
    }
    buf_puts(out, lines ? "" : "]\n");
}

struct truth_sums truth_sum(const struct truth *t)
{
    struct truth_sums s = {0};
    for (uint64_t n = t->first; n <= t->last; n++) {
        const struct truth_entry *e = &t->entries[n % t->cap];
        s.requests++;
        s.completed += e->completed;
        s.aborted += e->aborted;
        s.refused += e->status >= 400;
        s.running += e->ended_us == 0;
        s.input_tokens += e->billed ? e->input_tokens : 0;
        s.output_tokens += e->billed ? e->generated : 0;
    }
    return s;
}
