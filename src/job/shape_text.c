/* In: texts, lists and objects as forms wrote them. Out: one text, or a list of texts. */
#include "job/shape_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "job/shape_name.h"

#define JSON_TEXT_MAX ((size_t)8 << 20)
#define RENDER_MAX    ((size_t)16 << 20)
#define RENDER_DEPTH  8

/* Where an object keeps its text, when it has no better name for it. */
static const char inner_texts[] =
    "selected|text|value|content|name|title|label|summary|description|concept|idea";

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void shape_trim(const char **s, size_t *n)
{
    while (*n > 0 && is_space(**s)) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && is_space((*s)[*n - 1]))
        (*n)--;
}

bool shape_text_is(const json_t *value, const char *text, size_t n)
{
    const char *s = json_string_value(value);
    size_t length = json_string_length(value);
    if (s == NULL)
        return false;
    shape_trim(&s, &length);
    return length == n && strncasecmp(s, text, n) == 0;
}

bool shape_flag_word(const json_t *value, bool *ret)
{
    static const struct {
        const char *word;
        bool flag;
    } words[] = {{"true", true}, {"yes", true}, {"1", true},    {"on", true},    {"false", false},
                 {"no", false},  {"0", false},  {"off", false}, {"none", false}, {"n/a", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (shape_text_is(value, words[i].word, strlen(words[i].word))) {
            *ret = words[i].flag;
            return true;
        }
    }
    return false;
}

json_t *shape_open_text(const json_t *value)
{
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    json_t *json = NULL;
    if (s != NULL)
        shape_trim(&s, &n);
    if (s != NULL && n > 1 && (*s == '{' || *s == '[') &&
        json_parse(s, n, JSON_TEXT_MAX, &json, NULL) == OK)
        return json;
    return json_incref((json_t *)(uintptr_t)value);
}

static enum err add_text(struct buf *out, const struct shape *shape, const json_t *value,
                         int depth);

static enum err add_list(struct buf *out, const struct shape *shape, const json_t *list, int depth)
{
    size_t i;
    const json_t *element;
    enum err e = OK;
    json_array_foreach (list, i, element) {
        size_t before = out->len;
        if (e == OK && before > 0)
            e = buf_adds(out, ", ");
        size_t start = out->len;
        if (e == OK)
            e = add_text(out, shape, element, depth + 1);
        if (e != OK)
            return e;
        if (out->len == start && out->data != NULL)
            out->data[out->len = before] = '\0';
    }
    return OK;
}

/* The text inside an object, by the member's own names and then by the usual ones. */
static enum err add_inner(struct buf *out, const struct shape *shape, const json_t *object,
                          int depth)
{
    const char *const lists[] = {shape->to, shape->from, inner_texts};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *names = lists[i];
        struct shape_name name;
        while (out->len == 0 && shape_next_name(&names, &name)) {
            const json_t *inner = shape_find(object, &name);
            enum err e = inner == NULL || json_is_number(inner)
                             ? OK
                             : add_text(out, shape, inner, depth + 1);
            if (e != OK)
                return e;
        }
    }
    return OK;
}

static enum err add_members(struct buf *out, const struct shape *shape, const json_t *object,
                            int depth)
{
    const char *key;
    json_t *value;
    enum err e = OK;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        struct buf text = BUF_INIT(RENDER_MAX);
        e = add_text(&text, shape, value, depth + 1);
        if (e == OK && text.len > 0)
            e = buf_addf(out, "%s%s: %s", out->len > 0 ? "; " : "", key, text.data);
        buf_free(&text);
        if (e != OK)
            break;
    }
    return e;
}

/* {"hook": null, "options": [...]}: nothing was chosen, so nothing is said. */
static bool is_left_empty(const struct shape *shape, const json_t *object)
{
    const char *const lists[] = {shape->to, shape->from, "selected"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *names = lists[i];
        struct shape_name name;
        while (shape_next_name(&names, &name)) {
            if (json_object_get(object, name.outer) != NULL)
                return true;
        }
    }
    return false;
}

static enum err add_object(struct buf *out, const struct shape *shape, const json_t *object,
                           int depth)
{
    struct buf text = BUF_INIT(RENDER_MAX);
    enum err e = depth > 1 ? OK : add_inner(&text, shape, object, depth);
    if (e == OK && text.len == 0 && !is_left_empty(shape, object))
        e = add_members(&text, shape, object, depth);
    if (e == OK)
        e = buf_adds(out, buf_str(&text));
    buf_free(&text);
    return e;
}

static enum err add_json(struct buf *out, const json_t *value)
{
    char *text = json_text(value);
    enum err e = buf_adds(out, text);
    free(text);
    return e;
}

static enum err add_text(struct buf *out, const struct shape *shape, const json_t *value, int depth)
{
    json_t *opened = shape_open_text(value);
    enum err e = OK;
    if (json_is_string(opened)) {
        const char *s = json_string_value(opened);
        size_t n = json_string_length(opened);
        shape_trim(&s, &n);
        e = buf_add(out, s, n);
    } else if (json_is_number(opened)) {
        e = add_json(out, opened);
    } else if (json_is_array(opened) && depth < RENDER_DEPTH) {
        struct buf list = BUF_INIT(RENDER_MAX);
        e = add_list(&list, shape, opened, depth);
        if (e == OK)
            e = buf_adds(out, buf_str(&list));
        buf_free(&list);
    } else if (json_is_object(opened) && depth < RENDER_DEPTH) {
        e = add_object(out, shape, opened, depth);
    } else if (json_is_array(opened) || json_is_object(opened)) {
        e = add_json(out, opened);
    }
    json_decref(opened);
    return e;
}

enum err shape_to_text(const struct shape *shape, const json_t *value, json_t **ret,
                       struct errmsg *msg)
{
    struct buf text = BUF_INIT(RENDER_MAX);
    size_t max = (size_t)(shape->max == 0 ? SHAPE_TEXT_MAX : shape->max);
    bool flag;
    if (shape->kind == SHAPE_PROSE && shape_flag_word(value, &flag))
        return OK;
    enum err e = add_text(&text, shape, value, 0);
    if (e != OK || text.len > max)
        e = err_set(msg, ERR_TOO_BIG, "longer than %zu bytes", max);
    else if (text.len > 0)
        *ret = json_stringn(text.data, text.len);
    buf_free(&text);
    return e;
}

/* ---- lists of texts ---- */

/* "- one", "* two", "• three" */
static void skip_mark(const char **s, size_t *n)
{
    size_t mark = 0;
    if (*n > 1 && (**s == '-' || **s == '*') && is_space((*s)[1]))
        mark = 1;
    else if (*n > 3 && memcmp(*s, "\xE2\x80\xA2", 3) == 0)
        mark = 3;
    *s += mark;
    *n -= mark;
    shape_trim(s, n);
}

json_t *shape_split(const json_t *text, bool commas)
{
    json_t *list = json_array();
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    char separator = commas && memchr(s, '\n', n) == NULL ? ',' : '\n';
    while (n > 0) {
        const char *end = memchr(s, separator, n);
        size_t length = end == NULL ? n : (size_t)(end - s), part = length;
        const char *start = s;
        shape_trim(&start, &part);
        skip_mark(&start, &part);
        if (part > 0)
            json_array_append_new(list, json_stringn(start, part));
        size_t used = end == NULL ? n : length + 1;
        s += used;
        n -= used;
    }
    return list;
}

enum err shape_to_texts(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg)
{
    json_t *opened = shape_open_text(value), *list, *made = json_array();
    if (json_is_string(opened))
        list = shape_split(opened, shape->kind != SHAPE_LINES);
    else if (json_is_array(opened))
        list = json_incref(opened);
    else
        json_array_append(list = json_array(), opened);
    size_t n = json_array_size(list);
    enum err e = OK;
    if (n > SHAPE_LIST_MAX)
        e = err_set(msg, ERR_TOO_BIG, "%zu elements; at most %d are taken", n, SHAPE_LIST_MAX);
    for (size_t i = 0; i < n && e == OK; i++) {
        json_t *text = NULL;
        e = shape_to_text(shape, json_array_get(list, i), &text, msg);
        if (text != NULL)
            json_array_append_new(made, text);
    }
    if (e == OK && json_array_size(made) > 0)
        *ret = json_incref(made);
    json_decref(made);
    json_decref(list);
    json_decref(opened);
    return e;
}
