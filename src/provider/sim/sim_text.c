/* In: an ask. Out: Markdown chapters: headings with times, spoken paragraphs, visual cues, and in
 * the last chunk a description and tags. */
#include "provider/sim/sim_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "provider/sim/sim_words.h"

#define SECTIONS_MAX      (ASK_LIST_MAX + 32)
#define SECTION_WORDS     240 /* where no content point says how many sections there are */
#define SECTION_WORDS_MIN 30
#define TAGS_MIN          20
#define TEXT_MAX          ((size_t)8 << 20)

enum section_kind { SECTION_INTRO, SECTION_BODY, SECTION_ENDING };

struct section {
    enum section_kind kind;
    char *title, *spoken;   /* in the heading; in a sentence. Owned */
    size_t point, n_points; /* the content points it covers, by index */
    int until;              /* the words of the whole text at its end */
};

struct chapters {
    const struct ask *a;
    struct words *w;
    struct buf *out;
    int said, target, tail; /* words; `tail` of the target are kept for the last sentences */
    int last_at_s;          /* the latest heading's time */
    size_t include;         /* the next phrase that has to occur */
    bool open;              /* a paragraph is open */
    struct section sections[SECTIONS_MAX];
    size_t n;
};

/* How a paragraph moves. */
#define SHAPE_MAX 5
static const enum words_role shapes[][SHAPE_MAX] = {
    {WORDS_CLAIM, WORDS_REASON, WORDS_CASE, WORDS_ADVICE, WORDS_ROLE_MAX},
    {WORDS_TURN, WORDS_REASON, WORDS_ADVICE, WORDS_REASON, WORDS_ROLE_MAX},
    {WORDS_CASE, WORDS_CLAIM, WORDS_REASON, WORDS_ROLE_MAX},
    {WORDS_CLAIM, WORDS_TURN, WORDS_REASON, WORDS_ADVICE, WORDS_CLAIM},
    {WORDS_CASE, WORDS_REASON, WORDS_TURN, WORDS_ADVICE, WORDS_ROLE_MAX},
    {WORDS_CLAIM, WORDS_CASE, WORDS_TURN, WORDS_CASE, WORDS_REASON},
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static bool holds(const char *text, const char *phrase)
{
    return *phrase != '\0' && strcasestr(text, phrase) != NULL;
}

static bool holds_avoided(const struct ask *a, const char *text)
{
    for (size_t i = 0; i < a->avoids.n; i++)
        if (holds(text, a->avoids.items[i]))
            return true;
    return false;
}

/* One sentence without a phrase to avoid, into `s`. */
static void compose(struct chapters *c, enum words_role role, struct buf *s)
{
    for (int tries = 0; tries < 8; tries++) {
        buf_clear(s);
        words_say(c->w, role, s);
        if (!holds_avoided(c->a, buf_str(s)))
            return;
    }
}

static void put_text(struct chapters *c, const char *text, size_t n)
{
    buf_puts(c->out, c->open ? " " : c->out->len > 0 ? "\n\n" : "");
    buf_put(c->out, text, n);
    c->open = true;
    c->said += words_in(text, n);
}

static void put_sentence(struct chapters *c, enum words_role role)
{
    struct buf s = BUF_INIT(TEXT_MAX);
    compose(c, role, &s);
    put_text(c, s.data, s.len);
    buf_free(&s);
}

/* A user's phrase as a sentence of its own. */
static void put_phrase(struct chapters *c, const char *before, const char *phrase,
                       const char *after)
{
    struct buf s = BUF_INIT(TEXT_MAX);
    size_t n = strlen(phrase);
    bool ends = n > 0 && strchr(".!?", phrase[n - 1]) != NULL;
    buf_putf(&s, "%s%s%s", before, phrase, ends && strcmp(after, ".") == 0 ? "" : after);
    put_text(c, s.data, s.len);
    buf_free(&s);
}

static void put_visual(struct chapters *c)
{
    struct buf s = BUF_INIT(TEXT_MAX);
    compose(c, WORDS_VISUAL, &s);
    buf_putf(c->out, "%s[VISUAL: %s]", c->out->len > 0 ? "\n\n" : "", buf_str(&s));
    buf_free(&s);
    c->open = false;
}

static void put_heading(struct chapters *c, const struct section *s)
{
    const struct ask *a = c->a;
    int span = a->to_s - a->from_s, at = a->from_s;
    if (span > 0 && c->target > 0)
        at += (int)((int64_t)span * c->said / c->target);
    if (at >= a->to_s)
        at = a->to_s - 1;
    if (at <= c->last_at_s)
        at = c->last_at_s + 1;
    c->last_at_s = at;
    buf_putf(c->out, "%s### [%02d:%02d] %s", c->out->len > 0 ? "\n\n" : "", at / 60, at % 60,
             s->title);
    c->open = false;
}

/* Which heading of the topic's pack a section takes, so that the chunks of a script, additions to
 * it and continuations never share one. */
static uint32_t heading_base(const struct ask *a)
{
    enum { PER_CHUNK = 14, PER_EXTRA = 6, CHUNKS = 16 };
    uint32_t chunk = (uint32_t)a->chunk % (CHUNKS + 1), hash = 5381;
    if (a->kind == ASK_EXPAND)
        return PER_CHUNK * (CHUNKS + 1) + chunk * PER_EXTRA;
    if (a->kind != ASK_CONTINUE)
        return chunk * PER_CHUNK;
    for (const char *p = a->after ? a->after : ""; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return (PER_CHUNK + PER_EXTRA) * (CHUNKS + 1) + hash % 33 * PER_EXTRA;
}

/* `title` is copied. A heading of ours is spoken without its capital; a user's stays as it is. */
static struct section *add_section(struct chapters *c, enum section_kind kind, const char *title,
                                   bool ours)
{
    struct section *s = &c->sections[c->n++];
    *s = (struct section){.kind = kind, .title = mem_strdup(title), .spoken = mem_strdup(title)};
    if (ours)
        s->spoken[0] = (char)tolower((unsigned char)s->spoken[0]);
    return s;
}

/* Body sections: those with points, and others between them where there are few points. */
static void plan_body(struct chapters *c, size_t room)
{
    const struct ask *a = c->a;
    size_t most = a->kind == ASK_CHUNK ? 14 : 6;
    size_t with = a->points.n < room ? a->points.n : room;
    size_t want = (size_t)(c->target / SECTION_WORDS);
    size_t others = want > with ? want - with : with == 0 ? 1 : 0;
    others = others > most ? most : others;
    uint32_t heading = heading_base(a);
    size_t total = with + others, put = 0;
    for (size_t i = 0; i < total; i++) {
        if ((i + 1) * with / total > put) { /* spread evenly */
            size_t lo = put * a->points.n / with, hi = ++put * a->points.n / with;
            struct section *s = add_section(c, SECTION_BODY, a->points.items[lo], false);
            s->point = lo;
            s->n_points = hi - lo;
            continue;
        }
        struct buf title = BUF_INIT(256);
        words_heading(c->w, heading++, &title);
        add_section(c, SECTION_BODY, buf_str(&title), true);
        buf_free(&title);
    }
}

static void plan_sections(struct chapters *c)
{
    const struct ask *a = c->a;
    int most = c->target / SECTION_WORDS_MIN;
    size_t room = most < 1 ? 1 : (size_t)most;
    bool opens = a->first && a->kind == ASK_CHUNK && room >= 3;
    bool ends = a->last && (a->kind == ASK_CHUNK || a->kind == ASK_CONTINUE) && room >= 3;
    if (opens)
        add_section(c, SECTION_INTRO, "Welcome", true);
    plan_body(c, room - (size_t)opens - (size_t)ends);
    if (ends)
        add_section(c, SECTION_ENDING, "What to take with you", true);
    double weight[SECTIONS_MAX], sum = 0, so_far = 0;
    for (size_t i = 0; i < c->n; i++) {
        double w = c->sections[i].kind == SECTION_BODY ? 1 : 0.6;
        weight[i] = w * (0.85 + 0.3 * rng_unit(words_rng(c->w)));
        sum += weight[i];
    }
    for (size_t i = 0; i < c->n; i++) {
        so_far += weight[i];
        c->sections[i].until = (int)((c->target - c->tail) * so_far / sum);
    }
}

/* Whether a whole sentence still fits. */
static bool has_room(const struct chapters *c, const struct section *s)
{
    return c->said + 14 < s->until;
}

/* What a section has to say before it may say what it likes. */
static void put_duties(struct chapters *c, const struct section *s, bool tight)
{
    const struct ask *a = c->a;
    for (size_t i = 0; s->kind == SECTION_BODY && i < s->n_points; i++) {
        words_title(c->w, a->points.items[s->point + i]);
        if (!tight)
            put_sentence(c, WORDS_OPEN);
        else if (i > 0) /* the first is the heading */
            put_phrase(c, "", a->points.items[s->point + i], ".");
    }
    words_title(c->w, s->spoken);
    if (s->kind == SECTION_BODY && s->n_points == 0 && has_room(c, s))
        put_sentence(c, WORDS_OPEN);
    for (int i = 0; s->kind == SECTION_ENDING && i < 2 && has_room(c, s); i++)
        put_sentence(c, WORDS_ENDING);
    if (c->include < a->includes.n && s->kind == SECTION_BODY) {
        put_phrase(c, "Keep this in mind: ", a->includes.items[c->include], ".");
        c->include++;
    }
}

static void put_paragraphs(struct chapters *c, const struct section *s)
{
    while (c->said < s->until) {
        const enum words_role *shape = shapes[rng_below(words_rng(c->w), N_SHAPES)];
        for (int i = 0; i < SHAPE_MAX && shape[i] != WORDS_ROLE_MAX; i++) {
            if (c->said + 8 >= s->until)
                return;
            put_sentence(c, shape[i]);
        }
        c->open = false;
        if (rng_below(words_rng(c->w), 4) == 0)
            put_visual(c);
    }
}

/* Spends the words that are left before `tail`, with the sentences that fit best. */
static void land(struct chapters *c)
{
    struct buf s = BUF_INIT(TEXT_MAX), best = BUF_INIT(TEXT_MAX);
    for (int left = c->target - c->tail - c->said; left > 2; left = c->target - c->tail - c->said) {
        int best_len = 0;
        for (int tries = 0; tries < 24 && best_len != left; tries++) {
            enum words_role role = left > 8 && tries % 2 ? WORDS_ADVICE : WORDS_SHORT;
            compose(c, role, &s);
            int len = words_in(s.data, s.len);
            if (len <= left && len > best_len) {
                best_len = len;
                buf_clear(&best);
                buf_put(&best, s.data, s.len);
            }
        }
        if (best_len == 0)
            break;
        put_text(c, best.data, best.len);
    }
    buf_free(&s);
    buf_free(&best);
}

static void put_description(struct chapters *c)
{
    buf_puts(c->out, "\n\n## Description\n\n");
    for (int i = 0; i < 4; i++) {
        struct buf s = BUF_INIT(TEXT_MAX);
        compose(c, WORDS_DESCRIBE, &s);
        buf_putf(c->out, "%s%s", i ? " " : "", buf_str(&s));
        buf_free(&s);
    }
}

/* A tag may hold no comma, and is lower case by custom. */
static void put_tag(struct buf *out, const char *before, const char *s, const char *after, int *n)
{
    buf_puts(out, *n > 0 ? ", " : "");
    buf_puts(out, before);
    for (; *s; s++) {
        char ch = *s == ',' ? ' ' : (char)tolower((unsigned char)*s);
        buf_put(out, &ch, 1);
    }
    buf_puts(out, after);
    ++*n;
}

static void put_tag_list(struct chapters *c)
{
    static const char *const frames[][2] = {{"", ""},
                                            {"", " for beginners"},
                                            {"", " explained"},
                                            {"", " step by step"},
                                            {"", " guide"},
                                            {"", " tips"},
                                            {"how to start with ", ""},
                                            {"", " mistakes"},
                                            {"", " tutorial"},
                                            {"learn ", ""},
                                            {"", " basics"},
                                            {"", " examples"},
                                            {"", " at home"},
                                            {"better ", ""},
                                            {"", " course"},
                                            {"", " questions"},
                                            {"", " in practice"},
                                            {"", " checklist"},
                                            {"understanding ", ""},
                                            {"", " ideas"},
                                            {"", " 2026"},
                                            {"simple ", ""},
                                            {"", " walkthrough"},
                                            {"", " facts"},
                                            {"", " routine"},
                                            {"everyday ", ""},
                                            {"", " story"},
                                            {"why ", " matters"},
                                            {"", " advice"},
                                            {"", " for everyone"}};
    const struct ask *a = c->a;
    const char *topic = a->topic ? a->topic : "this subject";
    int want = (a->tags > TAGS_MIN ? a->tags : TAGS_MIN) + 3, n = 0;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]) && n < want; i++)
        put_tag(c->out, frames[i][0], topic, frames[i][1], &n);
    for (size_t i = 0; i < a->points.n && n < want; i++)
        put_tag(c->out, "", a->points.items[i], "", &n);
    for (uint32_t i = 0; n < want; i++) {
        struct buf s = BUF_INIT(256);
        words_heading(c->w, i, &s);
        put_tag(c->out, "", buf_str(&s), "", &n);
        buf_free(&s);
    }
}

/* Other titles for the video, each with an opening line that goes with it. */
static void put_titles(struct chapters *c)
{
    buf_puts(c->out, "\n\n## Titles\n");
    for (int i = 0; i < c->a->titles; i++) {
        struct buf title = BUF_INIT(256), line = BUF_INIT(TEXT_MAX);
        words_heading(c->w, (uint32_t)i, &title);
        compose(c, WORDS_CLAIM, &line);
        buf_putf(c->out, "\n- %s: %s | %s", c->a->topic ? c->a->topic : "This", buf_str(&title),
                 buf_str(&line));
        buf_free(&title);
        buf_free(&line);
    }
}

/* Whether a finding of the check asks for one of the closing sections. */
static bool misses(const struct ask *a, const char *word)
{
    for (size_t i = 0; i < a->missing.n; i++)
        if (holds(a->missing.items[i], word))
            return true;
    return false;
}

static void put_closing(struct chapters *c)
{
    const struct ask *a = c->a;
    bool expand = a->kind == ASK_EXPAND;
    if (expand ? misses(a, "description") : a->last)
        put_description(c);
    if (a->tags > 0 || (expand && misses(a, "tag"))) {
        buf_puts(c->out, "\n\n## Tags\n\n");
        put_tag_list(c);
    }
    if (a->titles > 0)
        put_titles(c);
}

/* A continuation begins in the middle: the rest of the sentence that was cut, or of the tags. */
static void finish_what_was_cut(struct chapters *c)
{
    const char *after = c->a->after ? c->a->after : "";
    size_t n = strlen(after);
    while (n > 0 && isspace((unsigned char)after[n - 1]))
        n--;
    bool spoken = c->a->words > 0 || c->a->tags > 0; /* else everything before the tags is there */
    if (!spoken)
        put_tag_list(c);
    else if (n > 0 && strchr(".!?:]\"", after[n - 1]) == NULL)
        put_sentence(c, WORDS_FINISH);
    c->open = false;
}

static void put_section(struct chapters *c, size_t i, bool tight)
{
    const struct ask *a = c->a;
    const struct section *s = &c->sections[i];
    bool first = a->first && a->kind == ASK_CHUNK && i == 0;
    put_heading(c, s);
    if (!tight)
        put_visual(c);
    if (first && a->hook != NULL)
        put_phrase(c, "", a->hook, ".");
    for (int k = 0; first && k < 3 && has_room(c, s); k++)
        put_sentence(c, WORDS_INTRO);
    put_duties(c, s, tight);
    if (a->sponsor != NULL && i == c->n / 2) {
        put_phrase(c, "A short word about our sponsor: this part is brought to you by ", a->sponsor,
                   ".");
        put_phrase(c, "We use ", a->sponsor, " ourselves, and the link is below.");
    }
    if (c->said > 0 && !tight)
        c->open = false;
    put_paragraphs(c, s);
}

/* Everything that is spoken. */
static void put_spoken(struct chapters *c, const char *cta)
{
    const struct ask *a = c->a;
    plan_sections(c);
    bool tight = c->target < (int)(60 * c->n);
    for (size_t i = 0; i < c->n; i++)
        put_section(c, i, tight);
    for (; c->include < a->includes.n; c->include++)
        put_phrase(c, "Keep this in mind: ", a->includes.items[c->include], ".");
    land(c);
    if (cta != NULL)
        put_phrase(c, "", cta, ".");
}

void text_put_chapters(const struct ask *a, uint64_t seed, struct buf *out)
{
    static const char cta_default[] =
        "If this helped, subscribe, and tell me in the comments what to cover next.";
    struct chapters *c = mem_alloc(sizeof(*c));
    c->a = a;
    c->out = out;
    c->target = a->words;
    c->last_at_s =
        a->kind == ASK_CONTINUE ? a->from_s : a->from_s - 1; /* there it stands already */
    c->w = words_new(seed, a->topic ? a->topic : "this subject");
    const char *cta = a->last && a->kind != ASK_EXPAND ? a->cta ? a->cta : cta_default : NULL;
    c->tail = cta ? words_in(cta, strlen(cta)) : 0;
    if (a->kind == ASK_CONTINUE)
        finish_what_was_cut(c);
    if (a->words > 0 || a->kind != ASK_CONTINUE)
        put_spoken(c, cta);
    put_closing(c);
    buf_puts(out, "\n");
    for (size_t i = 0; i < c->n; i++) {
        free(c->sections[i].title);
        free(c->sections[i].spoken);
    }
    words_free(c->w);
    free(c);
}
