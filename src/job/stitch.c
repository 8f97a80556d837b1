/* In: chunks, and additions to a script. Out: one script. */
#include "job/stitch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "job/join.h"
#include "job/section.h"
#include "job/tags.h"

#define SCRIPT_SIZE_MAX    ((size_t)64 << 20) /* a plan's chunks are at most 1 MiB each */
#define ADDITIONS_MAX      500u               /* sections; what comes behind them is left out */
#define PREAMBLE_WORDS_MAX 25                 /* "Here are the additions:" is no part of a script */

/* ---- chunks ---- */

struct span {
    const char *text;
    size_t n;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(const char *text, size_t n)
{
    while (n > 0 && is_space(text[n - 1]))
        n--;
    while (n > 0 && is_space(*text)) {
        text++;
        n--;
    }
    return (struct span){text, n};
}

/* A text that came wrapped in ``` as a whole. */
static struct span unfence(struct span s)
{
    if (s.n < 6 || memcmp(s.text, "```", 3) != 0 || memcmp(s.text + s.n - 3, "```", 3) != 0)
        return s;
    const char *newline = memchr(s.text, '\n', s.n);
    if (newline == NULL || newline > s.text + s.n - 3)
        return s;
    return trim(newline + 1, (size_t)(s.text + s.n - 3 - (newline + 1)));
}

/* What the script takes of chunk i of n. */
static struct span chunk_span(const char *text, bool first, bool last)
{
    struct span s = unfence(trim(text, strlen(text)));
    struct sections sections;
    sections_scan(s.text, s.n, &sections);
    size_t start = 0, end = last ? s.n : sections.spoken_end;
    const struct section *title = sections.items;
    if (!first && sections.n > 0 && title->level == 1 && title->at_s < 0 &&
        trim(s.text + title->body, title->end - title->body).n == 0)
        start = title->end; /* the video's title once more */
    sections_free(&sections);
    return start < end ? trim(s.text + start, end - start) : (struct span){s.text, 0};
}

static void append_block(struct buf *out, struct span s)
{
    if (out->len > 0 && s.n > 0)
        buf_puts(out, "\n\n");
    if (join_append(out, s.text, s.n) != OK)
        abort(); /* far above what a plan's chunks can hold */
}

char *stitch_chunks(const char *const *chunks, size_t n)
{
    struct buf out = BUF_INIT(SCRIPT_SIZE_MAX);
    for (size_t i = 0; i < n; i++)
        append_block(&out, chunk_span(chunks[i], i == 0, i + 1 == n));
    struct span all = trim(buf_str(&out), out.len);
    char *text = mem_printf("%.*s%s", (int)all.n, all.text, all.n > 0 ? "\n" : "");
    buf_free(&out);
    return text;
}

/* ---- additions ---- */

struct place {     /* what goes where: addition a into the script's section `at` */
    size_t before; /* index of the script's section it goes before */
    bool inside;   /* at the end of section before - 1, without its own heading */
    bool keep_time;
};

struct merge {
    const char *script, *additions;
    struct sections old, new;
    size_t n_spoken, conclusion; /* indexes into old */
    struct place *places;        /* per new section */
};

static size_t spoken_count(const struct sections *s)
{
    size_t n = 0;
    while (n < s->n && s->items[n].kind == SECTION_SPOKEN)
        n++;
    return n;
}

static bool sounds_final(const struct section *s)
{
    static const char *const words[] = {"conclusion", "outro",          "wrap",    "closing",
                                        "final",      "call to action", "summary", "next step"};
    char title[128];
    size_t len = s->title_len < sizeof(title) - 1 ? s->title_len : sizeof(title) - 1;
    memcpy(title, s->title, len);
    title[len] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasestr(title, words[i]) != NULL)
            return true;
    return false;
}

/* The section that additions must stay in front of: the first of the last two that sounds like an
 * end, else the last; a script of fewer than two sections has none. */
static size_t find_conclusion(const struct merge *m)
{
    size_t n = m->n_spoken;
    if (n < 2)
        return n;
    return n >= 3 && sounds_final(&m->old.items[n - 2]) ? n - 2 : n - 1;
}

static struct place place_of(const struct merge *m, const struct section *s)
{
    uint64_t print = section_fingerprint(s->title, s->title_len);
    for (size_t i = 0; i < m->n_spoken && s->title_len > 0; i++) {
        const struct section *o = &m->old.items[i];
        if (o->title_len > 0 && section_fingerprint(o->title, o->title_len) == print)
            return (struct place){.before = i + 1, .inside = true};
    }
    struct place p = {.before = m->conclusion, .keep_time = s->at_s >= 0};
    for (size_t i = 1; i < m->conclusion && s->at_s >= 0; i++) {
        if (m->old.items[i].at_s > s->at_s) {
            p.before = i;
            return p;
        }
    }
    if (p.before < m->n_spoken && m->old.items[p.before].at_s >= 0 &&
        s->at_s > m->old.items[p.before].at_s)
        p.keep_time = false; /* later than the conclusion: the time cannot be right */
    return p;
}

static void put_addition(const struct merge *m, size_t i, struct buf *out)
{
    const struct section *s = &m->new.items[i];
    const struct place *p = &m->places[i];
    if (!p->inside && s->level > 0) {
        struct span heading = trim(m->additions + s->start, s->body - s->start);
        buf_puts(out, "\n\n");
        if (p->keep_time || s->at_s < 0)
            buf_put(out, heading.text, heading.n);
        else
            buf_putf(out, "### %.*s", (int)s->title_len, s->title);
    }
    append_block(out, trim(m->additions + s->body, s->end - s->body));
}

static bool is_placed(const struct merge *m, size_t i)
{
    const struct section *s = &m->new.items[i];
    if (s->kind != SECTION_SPOKEN || (s->level == 1 && s->at_s < 0))
        return false;
    return s->level > 0 || section_words(m->additions + s->start, s->end - s->start, NULL, NULL) >
                               PREAMBLE_WORDS_MAX;
}

static void put_spoken(const struct merge *m, struct buf *out)
{
    for (size_t at = 0; at <= m->n_spoken; at++) {
        for (int pass = 0; pass < 2; pass++) /* first what continues the section before */
            for (size_t i = 0; i < m->new.n; i++)
                if (is_placed(m, i) && m->places[i].before == at &&
                    m->places[i].inside == (pass == 0))
                    put_addition(m, i, out);
        if (at < m->n_spoken) {
            const struct section *s = &m->old.items[at];
            struct span text = trim(m->script + s->start, s->end - s->start);
            buf_puts(out, out->len > 0 ? "\n\n" : "");
            buf_put(out, text.text, text.n);
        }
    }
}

static void put_tag(void *ctx, const char *tag, size_t n)
{
    struct buf *out = ctx;
    buf_puts(out, out->len > 0 ? ", " : "");
    buf_put(out, tag, n);
}

/* The union of both tag lists, when the additions bring any. */
static bool put_tags(const struct merge *m, const struct section *old, struct buf *out)
{
    const struct section *new = sections_find(&m->new, SECTION_TAGS);
    if (new == NULL)
        return false;
    struct buf all = BUF_INIT(SCRIPT_SIZE_MAX), distinct = BUF_INIT(SCRIPT_SIZE_MAX);
    if (old != NULL)
        buf_put(&all, m->script + old->body, old->end - old->body);
    buf_puts(&all, "\n");
    buf_put(&all, m->additions + new->body, new->end - new->body);
    (void)tags_each(buf_str(&all), all.len, put_tag, &distinct);
    bool any = distinct.len > 0;
    if (any)
        buf_putf(out, "\n\n## Tags\n\n%s", buf_str(&distinct));
    buf_free(&all);
    buf_free(&distinct);
    return any;
}

/* Description, Tags, Titles: the script's own unless empty, else the additions'. */
static void put_ending(const struct merge *m, struct buf *out)
{
    for (enum section_kind kind = SECTION_DESCRIPTION; kind < SECTION_KIND_MAX; kind++) {
        const struct section *old = sections_find(&m->old, kind),
                             *new = sections_find(&m->new, kind);
        bool filled = old != NULL && trim(m->script + old->body, old->end - old->body).n > 0;
        if (kind == SECTION_TAGS && put_tags(m, old, out))
            continue;
        const struct section *s = filled || new == NULL ? old : new;
        const char *from = s == old ? m->script : m->additions;
        if (s != NULL) {
            buf_puts(out, "\n\n");
            struct span text = trim(from + s->start, s->end - s->start);
            buf_put(out, text.text, text.n);
        }
    }
    for (size_t i = m->n_spoken; i < m->old.n; i++) { /* sources, credits: as they were */
        const struct section *s = &m->old.items[i];
        struct span text = trim(m->script + s->start, s->end - s->start);
        if (s->kind == SECTION_SPOKEN)
            buf_putf(out, "\n\n%.*s", (int)text.n, text.text);
    }
}

char *stitch_additions(const char *script, size_t n, const char *additions, size_t add_n)
{
    struct span add = unfence(trim(additions, add_n));
    struct merge m = {.script = script, .additions = add.text};
    sections_scan(script, n, &m.old);
    sections_scan(add.text, add.n, &m.new);
    m.new.n = m.new.n < ADDITIONS_MAX ? m.new.n : ADDITIONS_MAX;
    m.n_spoken = spoken_count(&m.old);
    m.conclusion = find_conclusion(&m);
    m.places = mem_array(m.new.n + 1, sizeof(*m.places));
    for (size_t i = 0; i < m.new.n; i++)
        m.places[i] = place_of(&m, &m.new.items[i]);

    struct buf out = BUF_INIT(SCRIPT_SIZE_MAX);
    put_spoken(&m, &out);
    put_ending(&m, &out);
    struct span all = trim(buf_str(&out), out.len);
    char *text = mem_printf("%.*s%s", (int)all.n, all.text, all.n > 0 ? "\n" : "");
    buf_free(&out);
    free(m.places);
    sections_free(&m.old);
    sections_free(&m.new);
    return text;
}
