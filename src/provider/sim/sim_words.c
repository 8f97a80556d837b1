/* In: the grammar (sim_grammar.c), a seed. Out: sentences. Each list is dealt like a pack of cards:
 * all of it before any of it again, in an order that the seed gives. */
#include "provider/sim/sim_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/sim/sim_grammar.h"

#define SENTENCE_MAX 4096
#define SEEN_SLOTS   4096 /* sentences of one answer; a power of two, never filled past half */
#define SAY_TRIES    12

struct deck { /* position in one list: start + dealt * step, modulo its length */
    uint32_t start, step, dealt;
};

struct words {
    struct rng rng;
    const char *topic;
    char *title;
    struct deck decks[GRAMMAR_LISTS_MAX];
    struct deck heads, tails; /* of headings; only start and step are used */
    uint64_t seen[SEEN_SLOTS];
    size_t n_seen;
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static void deck_shuffle(struct deck *d, struct rng *rng, uint32_t n)
{
    d->start = rng_below(rng, n);
    d->step = 1 + rng_below(rng, n);
    while (gcd(d->step, n) != 1)
        d->step++;
    d->dealt = 0;
}

static uint32_t deck_deal(struct deck *d, struct rng *rng, uint32_t n)
{
    if (d->step == 0 || d->dealt >= n)
        deck_shuffle(d, rng, n);
    uint64_t at = d->start + (uint64_t)d->dealt * d->step;
    d->dealt++;
    return (uint32_t)(at % n);
}

struct words *words_new(uint64_t seed, const char *topic)
{
    struct words *w = mem_alloc(sizeof(*w));
    w->rng = rng_seed(seed, 11);
    w->topic = topic;
    w->title = mem_strdup(topic);
    /* Headings must not repeat between the chunks of one script, whose prompts, and so seeds,
     * differ: their order hangs on the topic alone. */
    uint64_t h = 1469598103934665603u;
    for (const char *p = topic; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    struct rng rng = rng_seed(h, 12);
    deck_shuffle(&w->heads, &rng, grammar_heading_heads.n);
    deck_shuffle(&w->tails, &rng, grammar_heading_tails.n);
    return w;
}

void words_free(struct words *w)
{
    free(w->title);
    free(w);
}

void words_title(struct words *w, const char *title)
{
    free(w->title);
    w->title = mem_strdup(title);
}

struct rng *words_rng(struct words *w)
{
    return &w->rng;
}

/* Where the slot's name ends: `p` is behind the brace. */
static void fill(struct words *w, const char *pattern, struct buf *out, int depth)
{
    for (const char *p = pattern; *p; p++) {
        if (*p != '{') {
            buf_put(out, p, 1);
            continue;
        }
        const char *end = strchr(p, '}');
        size_t n = (size_t)(end - p - 1);
        if (n == 5 && memcmp(p + 1, "topic", 5) == 0) {
            buf_puts(out, w->topic);
        } else if (n == 5 && memcmp(p + 1, "title", 5) == 0) {
            buf_puts(out, w->title);
        } else {
            const struct grammar_list *list = grammar_find(p + 1, n);
            if (list == NULL || depth > 6)
                abort(); /* a slip in the grammar; its unit test says every word once */
            size_t at = (size_t)(list - grammar_lists);
            fill(w, list->items[deck_deal(&w->decks[at], &w->rng, list->n)], out, depth + 1);
        }
        p = end;
    }
}

/* Notes a sentence; false when it was said before. */
static bool remember(struct words *w, const char *s, size_t n)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    h |= 1;
    size_t at = h & (SEEN_SLOTS - 1);
    while (w->seen[at] != 0 && w->seen[at] != h)
        at = (at + 1) & (SEEN_SLOTS - 1);
    if (w->seen[at] == h)
        return false;
    if (w->n_seen < SEEN_SLOTS / 2) {
        w->seen[at] = h;
        w->n_seen++;
    }
    return true;
}

void words_say(struct words *w, enum words_role role, struct buf *out)
{
    struct buf s = BUF_INIT(SENTENCE_MAX + 2 * (strlen(w->topic) + strlen(w->title)) * 8);
    const struct grammar_list *list = grammar_role(role);
    size_t at = (size_t)(list - grammar_lists);
    for (int tries = 0; tries < SAY_TRIES; tries++) {
        buf_clear(&s);
        fill(w, list->items[deck_deal(&w->decks[at], &w->rng, list->n)], &s, 0);
        if (remember(w, s.data, s.len))
            break;
    }
    if (role != WORDS_FINISH)
        s.data[0] = (char)toupper((unsigned char)s.data[0]);
    buf_put(out, s.data, s.len);
    buf_free(&s);
}

/* The lists' lengths have no common divisor, so every pair comes before any comes again. */
uint32_t words_headings(void)
{
    return grammar_heading_heads.n * grammar_heading_tails.n;
}

void words_heading(struct words *w, uint32_t i, struct buf *out)
{
    uint64_t head = w->heads.start + (uint64_t)i * w->heads.step;
    uint64_t tail = w->tails.start + (uint64_t)i * w->tails.step;
    buf_puts(out, grammar_heading_heads.items[head % grammar_heading_heads.n]);
    buf_puts(out, grammar_heading_tails.items[tail % grammar_heading_tails.n]);
}

int words_in(const char *text, size_t n)
{
    int words = 0;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        bool space = isspace((unsigned char)text[i]);
        words += !space && !inside;
        inside = !space;
    }
    return words;
}
