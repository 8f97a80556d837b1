/* In: pieces of text. Out: one text, without what two neighbours both say. */
#include "job/join.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/section.h"

#define OVERLAP_MIN    20u
#define OVERLAP_WINDOW 4096u /* a longer repetition is not looked for: bounds the work */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0u) == 0x80u;
}

/* ---- full sentences ---- */

/* Length of the closing quote or bracket at p (they belong to the sentence before), 0 when none. */
static size_t closer_length(const char *p, size_t n)
{
    static const char *const closers[] = {"\"",           "'", ")", "]", "*", "_",
                                          "\xE2\x80\x9D", /* ” */
                                          "\xE2\x80\x99", /* ’ */
                                          "\xC2\xBB",     /* » */
                                          "\xE3\x80\x8D" /* 」 */};
    for (size_t i = 0; i < sizeof(closers) / sizeof(closers[0]); i++) {
        size_t len = strlen(closers[i]);
        if (n >= len && memcmp(p, closers[i], len) == 0)
            return len;
    }
    return 0;
}

/* Length of the sentence mark at p; *ret_wide: one that needs no space behind it. */
static size_t mark_length(const char *p, size_t n, bool *ret_wide)
{
    static const char *const wide[] = {"\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F"}; /* 。！？ */
    *ret_wide = false;
    if (*p == '.' || *p == '!' || *p == '?')
        return 1;
    if (n < 3)
        return 0;
    if (memcmp(p, "\xE2\x80\xA6", 3) == 0) /* … */
        return 3;
    for (size_t i = 0; i < 3; i++) {
        if (memcmp(p, wide[i], 3) == 0) {
            *ret_wide = true;
            return 3;
        }
    }
    return 0;
}

/* The end of the sentence whose mark is at i, or 0 when that is none: "3.5", "example.org", and a
 * full stop after a digit at the very end, where the rest of the number may be missing. */
static size_t sentence_end(const char *text, size_t n, size_t i)
{
    bool wide;
    size_t mark = mark_length(text + i, n - i, &wide);
    if (mark == 0)
        return 0;
    size_t end = i + mark;
    for (size_t len; end < n && (len = closer_length(text + end, n - end)) > 0;)
        end += len;
    if (end < n)
        return is_space(text[end]) || (wide && !is_continuation(text[end])) ? end : 0;
    bool after_digit = i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9';
    return end == i + 1 && text[i] == '.' && after_digit ? 0 : end;
}

/* A line that is complete once its newline is there: a heading, a cue, the last of a paragraph. */
static bool line_is_whole(const char *text, size_t n, size_t start, size_t newline)
{
    if (newline == start)
        return false;
    if (text[start] == '#' || text[newline - 1] == ']')
        return true;
    return newline + 1 < n && text[newline + 1] == '\n';
}

size_t join_full_sentences(const char *text, size_t n)
{
    size_t full = 0, line = 0;
    for (size_t i = 0; i < n; i++) {
        size_t end = sentence_end(text, n, i);
        if (end > full && text[line] != '#') /* "### 1. Title" is no sentence */
            full = end;
        if (text[i] != '\n')
            continue;
        size_t stop = i > line && text[i - 1] == '\r' ? i - 1 : i;
        if (stop > full && line_is_whole(text, n, line, stop))
            full = stop;
        line = i + 1;
    }
    return full;
}

/* ---- overlap ---- */

/* Text with case folded (ASCII) and each run of white space made one blank. after[i] is the offset
 * in the original behind the i-th folded byte. */
struct folded {
    size_t len;
    char bytes[OVERLAP_WINDOW + 1];
    size_t after[OVERLAP_WINDOW + 1];
};

static void fold(const char *text, size_t n, struct folded *out)
{
    out->len = 0;
    for (size_t i = 0; i < n && out->len < OVERLAP_WINDOW; i++) {
        char c = text[i];
        if (is_space(c)) {
            while (i + 1 < n && is_space(text[i + 1]))
                i++;
            c = ' ';
        } else if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        out->bytes[out->len] = c;
        out->after[out->len++] = i + 1;
    }
}

/* fail[i]: length of the longest proper border of bytes[0..i] (Knuth, Morris, Pratt). */
static void borders(const struct folded *f, size_t *fail)
{
    fail[0] = 0;
    for (size_t i = 1, k = 0; i < f->len; i++) {
        while (k > 0 && f->bytes[i] != f->bytes[k])
            k = fail[k - 1];
        if (f->bytes[i] == f->bytes[k])
            k++;
        fail[i] = k;
    }
}

/* The longest prefix of `b` that ends `a`. */
static size_t longest(const struct folded *a, const struct folded *b, const size_t *fail)
{
    size_t k = 0;
    for (size_t i = 0; i < a->len; i++) {
        while (k > 0 && (k == b->len || a->bytes[i] != b->bytes[k]))
            k = fail[k - 1];
        if (a->bytes[i] == b->bytes[k])
            k++;
    }
    return k;
}

size_t join_overlap(const char *a, size_t na, const char *b, size_t nb)
{
    size_t skip = 0;
    while (skip < nb && is_space(b[skip]))
        skip++;
    if (na < OVERLAP_MIN || nb - skip < OVERLAP_MIN)
        return 0;

    struct folded *fa = mem_alloc(sizeof(*fa)), *fb = mem_alloc(sizeof(*fb));
    size_t *fail = mem_array(OVERLAP_WINDOW + 1, sizeof(*fail));
    size_t from = na > OVERLAP_WINDOW ? na - OVERLAP_WINDOW : 0;
    fold(a + from, na - from, fa);
    fold(b + skip, nb - skip, fb);
    /* White space at the end of `a` says that a word ended there; the end of `b` says so too. */
    if (fa->bytes[fa->len - 1] == ' ' && fb->len < OVERLAP_WINDOW &&
        fb->bytes[fb->len - 1] != ' ') {
        fb->bytes[fb->len] = ' ';
        fb->after[fb->len++] = nb - skip;
    }
    borders(fb, fail);
    size_t k = longest(fa, fb, fail), result = 0;
    for (; k >= OVERLAP_MIN; k = fail[k - 1]) {
        size_t end = skip + fb->after[k - 1];
        if (end == nb || !is_continuation(b[end])) {
            result = end;
            break;
        }
    }
    free(fa);
    free(fb);
    free(fail);
    return result;
}

/* ---- tail and append ---- */

static bool wide_before(const char *text, size_t i)
{
    return i >= 3 && section_is_wide(text + i - 3, 3);
}

size_t join_tail(const char *text, size_t n, int words)
{
    size_t i = n;
    int halves = 2 * words; /* two wide characters are a word */
    while (halves > 0 && i > 0) {
        if (is_space(text[i - 1])) {
            i--;
        } else if (wide_before(text, i)) {
            i -= 3;
            halves--;
        } else {
            while (i > 0 && !is_space(text[i - 1]) && !wide_before(text, i))
                i--;
            halves -= 2;
        }
    }
    while (i < n && is_space(text[i]))
        i++;
    return i;
}

struct gap { /* the white space between two pieces */
    bool any;
    int newlines;
};

static struct gap gap_of(const char *text, size_t n)
{
    struct gap g = {.any = n > 0};
    for (size_t i = 0; i < n; i++)
        g.newlines += text[i] == '\n' && g.newlines < 2;
    return g;
}

static bool ends_in_heading(const char *text, size_t n)
{
    size_t line = n;
    while (line > 0 && text[line - 1] != '\n')
        line--;
    return line < n && text[line] == '#';
}

/* From U+3000 on: scripts that set no blank between sentences. */
static bool is_wide_pair(const char *text, size_t n, char next)
{
    size_t i = n - 1;
    while (i > 0 && is_continuation(text[i]))
        i--;
    return (unsigned char)text[i] >= 0xE3u && (unsigned char)next >= 0xE3u;
}

static const char *break_between(const char *a, size_t na, struct gap ga, struct gap gb, char next,
                                 bool overlapped)
{
    int newlines = ga.newlines > gb.newlines ? ga.newlines : gb.newlines;
    if (na == 0)
        return "";
    if (newlines >= 2 || next == '#' || ends_in_heading(a, na))
        return "\n\n";
    if (newlines == 1)
        return next == '[' ? "\n\n" : "\n";
    if (ga.any || gb.any)
        return " ";
    return overlapped || is_wide_pair(a, na, next) ? "" : " ";
}

enum err join_append(struct buf *out, const char *next, size_t n)
{
    size_t na = out->len;
    while (na > 0 && is_space(out->data[na - 1]))
        na--;
    size_t overlap = join_overlap(buf_str(out), out->len, next, n);
    size_t start = overlap, before = overlap;
    while (start < n && is_space(next[start]))
        start++;
    if (start == n)
        return OK;
    while (before > 0 && is_space(next[before - 1]))
        before--;

    struct gap ga = na < out->len ? gap_of(out->data + na, out->len - na) : (struct gap){0};
    const char *between = break_between(buf_str(out), na, ga, gap_of(next + before, start - before),
                                        next[start], overlap > 0);
    size_t len = strlen(between);
    if (n - start > out->max || na + len > out->max - (n - start))
        return ERR_TOO_BIG;
    if (out->data != NULL)
        out->data[na] = '\0';
    out->len = na;
    buf_put(out, between, len);
    buf_put(out, next + start, n - start);
    return OK;
}
