/* In: a text and phrases. Out: which occur. The text is walked once, whatever the phrases. */
#include "job/phrase.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/section.h"

#define POINT_WORDS_MAX 32u

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- normalised text ---- */

struct phrase_text phrase_text_make(const char *text, size_t n)
{
    struct phrase_text t = {.norm = mem_alloc(n + 3)};
    t.norm[t.len++] = ' ';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool general = c == 0xE2u && n - i >= 3 && (unsigned char)text[i + 1] <= 0x81u;
        if (general) { /* U+2000..U+207F: quotes, dashes; U+2019 is an apostrophe */
            bool apostrophe = memcmp(text + i, "\xE2\x80\x99", 3) == 0;
            i += 2;
            if (apostrophe)
                continue;
            c = ' ';
        }
        if (c == '\'')
            continue;
        if (is_alnum(c) || c >= 0x80u)
            t.norm[t.len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20u : c);
        else if (t.norm[t.len - 1] != ' ')
            t.norm[t.len++] = ' ';
    }
    if (t.norm[t.len - 1] != ' ' || t.len == 1)
        t.norm[t.len++] = ' ';
    return t;
}

void phrase_text_free(struct phrase_text *t)
{
    free(t->norm);
    *t = (struct phrase_text){0};
}

size_t phrase_count(const struct phrase_text *t, const char *phrase)
{
    struct phrase_text p = phrase_text_make(phrase, strlen(phrase));
    size_t found = 0;
    if (p.len > 2) {
        /* Scripts without blanks between words have no word borders to insist on. */
        size_t skip = (unsigned char)p.norm[1] >= 0xE3u ? 1 : 0;
        const char *needle = p.norm + skip, *at = t->norm, *end = t->norm + t->len;
        size_t len = p.len - 2 * skip;
        while ((at = memmem(at, (size_t)(end - at), needle, len)) != NULL) {
            found++;
            at += len - (skip == 0); /* the closing blank may open the next one */
        }
    }
    phrase_text_free(&p);
    return found;
}

/* ---- content points by their words ---- */

struct point_word {
    uint64_t print;
    uint16_t point, bit;
};

struct points {
    struct point_word *words; /* sorted by print */
    size_t n_words;
    uint32_t *seen;   /* per point: which of its words stood in the current line */
    uint16_t *needed; /* per point; 0 = too short to be found by words */
    uint16_t *touched;
    size_t n_touched;
    bool *covered;
};

static int by_print(const void *a, const void *b)
{
    const struct point_word *x = a, *y = b;
    if (x->print != y->print)
        return x->print < y->print ? -1 : 1;
    return (int)x->point - (int)y->point;
}

static bool is_stop_word(const char *w, size_t n)
{
    static const char *const stop[] = {"the", "and", "for",  "with", "your", "you",  "how", "why",
                                       "are", "its", "from", "that", "this", "what", "when"};
    if (n < 3)
        return true;
    for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++)
        if (strlen(stop[i]) == n && memcmp(w, stop[i], n) == 0)
            return true;
    return false;
}

/* The next word of a normalised text behind *pos; false at its end. */
static bool next_word(const struct phrase_text *t, size_t *pos, const char **ret_word,
                      size_t *ret_len)
{
    size_t i = *pos;
    while (i < t->len && t->norm[i] == ' ')
        i++;
    size_t start = i;
    while (i < t->len && t->norm[i] != ' ')
        i++;
    *pos = i;
    *ret_word = t->norm + start;
    *ret_len = i - start;
    return i > start;
}

static void add_title(struct points *p, size_t point, const char *title)
{
    struct phrase_text t = phrase_text_make(title, strlen(title));
    const char *word;
    size_t pos = 0, len, first = p->n_words;
    while (p->n_words - first < POINT_WORDS_MAX && next_word(&t, &pos, &word, &len)) {
        uint64_t print = section_fingerprint(word, len);
        bool known = is_stop_word(word, len);
        for (size_t i = first; i < p->n_words && !known; i++)
            known = p->words[i].print == print;
        if (!known) {
            uint16_t bit = (uint16_t)(p->n_words - first);
            p->words[p->n_words++] =
                (struct point_word){.print = print, .point = (uint16_t)point, .bit = bit};
        }
    }
    size_t words = p->n_words - first;
    p->needed[point] = (uint16_t)(words >= 3 ? words - words / 4 : 0);
    phrase_text_free(&t);
}

/* A word of the script: marks every point whose title holds it. */
static void see(struct points *p, uint64_t print)
{
    size_t low = 0, high = p->n_words;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->words[mid].print < print)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < p->n_words && p->words[low].print == print; low++) {
        const struct point_word *w = &p->words[low];
        if (p->covered[w->point] || p->needed[w->point] == 0)
            continue;
        if (p->seen[w->point] == 0)
            p->touched[p->n_touched++] = w->point;
        p->seen[w->point] |= UINT32_C(1) << w->bit;
        if (__builtin_popcount(p->seen[w->point]) >= p->needed[w->point])
            p->covered[w->point] = true;
    }
}

static void see_line(struct points *p, const char *line, size_t n)
{
    struct phrase_text t = phrase_text_make(line, n);
    const char *word;
    size_t pos = 0, len;
    while (next_word(&t, &pos, &word, &len))
        see(p, section_fingerprint(word, len));
    while (p->n_touched > 0)
        p->seen[p->touched[--p->n_touched]] = 0;
    phrase_text_free(&t);
}

void phrase_points(const char *text, size_t len, const char *const *titles, size_t n,
                   bool *ret_covered)
{
    struct phrase_text t = phrase_text_make(text, len);
    struct points p = {.words = mem_array(n * POINT_WORDS_MAX, sizeof(*p.words)),
                       .seen = mem_array(n, sizeof(*p.seen)),
                       .needed = mem_array(n, sizeof(*p.needed)),
                       .touched = mem_array(n, sizeof(*p.touched)),
                       .covered = ret_covered};
    for (size_t i = 0; i < n; i++) {
        ret_covered[i] = phrase_count(&t, titles[i]) > 0;
        add_title(&p, i, titles[i]);
    }
    phrase_text_free(&t);
    if (p.n_words > 0)
        qsort(p.words, p.n_words, sizeof(*p.words), by_print);
    const char *line;
    size_t pos = 0, line_len;
    while (p.n_words > 0 && section_next_line(text, len, &pos, &line, &line_len))
        see_line(&p, line, line_len);
    free(p.words);
    free(p.seen);
    free(p.needed);
    free(p.touched);
}
