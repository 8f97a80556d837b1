/* In: a script and what it should hold. Out: a score and findings. */
#include "job/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "job/phrase.h"
#include "job/section.h"
#include "job/tags.h"

#define PARAGRAPH_WORDS_MIN 12 /* shorter ones (refrains, lists) may repeat */

enum kind {
    TOO_SHORT,
    PLACEHOLDER,
    TIMESTAMP_ORDER,
    TIMESTAMP_RANGE,
    DESCRIPTION_MISSING,
    TAGS_MISSING,
    TAGS_FEW,
    POINT_MISSING,
    DUPLICATE_SECTION,
    REPEATED_PARAGRAPH,
    FORBIDDEN_PHRASE,
    PHRASE_MISSING,
    CHUNK_UNEVEN,
    KIND_MAX
};

static const struct {
    const char *code;
    bool gap;
    int points, limit; /* as check.h documents them */
} kinds[KIND_MAX] = {
    [TOO_SHORT] = {"too_short", true, 0, 50}, /* points by how much */
    [PLACEHOLDER] = {"placeholder", false, 10, 30},
    [TIMESTAMP_ORDER] = {"timestamp_order", false, 3, 15},
    [TIMESTAMP_RANGE] = {"timestamp_range", false, 3, 15},
    [DESCRIPTION_MISSING] = {"description_missing", true, 10, 10},
    [TAGS_MISSING] = {"tags_missing", true, 10, 10},
    [TAGS_FEW] = {"tags_few", true, 3, 3},
    [POINT_MISSING] = {"point_missing", true, 8, 32},
    [DUPLICATE_SECTION] = {"duplicate_section", false, 5, 20},
    [REPEATED_PARAGRAPH] = {"repeated_paragraph", false, 5, 25},
    [FORBIDDEN_PHRASE] = {"forbidden_phrase", false, 5, 20},
    [PHRASE_MISSING] = {"phrase_missing", true, 5, 15},
    [CHUNK_UNEVEN] = {"chunk_uneven", false, 4, 12},
};

struct checker {
    const char *text;
    size_t n;
    const struct plan *plan;
    const json_t *all; /* the request's members, or NULL */
    const struct pipeline *pipeline;
    struct sections sections;
    struct report *report;
    size_t found[KIND_MAX];
};

int words_count(const char *text, size_t n)
{
    return section_words(text, n, NULL, NULL);
}

/* ---- findings ---- */

static int chunk_at(const struct plan *plan, int64_t at_s)
{
    for (int i = 1; i <= plan->chunks; i++) {
        int64_t from, to;
        plan_chunk_span(plan, i, &from, &to);
        if (at_s < to)
            return i;
    }
    return plan->chunks;
}

/* The chunk that an offset lies in, by the last section time before it; 0 = unknown. */
static int chunk_of(const struct checker *c, size_t offset)
{
    int64_t at_s = -1;
    for (size_t i = 0; i < c->sections.n && c->sections.items[i].start <= offset; i++)
        if (c->sections.items[i].at_s >= 0)
            at_s = c->sections.items[i].at_s;
    return at_s < 0 ? 0 : chunk_at(c->plan, at_s);
}

__attribute__((format(printf, 4, 5))) static void add(struct checker *c, enum kind kind, int chunk,
                                                      const char *fmt, ...)
{
    if (++c->found[kind] > CHECK_LISTED_MAX)
        return;
    struct report *r = c->report;
    if ((r->n & (r->n - 1)) == 0)
        r->items = mem_resize(r->items, (r->n == 0 ? 1 : r->n * 2) * sizeof(*r->items));
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    r->items[r->n++] = (struct finding){.code = kinds[kind].code,
                                        .detail = mem_strdup(detail),
                                        .gap = kinds[kind].gap,
                                        .chunk = chunk};
}

/* Says in the last listed finding of a kind how many more there were. */
static void count_unlisted(struct checker *c)
{
    for (size_t i = 0; i < c->report->n; i++) {
        struct finding *f = &c->report->items[i];
        bool last = i + 1 == c->report->n || strcmp(f[1].code, f->code) != 0;
        enum kind kind = TOO_SHORT;
        while (strcmp(kinds[kind].code, f->code) != 0)
            kind++;
        if (!last || c->found[kind] <= CHECK_LISTED_MAX)
            continue;
        char *detail =
            mem_printf("%s (and %zu more)", f->detail, c->found[kind] - CHECK_LISTED_MAX);
        free(f->detail);
        f->detail = detail;
    }
}

static int line_number(const struct checker *c, size_t offset)
{
    int line = 1;
    for (size_t i = 0; i < offset; i++)
        line += c->text[i] == '\n';
    return line;
}

/* ---- single checks, in the order of the findings ---- */

static void check_length(struct checker *c)
{
    int words = c->report->words, wanted = c->plan->words;
    if ((int64_t)words * 100 < (int64_t)wanted * 80)
        add(c, TOO_SHORT, 0, "%d of %d words (%d %%)", words, wanted,
            wanted > 0 ? (int)((int64_t)words * 100 / wanted) : 100);
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
}

struct placeholder {
    const char *text;
    bool word, exact; /* a whole word; in this case only */
};

static size_t placeholder_at(const struct checker *c, size_t i)
{
    static const struct placeholder list[] = {
        {"[insert", true, false},      {"[your", true, false},    {"[add", true, false},
        {"[placeholder", true, false}, {"[name", true, false},    {"[company", true, false},
        {"[brand", true, false},       {"[product", true, false}, {"[link", true, false},
        {"[url", true, false},         {"<insert", true, false},  {"{{", false, false},
        {"TODO", true, true},          {"TBD", true, true},       {"FIXME", true, true},
        {"XXX", true, true},           {"lorem", true, false},
    };
    char first = c->text[i];
    if (strchr("[<{TFXLl", first) == NULL || first == '\0')
        return 0;
    for (size_t k = 0; k < sizeof(list) / sizeof(list[0]); k++) {
        const struct placeholder *p = &list[k];
        size_t len = strlen(p->text);
        if (c->n - i < len || (p->exact ? strncmp(c->text + i, p->text, len)
                                        : strncasecmp(c->text + i, p->text, len)) != 0)
            continue;
        bool before = is_letter(first) && i > 0 && is_letter(c->text[i - 1]);
        bool after = i + len < c->n && is_letter(c->text[i + len]);
        if (!p->word || (!before && !after))
            return len;
    }
    return 0;
}

static void check_placeholders(struct checker *c)
{
    for (size_t i = 0; i < c->n; i++) {
        size_t len = placeholder_at(c, i);
        if (len == 0)
            continue;
        if (c->found[PLACEHOLDER] < CHECK_LISTED_MAX) {
            size_t shown = c->n - i < 40 ? c->n - i : 40;
            const char *newline = memchr(c->text + i, '\n', shown);
            shown = newline == NULL ? shown : (size_t)(newline - (c->text + i));
            while (shown > len && ((unsigned char)c->text[i + shown - 1] & 0x80u) != 0)
                shown--; /* not inside a character */
            add(c, PLACEHOLDER, chunk_of(c, i), "line %d: \"%.*s\"", line_number(c, i), (int)shown,
                c->text + i);
        } else {
            c->found[PLACEHOLDER]++;
        }
        i += len - 1;
    }
}

/* mm:ss, as the script has it. */
static const char *clock_text(int64_t seconds, char *out, size_t size)
{
    (void)snprintf(out, size, "%02" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
    return out;
}

static void check_times(struct checker *c)
{
    const char *line;
    size_t pos = 0, len;
    int64_t last = -1, at = 0;
    char a[32], b[32];
    for (int number = 1; pos < c->sections.spoken_end; number++) {
        (void)section_next_line(c->text, c->n, &pos, &line, &len);
        if (section_line_time(line, len, &at) == 0)
            continue;
        int chunk = chunk_at(c->plan, at);
        if (at < last)
            add(c, TIMESTAMP_ORDER, chunk, "line %d: %s after %s", number,
                clock_text(at, a, sizeof(a)), clock_text(last, b, sizeof(b)));
        if (at > c->plan->duration_s)
            add(c, TIMESTAMP_RANGE, chunk, "line %d: %s in a video of %s", number,
                clock_text(at, a, sizeof(a)), clock_text(c->plan->duration_s, b, sizeof(b)));
        last = at;
    }
}

static void check_description(struct checker *c)
{
    const struct section *s = sections_find(&c->sections, SECTION_DESCRIPTION);
    size_t i = s == NULL ? 0 : s->body;
    while (s != NULL && i < s->end && !is_letter(c->text[i]) && (c->text[i] & 0x80) == 0)
        i++;
    if (s == NULL || i == s->end)
        add(c, DESCRIPTION_MISSING, c->plan->chunks, "no text under ## Description");
}

static void check_tags(struct checker *c)
{
    const struct section *s = sections_find(&c->sections, SECTION_TAGS);
    size_t n = s == NULL ? 0 : tags_each(c->text + s->body, s->end - s->body, NULL, NULL);
    if (n == 0)
        add(c, TAGS_MISSING, c->plan->chunks, "no tags under ## Tags");
    else if (n < TAGS_MIN)
        add(c, TAGS_FEW, c->plan->chunks, "%zu tags, at least %d are wanted", n, TAGS_MIN);
}

static void check_points(struct checker *c)
{
    const json_t *points = json_object_get(c->all, "contentPoints"), *point;
    const char *titles[PHRASES_MAX];
    bool covered[PHRASES_MAX];
    size_t n = 0, i;
    json_array_foreach (points, i, point) {
        const char *title = json_string_value(json_object_get(point, "title"));
        if (title != NULL && *title != '\0' && n < PHRASES_MAX)
            titles[n++] = title;
    }
    if (n == 0)
        return;
    phrase_points(c->text, c->sections.spoken_end, titles, n, covered);
    for (i = 0; i < n; i++)
        if (!covered[i])
            add(c, POINT_MISSING, 0, "content point \"%.300s\" is not covered", titles[i]);
}

/* ---- repetitions ---- */

struct print {
    uint64_t hash;
    size_t offset;
};

struct prints {
    struct print *items;
    size_t n, cap;
};

static int by_hash(const void *a, const void *b)
{
    const struct print *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_offset(const void *a, const void *b)
{
    const struct print *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void prints_add(struct prints *p, uint64_t hash, size_t offset)
{
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->items = mem_resize(p->items, p->cap * sizeof(*p->items));
    }
    p->items[p->n++] = (struct print){hash, offset};
}

/* Leaves only those whose hash occurred before, in the order of the text. */
static void keep_repeated(struct prints *p)
{
    if (p->n == 0)
        return;
    qsort(p->items, p->n, sizeof(*p->items), by_hash);
    size_t kept = 0;
    uint64_t before = p->items[0].hash;
    for (size_t i = 1; i < p->n; i++) {
        struct print item = p->items[i];
        if (item.hash == before)
            p->items[kept++] = item;
        before = item.hash;
    }
    p->n = kept;
    qsort(p->items, p->n, sizeof(*p->items), by_offset);
}

static void report_repeated(struct checker *c, struct prints *p, enum kind kind, const char *what)
{
    keep_repeated(p);
    for (size_t i = 0; i < p->n; i++) {
        if (c->found[kind] >= CHECK_LISTED_MAX) {
            c->found[kind] += p->n - i;
            break;
        }
        size_t at = p->items[i].offset;
        const char *newline = memchr(c->text + at, '\n', c->n - at);
        size_t len = newline == NULL ? c->n - at : (size_t)(newline - (c->text + at));
        bool cut = len > 60;
        for (len = cut ? 60 : len; cut && len > 0 && (c->text[at + len] & 0xC0) == 0x80;)
            len--;
        add(c, kind, chunk_of(c, at), "line %d repeats an earlier %s: \"%.*s%s\"",
            line_number(c, at), what, (int)len, c->text + at, cut ? "..." : "");
    }
    free(p->items);
}

static void check_sections(struct checker *c)
{
    struct prints p = {0};
    for (size_t i = 0; i < c->sections.n; i++) {
        const struct section *s = &c->sections.items[i];
        if (s->title_len > 0)
            prints_add(&p, section_fingerprint(s->title, s->title_len), s->start);
    }
    report_repeated(c, &p, DUPLICATE_SECTION, "section title");
}

/* Paragraphs are blocks of lines between empty lines and headings. */
static void check_paragraphs(struct checker *c)
{
    struct prints p = {0};
    const char *line;
    size_t pos = 0, at = 0, len, start = 0;
    bool inside = false;
    for (bool more = true; more; at = pos) {
        more = section_next_line(c->text, c->sections.spoken_end, &pos, &line, &len);
        bool text = more && len > 0 && line[0] != '#';
        if (text && !inside)
            start = at;
        if (!text && inside && words_count(c->text + start, at - start) >= PARAGRAPH_WORDS_MIN)
            prints_add(&p, section_fingerprint(c->text + start, at - start), start);
        inside = text;
    }
    report_repeated(c, &p, REPEATED_PARAGRAPH, "paragraph");
}

/* ---- phrases and balance ---- */

static void check_forbidden(struct checker *c, const struct phrase_text *t, const char *phrase)
{
    size_t n = phrase_count(t, phrase);
    if (n > 0)
        add(c, FORBIDDEN_PHRASE, 0, "\"%.300s\" occurs %zu time%s", phrase, n, n == 1 ? "" : "s");
}

static void check_phrases(struct checker *c)
{
    struct phrase_text t = phrase_text_make(c->text, c->n);
    size_t i;
    const json_t *item, *list = json_object_get(c->all, "mustAvoid");
    for (i = 0; i < c->pipeline->forbidden.n && i < PHRASES_MAX; i++)
        check_forbidden(c, &t, c->pipeline->forbidden.items[i]);
    for (i = 0; i < json_array_size(list) && i < PHRASES_MAX; i++)
        if (json_is_string(item = json_array_get(list, i)))
            check_forbidden(c, &t, json_string_value(item));
    list = json_object_get(c->all, "mustInclude");
    for (i = 0; i < json_array_size(list) && i < PHRASES_MAX; i++) {
        item = json_array_get(list, i);
        if (json_string_length(item) > 0 && phrase_count(&t, json_string_value(item)) == 0)
            add(c, PHRASE_MISSING, 0, "\"%.300s\" does not occur", json_string_value(item));
    }
    phrase_text_free(&t);
}

bool check_chunk_words(const char *text, size_t n, const struct plan *plan,
                       int ret_words[PLAN_CHUNKS_MAX + 1])
{
    struct sections sections;
    bool timed = false;
    int chunk = 1;
    memset(ret_words, 0, (PLAN_CHUNKS_MAX + 1) * sizeof(*ret_words));
    sections_scan(text, n, &sections);
    for (size_t i = 0; i < sections.n && sections.items[i].kind == SECTION_SPOKEN; i++) {
        const struct section *s = &sections.items[i];
        if (s->at_s >= 0) {
            chunk = chunk_at(plan, s->at_s);
            timed = true;
        }
        ret_words[chunk] += words_count(text + s->body, s->end - s->body);
    }
    sections_free(&sections);
    return timed;
}

static void check_balance(struct checker *c)
{
    int words[PLAN_CHUNKS_MAX + 1], total = 0, n = c->plan->chunks;
    if (n < 2 || !check_chunk_words(c->text, c->n, c->plan, words))
        return;
    for (int i = 1; i <= n; i++)
        total += words[i];
    for (int i = 1; i <= n; i++) {
        int64_t share = (int64_t)words[i] * n * 100;
        if (share < (int64_t)total * 50 || share > (int64_t)total * 150)
            add(c, CHUNK_UNEVEN, i, "chunk %d has %d words, the average is %d", i, words[i],
                total / n);
    }
}

static int score_of(const struct checker *c)
{
    int score = 100;
    int64_t words = c->report->words, wanted = c->plan->words;
    if (words == 0)
        return 0;
    for (int k = 0; k < KIND_MAX; k++) {
        int64_t lost = (int64_t)c->found[k] * kinds[k].points;
        if (k == TOO_SHORT && c->found[k] > 0)
            lost = (wanted - words) * 50 / wanted;
        score -= (int)(lost < kinds[k].limit ? lost : kinds[k].limit);
    }
    return score < 0 ? 0 : score;
}

void check_script(const char *text, size_t n, const struct plan *plan, const struct params *params,
                  const struct pipeline *pipeline, struct report *ret_report)
{
    struct report r = {.words = words_count(text, n)};
    struct checker c = {
        .text = text, .n = n, .plan = plan, .all = params->all, .pipeline = pipeline, .report = &r};
    sections_scan(text, n, &c.sections);
    check_length(&c);
    check_placeholders(&c);
    check_times(&c);
    check_description(&c);
    check_tags(&c);
    check_points(&c);
    check_sections(&c);
    check_paragraphs(&c);
    check_phrases(&c);
    check_balance(&c);
    r.score = score_of(&c);
    count_unlisted(&c);
    sections_free(&c.sections);
    *ret_report = r;
}

void report_free(struct report *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->items[i].detail);
    free(r->items);
    *r = (struct report){0};
}

bool report_has_gap(const struct report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].gap)
            return true;
    return false;
}
