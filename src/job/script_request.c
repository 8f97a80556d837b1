/* In: where a script stands. Out: what the next call asks for: its span and words, the points,
 * phrases and sponsor that belong to it, and the block that says so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/join.h"
#include "job/outline.h"
#include "job/phrase.h"
#include "job/script_impl.h"
#include "job/section.h"
#include "job/tags.h"

#define AFTER_WORDS     25 /* of a cut text, in the request block */
#define WORDS_LEFT_MIN  40
#define SPONSOR_SECONDS 45
#define TITLES_MAX      5

bool script_is_chunk(const struct script *s)
{
    return s->stage == STAGE_CHUNK || s->stage == STAGE_AGAIN;
}

/* The request of the step's first call. */
static struct request base_request(const struct script *s)
{
    struct request r = {.chunks = s->plan.chunks,
                        .to_s = s->plan.duration_s,
                        .words = s->plan.words,
                        .kind = s->stage == STAGE_REPAIR ? "repair" : "outline"};
    if (script_is_chunk(s)) {
        r.kind = "chunk";
        r.chunk = s->chunk;
        r.words = s->plan.chunk_words;
        r.first = s->chunk == 1;
        r.last = s->chunk == s->plan.chunks;
        r.tags = r.last ? TAGS_MIN : 0;
        plan_chunk_span(&s->plan, s->chunk, &r.from_s, &r.to_s);
    } else if (s->stage == STAGE_EXPAND) {
        struct gaps g = script_gaps(s);
        r.kind = "expand";
        r.words = g.words;
        r.tags = g.tags ? TAGS_MIN : 0;
        r.from_s = g.from_s;
        r.to_s = g.to_s;
    }
    return r;
}

/* The same for the rest of a cut text: fewer words, later, without what is there already. */
static struct request rest_of(const struct script *s, struct request r)
{
    const char *text = buf_str(&s->text_of_step);
    size_t n = s->text_of_step.len;
    struct sections sections;
    sections_scan(text, n, &sections);
    int written = words_count(text, n);
    int64_t span_s = r.to_s - r.from_s, from_s = r.from_s;
    r.kind = "continue";
    r.first = false;
    if (r.words > 0 && written < r.words) /* as far along as the words are */
        from_s += span_s * written / r.words;
    r.words = r.words - written < WORDS_LEFT_MIN ? WORDS_LEFT_MIN : r.words - written;
    for (size_t i = 0; i < sections.n; i++)
        if (sections.items[i].at_s > from_s && sections.items[i].at_s < r.to_s)
            from_s = sections.items[i].at_s;
    r.from_s = from_s;
    if (sections.spoken_end < n) { /* only the description or the tags are left */
        r.words = 0;
        r.last = false;
        r.tags = sections_find(&sections, SECTION_TAGS) != NULL ? 0 : r.tags;
    }
    sections_free(&sections);
    return r;
}

struct request script_request(const struct script *s)
{
    struct request r = base_request(s);
    return s->part > 0 && s->text_of_step.len > 0 ? rest_of(s, r) : r;
}

/* ---- content points, sponsor, phrases ---- */

static bool point_is_asked(const struct script *s, size_t i, size_t n, const char *title,
                           const bool *covered)
{
    if (covered != NULL && covered[i])
        return false;
    if (!script_is_chunk(s))
        return true;
    if (s->outline != NULL)
        return outline_has_point(s->outline, s->chunk, title);
    return i * (size_t)s->plan.chunks / n == (size_t)s->chunk - 1;
}

/* Which points are covered already, where only the others are asked for. */
static bool covered_points(const struct script *s, const json_t *points, bool *ret_covered)
{
    const char *titles[PHRASES_MAX], *text = NULL;
    size_t n = json_array_size(points);
    if (s->part > 0)
        text = buf_str(&s->text_of_step);
    if (s->stage == STAGE_EXPAND && s->part == 0)
        text = s->text;
    if (text == NULL || n > PHRASES_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        titles[i] = json_str(json_array_get(points, i), "title");
    phrase_points(text, strlen(text), titles, n, ret_covered);
    if (s->stage == STAGE_EXPAND && s->part > 0) { /* of those the expansion was asked for */
        bool before[PHRASES_MAX];
        phrase_points(s->text, strlen(s->text), titles, n, before);
        for (size_t i = 0; i < n; i++)
            ret_covered[i] = ret_covered[i] || before[i];
    }
    return true;
}

/* The points of this call, as objects for the template. Owned. */
json_t *script_asked_points(const struct script *s)
{
    const json_t *all = json_object_get(s->values, "all_points"), *point;
    bool covered[PHRASES_MAX];
    bool known = covered_points(s, all, covered);
    json_t *out = json_array();
    size_t i, n = json_array_size(all);
    json_array_foreach (all, i, point) {
        if (point_is_asked(s, i, n, json_str(point, "title"), known ? covered : NULL))
            json_array_append(out, (json_t *)(uintptr_t)point);
    }
    return out;
}

/* "intro", "after the hook", "mid-roll", "end", "03:30" ...; the middle when nothing is said. */
static int sponsor_chunk(const struct script *s, const json_t *sponsor)
{
    static const char *const early[] = {"intro", "start", "begin", "pre", "open", "hook", "first"};
    static const char *const late[] = {"end", "outro", "post", "clos", "last", "conclu"};
    const char *where = json_str(sponsor, "placement");
    int chunks = s->plan.chunks;
    int64_t at_s, from_s, to_s;
    if (where == NULL)
        return (chunks + 1) / 2;
    if (section_time(where, strlen(where), &at_s) > 0) {
        for (int i = 1; i <= chunks; i++) {
            plan_chunk_span(&s->plan, i, &from_s, &to_s);
            if (at_s < to_s)
                return i;
        }
        return chunks;
    }
    for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++)
        if (strcasestr(where, early[i]) != NULL)
            return 1;
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
        if (strcasestr(where, late[i]) != NULL)
            return chunks;
    return (chunks + 1) / 2;
}

const json_t *script_sponsor_here(const struct script *s)
{
    const json_t *sponsor = json_obj(s->params.all, "sponsor");
    const char *name = json_str(sponsor, "name");
    bool here = script_is_chunk(s) && name != NULL && *name != '\0' &&
                sponsor_chunk(s, sponsor) == s->chunk;
    if (here && s->part > 0 && strcasestr(buf_str(&s->text_of_step), name) != NULL)
        return NULL; /* said before the text was cut */
    return here ? sponsor : NULL;
}

static void put_sponsor(const struct script *s, struct buf *out)
{
    const json_t *sponsor = script_sponsor_here(s);
    if (sponsor == NULL)
        return;
    char attribute[48];
    int64_t seconds = json_int(sponsor, "duration", 0);
    (void)snprintf(attribute, sizeof(attribute), " seconds=\"%" PRId64 "\"",
                   seconds > 0 ? seconds : SPONSOR_SECONDS);
    request_element(out, "sponsor", attribute, json_str(sponsor, "name"));
}

/* Phrases that must occur: shared out over the chunks; an expansion gets what is still missing. */
json_t *script_asked_phrases(const struct script *s)
{
    const json_t *all = json_arr(s->params.all, "mustInclude"), *item;
    json_t *out = json_array();
    size_t i, n = json_array_size(all);
    struct phrase_text text = {0};
    if (s->stage == STAGE_EXPAND || s->part > 0) {
        const char *base = s->part > 0 ? buf_str(&s->text_of_step) : s->text;
        text = phrase_text_make(base, strlen(base));
    }
    json_array_foreach (all, i, item) {
        if (!json_is_string(item) || i >= PHRASES_MAX ||
            (text.norm != NULL && phrase_count(&text, json_string_value(item)) > 0))
            continue;
        if (!script_is_chunk(s) || i * (size_t)s->plan.chunks / n == (size_t)s->chunk - 1)
            json_array_append(out, (json_t *)(uintptr_t)item);
    }
    phrase_text_free(&text);
    return out;
}

/* ---- the request block ---- */

static void put_gaps(const struct script *s, struct buf *out)
{
    for (size_t i = 0; s->stage == STAGE_EXPAND && i < s->report.n; i++) {
        const struct finding *f = &s->report.items[i];
        if (!f->gap)
            continue;
        char *text = mem_printf("%s: %s", f->code, f->detail);
        request_element(out, "missing", NULL, text);
        free(text);
    }
}

static void put_texts(struct buf *out, const char *name, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (i < PHRASES_MAX)
            request_element(out, name, NULL, json_string_value(item));
    }
}

int script_asked_titles(const struct script *s, const struct request *r)
{
    int n = s->params.variants < TITLES_MAX ? s->params.variants : TITLES_MAX;
    return script_is_chunk(s) && r->last && n > 1 ? n : 0;
}

char *script_request_text(const struct script *s, const struct request *r, const json_t *points,
                          const json_t *phrases)
{
    struct buf out = BUF_INIT(SCRIPT_PROMPT_MAX);
    const json_t *all = s->params.all, *point;
    char titles[16];
    size_t i;
    request_open(&out, r);
    request_element(&out, "topic", NULL, s->params.topic);
    request_element(&out, "title", NULL, s->params.title);
    if (s->stage == STAGE_OUTLINE || s->stage == STAGE_REPAIR)
        request_chunks(&out, &s->plan);
    json_array_foreach (points, i, point) {
        request_element(&out, "point", NULL, json_str(point, "title"));
    }
    request_element(&out, "hook", NULL, r->first ? json_str(all, "hook") : NULL);
    request_element(&out, "cta", NULL, r->last ? json_str(all, "cta") : NULL);
    put_sponsor(s, &out);
    put_texts(&out, "include", phrases);
    put_texts(&out, "avoid", json_arr(s->values, "avoid"));
    (void)snprintf(titles, sizeof(titles), "%d", script_asked_titles(s, r));
    request_element(&out, "titles", NULL, script_asked_titles(s, r) > 0 ? titles : NULL);
    put_gaps(s, &out);
    if (s->part > 0)
        request_element(&out, "after", NULL,
                        buf_str(&s->text_of_step) +
                            join_tail(buf_str(&s->text_of_step), s->text_of_step.len, AFTER_WORDS));
    request_close(&out);
    return buf_take(&out);
}
