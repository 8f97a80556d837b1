/* In: JSON text from outside. Out: jansson values, strictly read, and typed access to them. */
#include "text/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "text/utf8.h"

#define INTEGER_DIGITS 19 /* shorter ones fit in 64 bits */
#define REAL_DIGITS    15 /* as many as survive a round trip through text: 0.1 stays 0.1 */

/* Brackets outside strings, counted before jansson recurses into them. */
static bool too_deep(const char *text, size_t n, int *ret_line)
{
    int depth = 0, line = 1;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\n')
            line++;
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                *ret_line = line;
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

static bool is_in_number(char c)
{
    return isdigit((unsigned char)c) || c == '.' || c == 'e' || c == 'E' || c == '+';
}

/* A number's digits from `at` on, when jansson would refuse it for an integer that is too big. */
static size_t big_digits(const char *text, size_t n, size_t at)
{
    size_t end = at;
    while (end < n && isdigit((unsigned char)text[end]))
        end++;
    bool real = end < n && (text[end] == '.' || text[end] == 'e' || text[end] == 'E');
    return real || end - at < INTEGER_DIGITS ? 0 : end - at;
}

/* The same text, with integers of so many digits written as reals: 1e20 is 100000000000000000000 in
 * a jsonb column. */
static char *with_reals(const char *text, size_t n, size_t *ret_n)
{
    struct buf out = BUF_INIT(2 * n);
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        size_t digits =
            in_string || (i > 0 && is_in_number(text[i - 1])) ? 0 : big_digits(text, n, i);
        if (digits > 0) {
            buf_put(&out, text + i, digits);
            buf_puts(&out, "e0");
            i += digits - 1;
            continue;
        }
        buf_put(&out, text + i, 1);
        if (in_string && text[i] == '\\' && i + 1 < n)
            buf_put(&out, text + ++i, 1);
        else if (text[i] == '"')
            in_string = !in_string;
    }
    *ret_n = out.len;
    return buf_take(&out);
}

static json_t *load(const char *text, size_t n, json_error_t *error)
{
    return json_loadb(n == 0 ? "" : text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, error);
}

static json_t *load_wide(const char *text, size_t n, json_error_t *error)
{
    json_t *json = load(text, n, error);
    if (json != NULL || json_error_code(error) != json_error_numeric_overflow)
        return json;
    json_error_t again; /* the first one's place is the sender's */
    size_t len;
    char *reals = with_reals(text, n, &len);
    json = load(reals, len, &again);
    free(reals);
    return json;
}

typedef json_t *(*load_fn)(const char *text, size_t n, json_error_t *error);

static enum err parse(const char *text, size_t n, size_t max, load_fn load_text, json_t **ret_json,
                      struct errmsg *msg)
{
    if (n > max)
        return err_set(msg, ERR_TOO_BIG, "the JSON text has %zu bytes; at most %zu are read", n,
                       max);
    int line;
    if (n > 0 && memchr(text, '\0', n) != NULL) /* behind the value, jansson takes it for the end */
        return err_set(msg, ERR_INVALID, "a NUL byte is inside the JSON text");
    if (too_deep(text, n, &line))
        return err_set(msg, ERR_INVALID, "line %d: nested deeper than %d", line, JSON_DEPTH_MAX);
    json_error_t error;
    json_t *json = load_text(text, n, &error);
    if (json == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory)
            abort();
        return err_set(msg, ERR_INVALID, "line %d, column %d: %s", error.line, error.column,
                       error.text);
    }
    *ret_json = json;
    return OK;
}

enum err json_parse(const char *text, size_t n, size_t max, json_t **ret_json, struct errmsg *msg)
{
    return parse(text, n, max, load, ret_json, msg);
}

enum err json_parse_wide(const char *text, size_t n, size_t max, json_t **ret_json,
                         struct errmsg *msg)
{
    return parse(text, n, max, load_wide, ret_json, msg);
}

char *json_text(const json_t *json)
{
    char *text =
        json == NULL
            ? NULL
            : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
    return text != NULL ? text : mem_strdup("null");
}

const char *json_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

int64_t json_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

double json_num(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_flag(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *json_arr(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}

json_t *json_obj(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_object(value) ? value : NULL;
}

static const char *short_escape(char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

void json_put_string(struct buf *b, const char *s, size_t n)
{
    buf_puts(b, "\"");
    size_t plain = 0; /* start of the run that needs no change */
    for (size_t i = 0; i < n;) {
        const char *escape = short_escape(s[i]);
        size_t length = utf8_length(s + i, n - i);
        if (escape == NULL && length > 0 && (unsigned char)s[i] >= 0x20) {
            i += length;
            continue;
        }
        buf_put(b, s + plain, i - plain);
        if (escape != NULL)
            buf_puts(b, escape);
        else if (length > 0)
            buf_putf(b, "\\u%04x", (unsigned)s[i]);
        else
            buf_puts(b, "\xEF\xBF\xBD");
        plain = ++i;
    }
    if (n > plain)
        buf_put(b, s + plain, n - plain);
    buf_puts(b, "\"");
}

void json_put_member(struct buf *b, const char *name, const char *text)
{
    buf_putf(b, ",\"%s\":", name);
    if (text != NULL)
        json_put_string(b, text, strlen(text));
    else
        buf_puts(b, "null");
}
