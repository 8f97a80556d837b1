/* In: the canonical request. Out: what the templates of a script see of it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/research.h"
#include "job/script_impl.h"

#define DESCRIBE_DEPTH_MAX 4
#define POINTS_MAX         200u

/* ---- objects as lines for a reader ---- */

static void put_key(struct buf *out, const char *key)
{
    for (const char *p = key; *p != '\0'; p++) {
        bool upper = *p >= 'A' && *p <= 'Z';
        if (upper && p > key && p[-1] >= 'a' && p[-1] <= 'z')
            buf_putf(out, " %c", *p - 'A' + 'a');
        else
            buf_putf(out, "%c", *p == '_' ? ' ' : *p);
    }
}

/* Text as it is, lists with semicolons, objects as "key: value". */
static void put_value(struct buf *out, const json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t i, n = 0;
    if (depth > DESCRIBE_DEPTH_MAX || json_is_null(value))
        return;
    if (json_is_string(value)) {
        buf_puts(out, json_string_value(value));
    } else if (json_is_array(value)) {
        json_array_foreach (value, i, member) {
            buf_puts(out, i > 0 ? "; " : "");
            put_value(out, member, depth + 1);
        }
    } else if (json_is_object(value)) {
        json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
            buf_puts(out, n++ > 0 ? ", " : "");
            put_key(out, key);
            buf_puts(out, ": ");
            put_value(out, member, depth + 1);
        }
    } else {
        char *text = json_text(value);
        buf_puts(out, text);
        free(text);
    }
}

static bool is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* Text stays text; an object becomes one line per member that says something. NULL when empty. */
static json_t *describe(const json_t *value)
{
    if (is_empty(value))
        return NULL;
    struct buf out = BUF_INIT(4 * PARAMS_SIZE_MAX);
    const char *key;
    json_t *member;
    if (json_is_object(value)) {
        json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
            if (is_empty(member))
                continue;
            buf_puts(&out, out.len > 0 ? "\n- " : "- ");
            put_key(&out, key);
            buf_puts(&out, ": ");
            put_value(&out, member, 1);
        }
    } else {
        put_value(&out, value, 0);
    }
    json_t *text = out.len > 0 ? json_stringn(out.data, out.len) : NULL;
    buf_free(&out);
    return text;
}

/* ---- lists with the names that the prompts use ---- */

/* Always set, if empty: a look-up must not fall through to the request's member of that name. */
static void copy_text(json_t *to, const char *name, const json_t *from, const char *member)
{
    json_t *text = describe(json_object_get(from, member));
    json_object_set_new(to, name, text != NULL ? text : json_string(""));
}

/* On one line, as the request block has it: there and here it must be the same to the letter. */
static json_t *one_line(const char *title)
{
    char *line = mem_strdup(title + strspn(title, " \t\r\n"));
    size_t n = strlen(line);
    while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
        n--;
    for (size_t i = 0; i < n; i++)
        line[i] = line[i] == '\n' || line[i] == '\r' ? ' ' : line[i];
    json_t *text = json_stringn(line, n);
    free(line);
    return text;
}

static json_t *points_of(const json_t *points)
{
    json_t *out = json_array();
    size_t i;
    const json_t *point;
    json_array_foreach (points, i, point) {
        const char *title = json_str(point, "title");
        if (i >= POINTS_MAX || title == NULL)
            continue;
        json_t *p = json_object();
        json_object_set_new(p, "title", one_line(title));
        copy_text(p, "about", point, "description");
        copy_text(p, "takeaway", point, "keyTakeaway");
        copy_text(p, "seconds", point, "duration");
        if (json_string_length(json_object_get(p, "title")) > 0)
            json_array_append(out, p);
        json_decref(p);
    }
    return out;
}

static json_t *sources_of(const json_t *sources)
{
    json_t *out = json_array();
    size_t i;
    const json_t *source;
    json_array_foreach (sources, i, source) {
        json_t *s = json_object();
        copy_text(s, "name", source, "title");
        copy_text(s, "url", source, "url");
        copy_text(s, "text", source, "content");
        json_object_set_new(s, "verified", json_boolean(json_flag(source, "verified", false)));
        json_array_append_new(out, s);
    }
    return out;
}

static void set_platform(json_t *values, const char *platform)
{
    const char *name = platform != NULL && *platform != '\0' ? platform : "youtube";
    bool shorts = strcmp(name, "shorts") == 0 || strcmp(name, "tiktok") == 0;
    json_t *is = json_object();
    json_object_set_new(is, name, json_true());
    json_object_set_new(is, "short_form", json_boolean(shorts));
    json_object_set_new(values, "platform", json_string(name));
    json_object_set_new(values, "platform_is", is);
}

static json_t *phrases_to_avoid(const struct params *params, const struct pipeline *pipeline)
{
    json_t *list = json_arr(params->all, "mustAvoid");
    list = list != NULL ? json_copy(list) : json_array();
    for (size_t i = 0; i < pipeline->forbidden.n; i++) {
        json_t *phrase = json_string(pipeline->forbidden.items[i]);
        if (phrase != NULL)
            json_array_append_new(list, phrase);
    }
    return list;
}

json_t *script_values(const struct params *params, const struct pipeline *pipeline,
                      int64_t research_tokens)
{
    static const char *const described[][2] = {{"audience", "audience_text"},
                                               {"voice", "voice_text"},
                                               {"frame", "frame_text"},
                                               {"sponsor", "sponsor_text"}};
    /* Names that only the machine sets: a request's unknown member must not pass for them. */
    static const char *const reserved[] = {"outline",          "so_far",
                                           "findings",         "gaps",
                                           "headings",         "script",
                                           "problem",          "previous",
                                           "prompt",           "written",
                                           "research_summary", "research_insights",
                                           "sources",          "wants_description",
                                           "wants_tags"};
    json_t *v = json_is_object(params->all) ? json_copy(params->all) : json_object();
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        json_object_del(v, reserved[i]);
    for (size_t i = 0; i < sizeof(described) / sizeof(described[0]); i++) {
        json_t *text = describe(json_object_get(v, described[i][0]));
        if (text != NULL)
            json_object_set_new(v, described[i][1], text);
    }
    json_t *research = research_trim(json_object_get(v, "research"), research_tokens);
    json_object_del(v, "research");
    if (research != NULL) {
        json_t *text = describe(json_object_get(research, "summary"));
        json_object_set_new(v, "research_summary", text != NULL ? text : json_string(""));
        text = describe(json_object_get(research, "insights"));
        json_object_set_new(v, "research_insights", text != NULL ? text : json_string(""));
        json_object_set_new(v, "sources", sources_of(json_object_get(research, "sources")));
        json_object_set_new(v, "research", research);
    }
    json_object_set_new(v, "all_points", points_of(json_object_get(v, "contentPoints")));
    json_object_set_new(v, "avoid", phrases_to_avoid(params, pipeline));
    json_object_set_new(v, "words_per_minute", json_integer(pipeline->wpm));
    set_platform(v, params->platform);
    return v;
}
