/* In: names and single values as forms wrote them. Out: texts, lists of texts, numbers, flags. */
#include "job/shape_value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"

#define JSON_TEXT_MAX ((size_t)8 << 20)
#define RENDER_MAX    ((size_t)16 << 20)
#define RENDER_DEPTH  8
#define CHOICE_MAX    64
#define NUMBER_MAX    64

/* Where an object keeps its text, when it has no better name for it. */
static const char inner_texts[] =
    "selected|text|value|content|name|title|label|summary|description|concept|idea";

/* ---- names ---- */

bool shape_next_name(const char **list, struct shape_name *ret)
{
    const char *s = *list;
    if (s == NULL || *s == '\0')
        return false;
    size_t n = strcspn(s, "|"), plain = strcspn(s, "=|"), outer = strcspn(s, ".=|");
    *ret =
        (struct shape_name){.equals = s + plain + 1, .equals_len = n > plain ? n - plain - 1 : 0};
    memcpy(ret->outer, s, outer);
    if (plain > outer)
        memcpy(ret->inner, s + outer + 1, plain - outer - 1);
    *list = s[n] == '|' ? s + n + 1 : s + n;
    return true;
}

static const char *snake_case(const char *camel, char *out)
{
    size_t n = 0;
    for (; *camel != '\0' && n + 3 < 2 * SHAPE_NAME_MAX; camel++) {
        if (isupper((unsigned char)*camel))
            out[n++] = '_';
        out[n++] = (char)tolower((unsigned char)*camel);
    }
    out[n] = '\0';
    return out;
}

static const json_t *get(const json_t *object, const char *name)
{
    char snake[2 * SHAPE_NAME_MAX];
    const json_t *value = json_object_get(object, name);
    if (value == NULL || json_is_null(value))
        value = json_object_get(object, snake_case(name, snake));
    return json_is_null(value) ? NULL : value;
}

const json_t *shape_find(const json_t *object, const struct shape_name *name)
{
    const json_t *value = get(object, name->outer);
    if (name->inner[0] == '\0' || value == NULL)
        return value;
    return json_is_object(value) ? get(value, name->inner) : NULL;
}

void shape_remove(json_t *object, const struct shape_name *name)
{
    char snake[2 * SHAPE_NAME_MAX];
    json_object_del(object, name->outer);
    json_object_del(object, snake_case(name->outer, snake));
}

/* ---- texts ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static void trim(const char **s, size_t *n)
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
    trim(&s, &length);
    return length == n && strncasecmp(s, text, n) == 0;
}

json_t *shape_open_text(const json_t *value)
{
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    json_t *json = NULL;
    if (s != NULL)
        trim(&s, &n);
    if (n > 1 && (*s == '{' || *s == '[') && json_parse(s, n, JSON_TEXT_MAX, &json, NULL) == OK)
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

static enum err add_object(struct buf *out, const struct shape *shape, const json_t *object,
                           int depth)
{
    struct buf text = BUF_INIT(RENDER_MAX);
    enum err e = depth > 1 ? OK : add_inner(&text, shape, object, depth);
    if (e == OK && text.len == 0)
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
        trim(&s, &n);
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

static bool is_flag_word(const json_t *value, bool *ret)
{
    static const struct {
        const char *word;
        bool flag;
    } words[] = {{"true", true}, {"yes", true}, {"1", true},    {"on", true},   {"false", false},
                 {"no", false},  {"0", false},  {"off", false}, {"none", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (shape_text_is(value, words[i].word, strlen(words[i].word))) {
            *ret = words[i].flag;
            return true;
        }
    }
    return false;
}

static enum err to_text(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg)
{
    struct buf text = BUF_INIT(RENDER_MAX);
    size_t max = (size_t)(shape->max == 0 ? SHAPE_TEXT_MAX : shape->max);
    bool flag;
    if (shape->kind == SHAPE_PROSE && is_flag_word(value, &flag))
        return OK;
    enum err e = add_text(&text, shape, value, 0);
    if (e != OK || text.len > max)
        e = err_set(msg, ERR_INVALID, "longer than %zu bytes", max);
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
    trim(s, n);
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
        trim(&start, &part);
        skip_mark(&start, &part);
        if (part > 0)
            json_array_append_new(list, json_stringn(start, part));
        size_t used = end == NULL ? n : length + 1;
        s += used;
        n -= used;
    }
    return list;
}

static enum err to_texts(const struct shape *shape, const json_t *value, json_t **ret,
                         struct errmsg *msg)
{
    json_t *opened = shape_open_text(value), *list = NULL, *out = json_array(), *element;
    size_t i;
    enum err e = OK;
    if (json_is_string(opened))
        list = shape_split(opened, shape->kind != SHAPE_LINES);
    else if (json_is_array(opened))
        list = json_incref(opened);
    else
        json_array_append(list = json_array(), opened);
    json_array_foreach (list, i, element) {
        json_t *text = NULL;
        e = to_text(shape, element, &text, msg);
        if (e != OK)
            break;
        if (text != NULL)
            json_array_append_new(out, text);
    }
    if (e == OK && json_array_size(out) > 0)
        *ret = json_incref(out);
    json_decref(out);
    json_decref(list);
    json_decref(opened);
    return e;
}

/* ---- choices ---- */

/* "YouTube Shorts" and "youtube_shorts" are "youtubeshorts". */
static void fold(const char *s, char *out)
{
    size_t n = 0;
    for (; *s != '\0' && n + 1 < CHOICE_MAX; s++) {
        if (!is_space(*s) && *s != '-' && *s != '_')
            out[n++] = (char)tolower((unsigned char)*s);
    }
    out[n] = '\0';
}

static const char *find_choice(const char *const *choices, const char *folded, size_t *ret_len)
{
    for (; *choices != NULL; choices++) {
        for (const char *c = *choices; *c != '\0'; c += strcspn(c, "|"), c += *c == '|') {
            size_t n = strcspn(c, "|");
            if (n == strlen(folded) && strncmp(c, folded, n) == 0) {
                *ret_len = strcspn(*choices, "|");
                return *choices;
            }
        }
    }
    return NULL;
}

static enum err one_choice(const struct shape *shape, const char *text, json_t **ret,
                           struct errmsg *msg)
{
    char folded[CHOICE_MAX];
    size_t n;
    fold(text, folded);
    const char *choice = find_choice(shape->choices, folded, &n);
    if (choice != NULL) {
        *ret = json_stringn(choice, n);
        return OK;
    }
    struct buf known = BUF_INIT(200);
    enum err e = OK;
    for (size_t i = 0; shape->choices[i] != NULL && e == OK; i++)
        e = buf_addf(&known, "%s%.*s", i == 0 ? "" : ", ", (int)strcspn(shape->choices[i], "|"),
                     shape->choices[i]);
    e = err_set(msg, ERR_INVALID, "'%.60s' is unknown; it is one of %s", text, buf_str(&known));
    buf_free(&known);
    return e;
}

static enum err to_choice(const struct shape *shape, const json_t *value, json_t **ret,
                          struct errmsg *msg)
{
    json_t *text = NULL;
    enum err e = to_text(shape, value, &text, msg);
    if (e == OK && text != NULL)
        e = one_choice(shape, json_string_value(text), ret, msg);
    json_decref(text);
    return e;
}

static enum err to_choices(const struct shape *shape, const json_t *value, json_t **ret,
                           struct errmsg *msg)
{
    json_t *texts = NULL, *out = json_array(), *text;
    size_t i;
    enum err e = to_texts(shape, value, &texts, msg);
    json_array_foreach (texts, i, text) {
        json_t *choice = NULL;
        e = one_choice(shape, json_string_value(text), &choice, msg);
        if (e != OK)
            break;
        json_array_append_new(out, choice);
    }
    if (e == OK && texts != NULL)
        *ret = json_incref(out);
    json_decref(out);
    json_decref(texts);
    return e;
}

/* ---- flags and numbers ---- */

static enum err to_flag(const json_t *value, json_t **ret)
{
    bool flag = false;
    if (json_is_boolean(value))
        flag = json_is_true(value);
    else if (json_is_number(value))
        flag = json_number_value(value) != 0;
    else if (!json_is_string(value) || shape_text_is(value, "", 0))
        return OK;
    else if (!is_flag_word(value, &flag))
        flag = true;
    *ret = json_boolean(flag);
    return OK;
}

/* The number at the start, as a double; *ret_rest: what follows it, or NULL when there is none. */
static double leading_number(const json_t *value, char *copy, const char **ret_rest)
{
    *ret_rest = "";
    if (json_is_number(value))
        return json_number_value(value);
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    *ret_rest = NULL;
    if (s == NULL)
        return 0;
    trim(&s, &n);
    if (n > 0 && *s == '$') {
        s++;
        n--;
    }
    if (n == 0 || n >= NUMBER_MAX || (!isdigit((unsigned char)*s) && *s != '-' && *s != '.'))
        return 0;
    memcpy(copy, s, n);
    copy[n] = '\0';
    size_t digits = strspn(copy, "0123456789.-");
    char *end;
    char kept = copy[digits];
    copy[digits] = '\0'; /* neither hexadecimal numbers nor exponents */
    double number = strtod(copy, &end);
    bool whole = end == copy + digits;
    copy[digits] = kept;
    if (whole)
        *ret_rest = copy + digits + strspn(copy + digits, " ");
    return number;
}

static int64_t seconds_per(const char *unit)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"", 1},         {"s", 1},    {"sec", 1},     {"secs", 1},    {"second", 1},
                 {"seconds", 1},  {"m", 60},   {"min", 60},    {"mins", 60},   {"minute", 60},
                 {"minutes", 60}, {"h", 3600}, {"hour", 3600}, {"hours", 3600}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(unit, units[i].name) == 0)
            return units[i].seconds;
    }
    return 0;
}

static bool is_blank(const json_t *value)
{
    return json_is_null(value) || shape_text_is(value, "", 0);
}

static enum err to_integer(const struct shape *shape, const json_t *value, json_t **ret,
                           struct errmsg *msg)
{
    char copy[NUMBER_MAX];
    const char *rest;
    bool seconds = shape->kind == SHAPE_SECONDS;
    if (is_blank(value))
        return OK;
    double number = leading_number(value, copy, &rest);
    int64_t scale = rest == NULL ? 0 : seconds ? seconds_per(rest) : *rest == '\0' ? 1 : 0;
    if (seconds)
        number = round(number * (double)scale);
    if (scale == 0 || number != floor(number))
        return err_set(msg, ERR_INVALID, "%s is wanted",
                       seconds ? "a number of seconds" : "a whole number");
    if (!(number >= (double)shape->min && number <= (double)shape->max))
        return err_set(msg, ERR_INVALID, "%.15g is out of range (%lld to %lld%s)", number,
                       (long long)shape->min, (long long)shape->max, seconds ? " seconds" : "");
    *ret = json_integer((json_int_t)number);
    return OK;
}

static enum err to_dollars(const struct shape *shape, const json_t *value, json_t **ret,
                           struct errmsg *msg)
{
    char copy[NUMBER_MAX];
    const char *rest;
    if (is_blank(value))
        return OK;
    double number = leading_number(value, copy, &rest);
    if (rest == NULL || *rest != '\0')
        return err_set(msg, ERR_INVALID, "a number of dollars is wanted");
    if (!(number * 1e6 >= 1) || number > (double)shape->max)
        return err_set(msg, ERR_INVALID, "%.15g is out of range (above 0, at most %lld)", number,
                       (long long)shape->max);
    *ret = number == floor(number) ? json_integer((json_int_t)number) : json_real(number);
    return OK;
}

enum err shape_value(const struct shape *shape, const json_t *value, json_t **ret,
                     struct errmsg *msg)
{
    switch (shape->kind) {
    case SHAPE_LINES:
    case SHAPE_WORDS:
        return to_texts(shape, value, ret, msg);
    case SHAPE_FLAG:
    case SHAPE_ANY:
        return to_flag(value, ret);
    case SHAPE_INTEGER:
    case SHAPE_SECONDS:
        return to_integer(shape, value, ret, msg);
    case SHAPE_DOLLARS:
        return to_dollars(shape, value, ret, msg);
    case SHAPE_CHOICE:
        return to_choice(shape, value, ret, msg);
    case SHAPE_CHOICES:
        return to_choices(shape, value, ret, msg);
    default:
        return to_text(shape, value, ret, msg);
    }
}
