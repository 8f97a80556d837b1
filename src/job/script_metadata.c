/* In: a finished script and the record of its calls. Out: script_metadata, as JSON text. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/join.h"
#include "job/script_impl.h"
#include "job/section.h"
#include "job/tags.h"

#define HOOK_BYTES_MAX 400u
#define LISTED_MAX     12u /* titles, hooks, models */

/* ---- what the script says of itself ---- */

static size_t skip_marks(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \t-*_>#\"", p[i]) != NULL && p[i] != '\0')
        i++;
    size_t k = i;
    while (k < n && p[k] >= '0' && p[k] <= '9')
        k++;
    if (k == i || n - k < 2 || p[k] != '.' || p[k + 1] != ' ')
        return i;
    return k + 2 + skip_marks(p + k + 2, n - k - 2); /* "1. ..." */
}

/* The first spoken line, up to its first sentences; NULL when nothing is spoken. */
static json_t *first_line(const char *text, size_t n)
{
    const char *line;
    size_t pos = 0, len;
    while (section_next_line(text, n, &pos, &line, &len)) {
        if (words_count(line, len) == 0)
            continue;
        if (len > HOOK_BYTES_MAX) {
            size_t kept = join_full_sentences(line, HOOK_BYTES_MAX);
            for (len = kept > 0 ? kept : HOOK_BYTES_MAX; (line[len] & 0xC0) == 0x80;)
                len--;
        }
        return json_stringn(line, len);
    }
    return NULL;
}

static json_t *text_of(const char *text, const struct section *s)
{
    size_t from = s == NULL ? 0 : s->body, to = s == NULL ? 0 : s->end;
    while (to > from && strchr(" \t\r\n", text[to - 1]) != NULL)
        to--;
    while (from < to && strchr(" \t\r\n", text[from]) != NULL)
        from++;
    json_t *value = json_stringn(text + from, to - from);
    return value != NULL ? value : json_string(""); /* not UTF-8 */
}

static void append_tag(void *ctx, const char *tag, size_t n)
{
    json_t *text = json_stringn(tag, n);
    if (text != NULL)
        json_array_append_new(ctx, text);
}

static json_t *tags_of(const char *text, const struct section *s)
{
    json_t *tags = json_array();
    if (s != NULL)
        (void)tags_each(text + s->body, s->end - s->body, append_tag, tags);
    return tags;
}

/* Takes `text`, which may be NULL. */
static void append_distinct(json_t *list, json_t *text)
{
    size_t i;
    const json_t *known;
    bool wanted = text != NULL && json_array_size(list) < LISTED_MAX;
    json_array_foreach (list, i, known) {
        wanted = wanted && !json_equal(known, text);
    }
    if (wanted)
        json_array_append(list, text);
    json_decref(text);
}

static void append_title(json_t *titles, const char *title, size_t n)
{
    while (n > 0 && strchr(" \t\r\"*", title[n - 1]) != NULL)
        n--;
    size_t skip = skip_marks(title, n);
    append_distinct(titles, n > skip ? json_stringn(title + skip, n - skip) : NULL);
}

/* "- A title | an opening line for it" per line. */
static void read_variants(const char *text, const struct section *s, json_t *titles, json_t *hooks)
{
    const char *line;
    size_t pos = s->body, len;
    while (pos < s->end && section_next_line(text, s->end, &pos, &line, &len)) {
        const char *bar = memchr(line, '|', len);
        size_t title = bar == NULL ? len : (size_t)(bar - line);
        append_title(titles, line, title);
        if (bar != NULL)
            append_title(hooks, bar + 1, len - title - 1);
    }
}

void script_save(struct script *s)
{
    struct sections sections;
    size_t n = strlen(s->text);
    sections_scan(s->text, n, &sections);
    const struct section *titles = sections_find(&sections, SECTION_TITLES);
    s->titles = json_array();
    s->hooks = json_array();
    if (s->params.title != NULL)
        append_title(s->titles, s->params.title, strlen(s->params.title));
    if (sections.n > 0 && sections.items[0].level == 1 && sections.items[0].at_s < 0)
        append_title(s->titles, sections.items[0].title, sections.items[0].title_len);
    if (titles != NULL) {
        read_variants(s->text, titles, s->titles, s->hooks);
        memmove(s->text + titles->start, s->text + titles->end, n - titles->end + 1);
    }
    if (json_array_size(s->titles) == 0)
        append_title(s->titles, s->params.topic, strlen(s->params.topic));
    sections_free(&sections);
}

/* ---- numbers ---- */

static int64_t characters(const char *text)
{
    int64_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0u) != 0x80u;
    return n;
}

static json_t *usage_json(const struct usage *u)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "input", u->input, "output", u->output, "cacheRead",
                     u->cache_read, "cacheWrite", u->cache_write_5m + u->cache_write_1h);
}

static json_t *dollars(int64_t udollar)
{
    return json_real((double)udollar / 1e6);
}

static json_t *step_json(const struct journal_entry *e)
{
    char start[CLOCK_ISO_SIZE], end[CLOCK_ISO_SIZE];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:o, s:o}", "step", e->key, "model", e->model,
                     "stop", stop_reason_name(e->stop), "startedAt",
                     clock_iso(e->started_us, start), "endedAt", clock_iso(e->ended_us, end),
                     "seconds", (double)(e->ended_us - e->started_us) / 1e6, "usage",
                     usage_json(&e->usage), "costUsd", dollars(e->cost_udollar));
}

static json_t *quality_json(const struct report *r)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < r->n; i++) {
        json_t *detail = json_string(r->items[i].detail);
        json_array_append_new(findings, json_pack("{s:s, s:o}", "code", r->items[i].code, "detail",
                                                  detail != NULL ? detail : json_string("")));
    }
    return json_pack("{s:i, s:o}", "score", r->score, "findings", findings);
}

/* ---- all of it ---- */

static void put_calls(const struct script *s, json_t *m)
{
    struct usage sum = {0};
    json_t *models = json_array(), *steps = json_array();
    for (size_t i = 0; i < s->n_journal; i++) {
        const struct journal_entry *e = &s->journal[i];
        usage_add(&sum, &e->usage);
        append_distinct(models, json_string(e->model));
        json_array_append_new(steps, step_json(e));
    }
    const char *first = json_string_value(json_array_get(models, 0));
    json_object_set_new(m, "model", json_string(first != NULL ? first : script_model(s)->id));
    json_object_set_new(m, "models", models);
    json_object_set_new(m, "usage", usage_json(&sum));
    json_object_set_new(m, "steps", steps);
}

static void put_text(const struct script *s, json_t *m)
{
    const char *text = script_text(s), *hook = json_str(s->params.all, "hook");
    size_t n = strlen(text);
    struct sections sections;
    sections_scan(text, n, &sections);
    json_t *spoken = hook != NULL ? json_string(hook) : first_line(text, sections.spoken_end);
    int words = words_count(text, n);
    json_object_set_new(m, "words", json_integer(words));
    json_object_set_new(m, "length", json_integer(characters(text)));
    json_object_set_new(m, "characters", json_integer(characters(text)));
    json_object_set_new(m, "targetDuration", json_integer(s->plan.duration_s));
    json_object_set_new(
        m, "estimatedDuration",
        json_integer(((int64_t)words * 60 + s->pipeline->wpm / 2) / s->pipeline->wpm));
    json_object_set_new(m, "chunks", json_integer(s->plan.chunks));
    json_object_set_new(m, "hook", spoken != NULL ? spoken : json_string(""));
    json_object_set_new(m, "description",
                        text_of(text, sections_find(&sections, SECTION_DESCRIPTION)));
    json_object_set_new(m, "tags", tags_of(text, sections_find(&sections, SECTION_TAGS)));
    json_object_set_new(m, "titles", s->titles != NULL ? json_incref(s->titles) : json_array());
    if (json_array_size(s->hooks) > 0)
        json_object_set(m, "hooks", s->hooks);
    sections_free(&sections);
}

const char *script_metadata(struct script *s, int attempts, int64_t spent_udollar)
{
    json_t *m = json_object();
    put_text(s, m);
    put_calls(s, m);
    json_object_set_new(m, "costUsd", dollars(spent_udollar));
    if (!s->params.outline_only)
        json_object_set_new(m, "quality", quality_json(&s->report));
    if (s->params.outline_only && s->outline != NULL)
        json_object_set(m, "outline", s->outline);
    json_object_set_new(m, "pipeline", json_string(s->pipeline->name));
    json_object_set_new(m, "pipelineVersion", json_string(s->pipeline->version));
    if (s->pipeline->deployment >= 0)
        json_object_set_new(m, "deployment", json_integer(s->pipeline->deployment));
    json_object_set_new(m, "attempts", json_integer(attempts));
    if (s->notes.len > 0) {
        json_t *notes = json_stringn(s->notes.data, s->notes.len);
        json_object_set_new(m, "notes", notes != NULL ? notes : json_string(""));
    }
    free(s->metadata);
    s->metadata = json_text(m);
    json_decref(m);
    return s->metadata;
}
