/* In: a model's outline. Out: the same, held to the plan; its chunks as text for prompts. */
#include "job/outline.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TEXT_SCHEMA  "{\"type\":\"string\"}"
#define TEXTS_SCHEMA "{\"type\":\"array\",\"items\":" TEXT_SCHEMA "}"

const char *outline_schema(void)
{
    return "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"title\","
           "\"totalMinutes\",\"overview\",\"chunks\",\"keyTakeaways\"],\"properties\":{"
           "\"title\":" TEXT_SCHEMA ",\"totalMinutes\":{\"type\":\"number\"},"
           "\"overview\":" TEXT_SCHEMA ",\"chunks\":{\"type\":\"array\",\"items\":{"
           "\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"chunkNumber\","
           "\"timeRange\",\"theme\",\"sections\",\"transitionToNext\"],\"properties\":{"
           "\"chunkNumber\":{\"type\":\"integer\"},\"timeRange\":" TEXT_SCHEMA
           ",\"theme\":" TEXT_SCHEMA ",\"sections\":{\"type\":\"array\",\"items\":{"
           "\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"timestamp\","
           "\"title\",\"duration\",\"content\",\"keyPoints\",\"visualCues\"],\"properties\":{"
           "\"timestamp\":" TEXT_SCHEMA ",\"title\":" TEXT_SCHEMA ",\"duration\":" TEXT_SCHEMA
           ",\"content\":" TEXT_SCHEMA ",\"keyPoints\":" TEXTS_SCHEMA ",\"visualCues\":" TEXT_SCHEMA
           "}}},\"transitionToNext\":" TEXT_SCHEMA "}}},\"keyTakeaways\":" TEXTS_SCHEMA "}}";
}

static const json_t *chunk_at(const json_t *outline, int i)
{
    return json_array_get(json_object_get(outline, "chunks"), (size_t)(i - 1));
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* ---- content points ---- */

static bool section_titled(const json_t *chunk, const char *title)
{
    size_t i;
    const json_t *section;
    json_array_foreach (json_object_get(chunk, "sections"), i, section) {
        if (is_text(json_object_get(section, "title"), title))
            return true;
    }
    return false;
}

static bool key_point(const json_t *chunk, const char *title)
{
    size_t i, k;
    const json_t *section, *point;
    json_array_foreach (json_object_get(chunk, "sections"), i, section) {
        json_array_foreach (json_object_get(section, "keyPoints"), k, point) {
            if (is_text(point, title))
                return true;
        }
    }
    return false;
}

/* In how many chunks the point is; *ret_first: the first of them. Titles of sections decide, and
 * key points only where no section bears the title. */
static int chunks_of_point(const json_t *outline, const char *title, int *ret_first)
{
    int n = (int)json_array_size(json_object_get(outline, "chunks"));
    for (int pass = 0; pass < 2; pass++) {
        int found = 0;
        for (int i = n; i >= 1; i--) {
            const json_t *chunk = chunk_at(outline, i);
            if (pass == 0 ? section_titled(chunk, title) : key_point(chunk, title)) {
                found++;
                *ret_first = i;
            }
        }
        if (found > 0)
            return found;
    }
    return 0;
}

bool outline_has_point(const json_t *outline, int i, const char *title)
{
    int first = 0;
    return chunks_of_point(outline, title, &first) > 0 && first == i;
}

/* ---- validation ---- */

static enum err check_chunk(const json_t *chunk, int i, struct errmsg *msg)
{
    const json_t *sections = json_object_get(chunk, "sections"), *section;
    if (!json_is_object(chunk))
        return err_set(msg, ERR_INVALID, "chunk %d is not an object", i);
    if (json_array_size(sections) == 0)
        return err_set(msg, ERR_INVALID, "chunk %d has no sections", i);
    if (json_int(chunk, "chunkNumber", i) != i)
        return err_set(msg, ERR_INVALID, "chunkNumber of chunk %d is not %d", i, i);
    size_t k;
    json_array_foreach (sections, k, section) {
        const char *title = json_str(section, "title");
        if (title == NULL || *title == '\0')
            return err_set(msg, ERR_INVALID, "section %zu of chunk %d has no title", k + 1, i);
    }
    return OK;
}

static enum err check_outline(const json_t *outline, const struct plan *plan, const json_t *points,
                              struct errmsg *msg)
{
    size_t n = json_array_size(json_object_get(outline, "chunks")), k;
    if (n != (size_t)plan->chunks)
        return err_set(msg, ERR_INVALID, "there are %zu chunks, %d are asked for", n, plan->chunks);
    for (int i = 1; i <= plan->chunks; i++) {
        enum err e = check_chunk(chunk_at(outline, i), i, msg);
        if (e != OK)
            return e;
    }
    const json_t *point;
    json_array_foreach (points, k, point) {
        const char *title = json_str(point, "title");
        int first = 0, found = title == NULL ? 1 : chunks_of_point(outline, title, &first);
        if (found == 0)
            return err_set(msg, ERR_INVALID,
                           "no section has the content point \"%.300s\" as its title", title);
        if (found > 1)
            return err_set(msg, ERR_INVALID,
                           "the content point \"%.300s\" is in %d chunks, it belongs in one", title,
                           found);
    }
    return OK;
}

enum err outline_parse(const char *text, size_t n, const struct plan *plan, const json_t *points,
                       json_t **ret_outline, struct errmsg *msg)
{
    char *object = json_extract(text, n);
    if (object == NULL)
        return err_set(msg, ERR_INVALID, "the answer holds no JSON object");
    json_t *outline = NULL;
    enum err e = json_parse(object, strlen(object), OUTLINE_SIZE_MAX, &outline, msg);
    if (e == OK)
        e = check_outline(outline, plan, points, msg);
    free(object);
    if (e != OK) {
        json_decref(outline);
        return ERR_INVALID;
    }
    *ret_outline = outline;
    return OK;
}

/* ---- rendering ---- */

static bool has_text(const json_t *object, const char *key)
{
    const char *s = json_str(object, key);
    return s != NULL && *s != '\0';
}

static void put_list(const json_t *list, const char *mark, struct buf *out)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (json_string_length(item) > 0)
            buf_putf(out, "%s%s\n", mark, json_string_value(item));
    }
}

static void put_section(const json_t *section, struct buf *out)
{
    buf_puts(out, "### ");
    if (has_text(section, "timestamp"))
        buf_putf(out, "[%s] ", json_str(section, "timestamp"));
    buf_putf(out, "%s\n\n", json_str(section, "title"));
    if (has_text(section, "duration"))
        buf_putf(out, "Duration: %s\n\n", json_str(section, "duration"));
    if (has_text(section, "content"))
        buf_putf(out, "%s\n\n", json_str(section, "content"));
    if (json_array_size(json_object_get(section, "keyPoints")) > 0) {
        put_list(json_object_get(section, "keyPoints"), "- ", out);
        buf_puts(out, "\n");
    }
    if (has_text(section, "visualCues"))
        buf_putf(out, "[VISUAL: %s]\n\n", json_str(section, "visualCues"));
}

void outline_markdown(const json_t *outline, struct buf *out)
{
    if (has_text(outline, "title"))
        buf_putf(out, "# %s\n\n", json_str(outline, "title"));
    if (has_text(outline, "overview"))
        buf_putf(out, "%s\n\n", json_str(outline, "overview"));
    size_t i, k;
    const json_t *chunk, *section;
    json_array_foreach (json_object_get(outline, "chunks"), i, chunk) {
        buf_putf(out, "## %zu. ", i + 1);
        buf_puts(out, has_text(chunk, "theme") ? json_str(chunk, "theme") : "Part");
        if (has_text(chunk, "timeRange"))
            buf_putf(out, " (%s)", json_str(chunk, "timeRange"));
        buf_puts(out, "\n\n");
        json_array_foreach (json_object_get(chunk, "sections"), k, section) {
            put_section(section, out);
        }
        if (has_text(chunk, "transitionToNext"))
            buf_putf(out, "Transition: %s\n\n", json_str(chunk, "transitionToNext"));
    }
    if (json_array_size(json_object_get(outline, "keyTakeaways")) > 0) {
        buf_puts(out, "## Key takeaways\n\n");
        put_list(json_object_get(outline, "keyTakeaways"), "- ", out);
    }
}

void outline_chunk(const json_t *outline, int i, struct buf *out)
{
    const json_t *chunk = chunk_at(outline, i), *section;
    size_t k;
    if (has_text(chunk, "theme"))
        buf_putf(out, "Theme: %s\n", json_str(chunk, "theme"));
    json_array_foreach (json_object_get(chunk, "sections"), k, section) {
        const char *at = json_str(section, "timestamp");
        buf_putf(out, "- %s%s%s", at == NULL ? "" : at, at == NULL ? "" : " ",
                 json_str(section, "title"));
        if (has_text(section, "content"))
            buf_putf(out, ": %s", json_str(section, "content"));
        buf_puts(out, "\n");
        put_list(json_object_get(section, "keyPoints"), "  - ", out);
        if (has_text(section, "visualCues"))
            buf_putf(out, "  - on screen: %s\n", json_str(section, "visualCues"));
    }
    if (has_text(chunk, "transitionToNext"))
        buf_putf(out, "Lead over to: %s\n", json_str(chunk, "transitionToNext"));
}

void outline_before(const json_t *outline, int i, struct buf *out)
{
    for (int c = 1; c < i; c++) {
        const json_t *chunk = chunk_at(outline, c), *section;
        size_t k;
        buf_putf(out, "- Part %d", c);
        if (has_text(chunk, "theme"))
            buf_putf(out, " (%s)", json_str(chunk, "theme"));
        json_array_foreach (json_object_get(chunk, "sections"), k, section) {
            buf_putf(out, "%s %s", k == 0 ? ":" : ";", json_str(section, "title"));
        }
        buf_puts(out, "\n");
    }
}
