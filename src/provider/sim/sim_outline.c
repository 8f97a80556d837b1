/* In: an ask, a schema, or any prompt. Out: an outline as JSON, a value that fits the schema, or a
 * short answer. */
#include "provider/sim/sim_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "provider/sim/sim_words.h"

#define PHRASE_MAX ((size_t)1 << 16)

static char *phrase(struct words *w, enum words_role role)
{
    struct buf s = BUF_INIT(PHRASE_MAX);
    words_say(w, role, &s);
    return buf_take(&s);
}

static void set_phrase(json_t *object, const char *key, struct words *w, enum words_role role)
{
    char *s = phrase(w, role);
    json_object_set_new(object, key, json_string(s));
    free(s);
}

static json_t *time_text(int s)
{
    return json_sprintf("%02d:%02d", s / 60, s % 60);
}

/* `detail`: 2 = everything, 1 = one key point, 0 = the least that is an outline. */
static json_t *outline_section(struct words *w, const char *title, int at_s, int seconds,
                               int detail)
{
    json_t *section = json_object(), *points = json_array();
    words_title(w, title);
    json_object_set_new(section, "timestamp", time_text(at_s));
    json_object_set_new(section, "title", json_string(title));
    json_object_set_new(section, "duration", json_integer(seconds));
    set_phrase(section, "content", w, detail > 0 ? WORDS_CLAIM : WORDS_SHORT);
    for (int i = 0; i < detail; i++) {
        char *s = phrase(w, WORDS_POINT);
        json_array_append_new(points, json_string(s));
        free(s);
    }
    json_object_set_new(section, "keyPoints", points);
    if (detail > 0)
        set_phrase(section, "visualCues", w, WORDS_VISUAL);
    else
        json_object_set_new(section, "visualCues", json_string("Presenter to camera"));
    return section;
}

/* Chunk i (from 0) with its share of the points, and at least two sections. */
static json_t *outline_chunk(const struct ask *a, struct words *w, size_t i, int detail)
{
    const struct ask_span *span = &a->spans[i];
    size_t lo = i * a->points.n / a->n_spans, hi = (i + 1) * a->points.n / a->n_spans;
    size_t n = hi - lo < 2 ? 2 : hi - lo;
    int seconds = (span->to_s - span->from_s) / (int)n;
    json_t *chunk = json_object(), *sections = json_array();
    struct buf title = BUF_INIT(256);
    for (size_t k = 0; k < n; k++) {
        buf_clear(&title);
        if (lo + k >= hi)
            words_heading(w, (uint32_t)(i * 2 + k), &title);
        const char *name = lo + k < hi ? a->points.items[lo + k] : buf_str(&title);
        json_array_append_new(
            sections, outline_section(w, name, span->from_s + (int)k * seconds, seconds, detail));
    }
    json_object_set_new(chunk, "chunkNumber", json_integer((json_int_t)i + 1));
    json_object_set_new(chunk, "timeRange",
                        json_sprintf("%02d:%02d-%02d:%02d", span->from_s / 60, span->from_s % 60,
                                     span->to_s / 60, span->to_s % 60));
    buf_clear(&title);
    words_heading(w, 300 + (uint32_t)i, &title);
    json_object_set_new(chunk, "theme", json_string(buf_str(&title)));
    json_object_set_new(chunk, "sections", sections);
    set_phrase(chunk, "transitionToNext", w, i + 1 < a->n_spans ? WORDS_SHORT : WORDS_ENDING);
    buf_free(&title);
    return chunk;
}

static char *outline_text(const struct ask *a, uint64_t seed, int detail)
{
    const char *topic = a->topic ? a->topic : "this subject";
    struct words *w = words_new(seed, topic);
    json_t *outline = json_object(), *chunks = json_array(), *takeaways = json_array();
    json_object_set_new(outline, "title", json_string(topic));
    int end_s = a->n_spans > 0 ? a->spans[a->n_spans - 1].to_s : a->to_s;
    json_object_set_new(outline, "totalMinutes", json_integer((end_s + 59) / 60));
    set_phrase(outline, "overview", w, WORDS_DESCRIBE);
    for (size_t i = 0; i < a->n_spans; i++)
        json_array_append_new(chunks, outline_chunk(a, w, i, detail));
    json_object_set_new(outline, "chunks", chunks);
    for (int i = 0; i <= detail; i++) {
        char *s = phrase(w, WORDS_ADVICE);
        json_array_append_new(takeaways, json_string(s));
        free(s);
    }
    json_object_set_new(outline, "keyTakeaways", takeaways);
    char *text = json_text(outline);
    json_decref(outline);
    words_free(w);
    return text;
}

void text_put_outline(const struct ask *a, uint64_t seed, size_t max_bytes, struct buf *out)
{
    for (int detail = 2; detail >= 0; detail--) {
        char *text = outline_text(a, seed, detail);
        bool fits = strlen(text) <= max_bytes;
        if (fits || detail == 0)
            buf_puts(out, text);
        free(text);
        if (fits)
            break;
    }
}

char *text_topic(const char *prompt, size_t n)
{
    enum { TOPIC_WORDS = 8, TOPIC_BYTES = 80 };
    struct buf s = BUF_INIT((size_t)TOPIC_BYTES * 2);
    int words = 0;
    for (size_t i = 0; i < n && words < TOPIC_WORDS && s.len < TOPIC_BYTES; i++) {
        unsigned char ch = (unsigned char)prompt[i];
        bool space = isspace(ch) || iscntrl(ch);
        if (space && s.len > 0 && s.data[s.len - 1] != ' ') {
            words++;
            buf_put(&s, " ", 1);
        } else if (!space && strchr("\"{}[]<>", ch) == NULL) {
            buf_put(&s, prompt + i, 1);
        }
    }
    /* No half character at the end, and no full stop in the middle of our sentences. */
    while (s.len > 0 && ((unsigned char)s.data[s.len - 1] >= 0x80 ||
                         strchr(" .!?,;:", s.data[s.len - 1]) != NULL))
        s.data[--s.len] = '\0';
    if (s.len == 0)
        buf_puts(&s, "this");
    return buf_take(&s);
}

void text_put_reply(const char *prompt, size_t n, uint64_t seed, struct buf *out)
{
    static const enum words_role roles[] = {WORDS_CLAIM, WORDS_REASON, WORDS_CASE,  WORDS_ROLE_MAX,
                                            WORDS_TURN,  WORDS_REASON, WORDS_ADVICE};
    char *topic = text_topic(prompt, n);
    struct words *w = words_new(seed, "this question");
    buf_putf(out, "You asked about this: %s.", topic);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i] == WORDS_ROLE_MAX) {
            buf_puts(out, "\n\n");
            continue;
        }
        if (out->data[out->len - 1] != '\n')
            buf_puts(out, " ");
        words_say(w, roles[i], out);
    }
    words_free(w);
    free(topic);
}

/* What a schema says, following local references. */
static const json_t *schema_resolve(const json_t *root, const json_t *schema)
{
    for (int hops = 0; hops < 8; hops++) {
        const char *ref = json_str(schema, "$ref");
        if (ref == NULL)
            return schema;
        const json_t *defs = NULL;
        const char *name = strrchr(ref, '/');
        if (strncmp(ref, "#/$defs/", 8) == 0)
            defs = json_obj(root, "$defs");
        else if (strncmp(ref, "#/definitions/", 14) == 0)
            defs = json_obj(root, "definitions");
        schema = defs != NULL && name != NULL ? json_object_get(defs, name + 1) : NULL;
    }
    return schema;
}

static json_t *schema_value(const json_t *root, const json_t *schema, struct words *w, int depth);

static json_t *schema_object(const json_t *root, const json_t *schema, struct words *w, int depth)
{
    json_t *object = json_object();
    json_t *properties = json_obj(schema, "properties");
    const char *key;
    json_t *member;
    json_object_foreach (properties, key, member) {
        json_object_set_new(object, key, schema_value(root, member, w, depth + 1));
    }
    return object;
}

static json_t *schema_array(const json_t *root, const json_t *schema, struct words *w, int depth)
{
    json_t *array = json_array();
    int64_t n = json_int(schema, "minItems", 2);
    for (int64_t i = 0; i < n && i < 16; i++)
        json_array_append_new(array,
                              schema_value(root, json_object_get(schema, "items"), w, depth + 1));
    return array;
}

static json_t *schema_value(const json_t *root, const json_t *schema, struct words *w, int depth)
{
    schema = schema_resolve(root, schema);
    if (schema == NULL || depth > 16)
        return json_null();
    json_t *one = json_object_get(schema, "const");
    if (one == NULL)
        one = json_array_get(json_arr(schema, "enum"), 0);
    if (one != NULL)
        return json_deep_copy(one);
    json_t *any = json_arr(schema, "anyOf");
    if (any != NULL)
        return schema_value(root, json_array_get(any, 0), w, depth + 1);
    const char *type = json_str(schema, "type");
    if (type == NULL) /* a list of types: the first */
        type = json_string_value(json_array_get(json_arr(schema, "type"), 0));
    if (type == NULL || strcmp(type, "object") == 0)
        return schema_object(root, schema, w, depth);
    if (strcmp(type, "array") == 0)
        return schema_array(root, schema, w, depth);
    if (strcmp(type, "integer") == 0)
        return json_integer((json_int_t)json_int(schema, "minimum", rng_below(words_rng(w), 100)));
    if (strcmp(type, "number") == 0)
        return json_real(json_num(schema, "minimum", rng_below(words_rng(w), 1000) / 10.0));
    if (strcmp(type, "boolean") == 0)
        return json_boolean(rng_below(words_rng(w), 2));
    if (strcmp(type, "string") != 0)
        return json_null();
    char *s = phrase(w, WORDS_POINT);
    json_t *value = json_string(s);
    free(s);
    return value;
}

void text_put_schema(const json_t *schema, const char *prompt, size_t n, uint64_t seed,
                     struct buf *out)
{
    char *topic = text_topic(prompt, n);
    struct words *w = words_new(seed, topic);
    json_t *value = schema_value(schema, schema, w, 0);
    char *text = json_text(value);
    buf_puts(out, text);
    free(text);
    json_decref(value);
    words_free(w);
    free(topic);
}
