/* In: JSON text. Out: grammar-checked tokens (RFC 8259). Where RFC 8259 leaves it open, this takes
 * and refuses what jansson does: no NUL in strings, no lone surrogate, no number out of range. */
#include "text/json_walk.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"
#include "text/utf8.h"

#define NUMBER_MAX 128 /* bytes; a longer one is refused, since its range cannot be told */

enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_CLOSE, /* behind [ */
    EXPECT_KEY,            /* behind a comma */
    EXPECT_KEY_OR_CLOSE,   /* behind { */
    EXPECT_COLON,
    EXPECT_COMMA_OR_CLOSE,
    EXPECT_END,
};

struct json_walk json_walk_start(const char *text, size_t n)
{
    return (struct json_walk){.text = text, .n = n, .expect = EXPECT_VALUE};
}

static bool in_object(const struct json_walk *w)
{
    return w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0;
}

static void after_value(struct json_walk *w)
{
    w->expect = w->depth == 0 ? EXPECT_END : EXPECT_COMMA_OR_CLOSE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Four digits at `pos`. false: cut (at the end of the text) or bad; *ret_event says which. */
static bool read_hex(const struct json_walk *w, size_t pos, uint32_t *ret,
                     enum json_event *ret_event)
{
    uint32_t value = 0;
    for (size_t i = pos; i < pos + 4; i++) {
        if (i >= w->n) {
            *ret_event = JSON_EVENT_CUT;
            return false;
        }
        int digit = hex_digit(w->text[i]);
        if (digit < 0) {
            *ret_event = JSON_EVENT_BAD;
            return false;
        }
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return true;
}

/* At a backslash: moves behind the escape. */
static bool skip_escape(struct json_walk *w, enum json_event *ret_event)
{
    *ret_event = JSON_EVENT_CUT;
    if (w->pos + 1 >= w->n)
        return false;
    char c = w->text[w->pos + 1];
    *ret_event = JSON_EVENT_BAD;
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
            return false;
        w->pos += 2;
        return true;
    }
    uint32_t unit, low;
    if (!read_hex(w, w->pos + 2, &unit, ret_event))
        return false;
    *ret_event = JSON_EVENT_BAD;
    if (unit == 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return false;
    w->pos += 6;
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (w->pos + 1 >= w->n) {
        *ret_event = JSON_EVENT_CUT;
        return false;
    }
    if (w->text[w->pos] != '\\' || w->text[w->pos + 1] != 'u')
        return false;
    if (!read_hex(w, w->pos + 2, &low, ret_event))
        return false;
    *ret_event = JSON_EVENT_BAD;
    if (low < 0xDC00 || low > 0xDFFF)
        return false;
    w->pos += 6;
    return true;
}

static enum json_event walk_string(struct json_walk *w)
{
    enum json_event event;
    w->pos++;
    while (w->pos < w->n) {
        unsigned char c = (unsigned char)w->text[w->pos];
        if (c == '"') {
            w->pos++;
            return JSON_EVENT_STRING;
        }
        if (c == '\\') {
            if (!skip_escape(w, &event))
                return event;
            continue;
        }
        if (c == 0 || (c < 0x20 && !w->lenient))
            return JSON_EVENT_BAD;
        size_t length = utf8_length(w->text + w->pos, w->n - w->pos);
        if (length == 0) /* a sequence cut by the end of the text is a cut, not an error */
            return w->n - w->pos < 4 && c >= 0xC2 ? JSON_EVENT_CUT : JSON_EVENT_BAD;
        w->pos += length;
    }
    return JSON_EVENT_CUT;
}

static size_t digits(const struct json_walk *w, size_t pos)
{
    while (pos < w->n && w->text[pos] >= '0' && w->text[pos] <= '9')
        pos++;
    return pos;
}

static bool in_range(const char *number, size_t n, bool real)
{
    char copy[NUMBER_MAX + 1];
    if (n > NUMBER_MAX)
        return false;
    memcpy(copy, number, n);
    copy[n] = '\0';
    errno = 0;
    if (!real) {
        (void)strtoll(copy, NULL, 10);
        return errno == 0;
    }
    double value = strtod(copy, NULL);
    return isfinite(value) != 0;
}

static enum json_event walk_number(struct json_walk *w)
{
    size_t pos = w->pos;
    bool real = false;
    if (w->text[pos] == '-')
        pos++;
    size_t end = digits(w, pos);
    if (end > pos + 1 && w->text[pos] == '0')
        return JSON_EVENT_BAD;
    if (end < w->n && end > pos && w->text[end] == '.') {
        real = true;
        pos = end + 1;
        end = digits(w, pos);
    }
    if (end < w->n && end > pos && (w->text[end] == 'e' || w->text[end] == 'E')) {
        real = true;
        pos = end + 1;
        if (pos < w->n && (w->text[pos] == '+' || w->text[pos] == '-'))
            pos++;
        end = digits(w, pos);
    }
    if (end == pos) {
        w->pos = end;
        return end == w->n ? JSON_EVENT_CUT : JSON_EVENT_BAD;
    }
    if (!in_range(w->text + w->pos, end - w->pos, real))
        return JSON_EVENT_BAD;
    w->pos = end;
    return JSON_EVENT_OTHER;
}

static enum json_event walk_word(struct json_walk *w, const char *word)
{
    size_t length = strlen(word), left = w->n - w->pos;
    size_t same = left < length ? left : length;
    if (memcmp(w->text + w->pos, word, same) != 0)
        return JSON_EVENT_BAD;
    if (same < length)
        return JSON_EVENT_CUT;
    w->pos += length;
    return JSON_EVENT_OTHER;
}

static enum json_event walk_open(struct json_walk *w, bool object)
{
    if (w->depth == JSON_DEPTH_MAX)
        return JSON_EVENT_BAD;
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->objects = object ? w->objects | bit : w->objects & ~bit;
    w->expect = object ? EXPECT_KEY_OR_CLOSE : EXPECT_VALUE_OR_CLOSE;
    w->pos++;
    return JSON_EVENT_OPEN;
}

static enum json_event walk_close(struct json_walk *w)
{
    w->pos++;
    w->depth--;
    after_value(w);
    return JSON_EVENT_CLOSE;
}

static enum json_event walk_value(struct json_walk *w)
{
    char c = w->text[w->pos];
    if (c == '{' || c == '[')
        return walk_open(w, c == '{');
    enum json_event event;
    if (c == '"')
        event = walk_string(w);
    else if (c == '-' || (c >= '0' && c <= '9'))
        event = walk_number(w);
    else if (c == 't')
        event = walk_word(w, "true");
    else if (c == 'f')
        event = walk_word(w, "false");
    else if (c == 'n')
        event = walk_word(w, "null");
    else
        event = JSON_EVENT_BAD;
    if (event == JSON_EVENT_STRING || event == JSON_EVENT_OTHER)
        after_value(w);
    return event;
}

static enum json_event walk_key(struct json_walk *w)
{
    if (w->text[w->pos] != '"')
        return JSON_EVENT_BAD;
    enum json_event event = walk_string(w);
    if (event != JSON_EVENT_STRING)
        return event;
    w->expect = EXPECT_COLON;
    return JSON_EVENT_KEY;
}

static bool skip_space(struct json_walk *w)
{
    while (w->pos < w->n) {
        char c = w->text[w->pos];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return true;
        w->pos++;
    }
    return false;
}

enum json_event json_walk_next(struct json_walk *w)
{
    for (;;) {
        bool more = skip_space(w);
        w->start = w->pos;
        if (w->expect == EXPECT_END)
            return more ? JSON_EVENT_BAD : JSON_EVENT_END;
        if (!more)
            return JSON_EVENT_CUT;
        char c = w->text[w->pos];
        bool closes = c == (in_object(w) ? '}' : ']') && w->depth > 0;
        switch (w->expect) {
        case EXPECT_VALUE:
            return walk_value(w);
        case EXPECT_VALUE_OR_CLOSE:
            return closes ? walk_close(w) : walk_value(w);
        case EXPECT_KEY:
            return walk_key(w);
        case EXPECT_KEY_OR_CLOSE:
            return closes ? walk_close(w) : walk_key(w);
        case EXPECT_COLON:
            if (c != ':')
                return JSON_EVENT_BAD;
            w->pos++;
            w->expect = EXPECT_VALUE;
            break;
        default:
            if (closes)
                return walk_close(w);
            if (c != ',')
                return JSON_EVENT_BAD;
            w->pos++;
            w->expect = in_object(w) ? EXPECT_KEY : EXPECT_VALUE;
        }
    }
}

static uint32_t hex4(const char *s)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_digit(s[i]);
    return value;
}

size_t json_walk_char(const char *text, size_t *pos, char out[4])
{
    const char *s = text + *pos;
    if (*s == '"')
        return 0;
    if (*s != '\\') {
        out[0] = *s;
        *pos += 1;
        return 1;
    }
    *pos += 2;
    if (s[1] != 'u') {
        const char *from = "bfnrt", *to = "\b\f\n\r\t";
        const char *found = strchr(from, s[1]);
        out[0] = found != NULL ? to[found - from] : s[1];
        return 1;
    }
    uint32_t code_point = hex4(s + 2);
    *pos += 4;
    if (code_point >= 0xD800 && code_point <= 0xDBFF) {
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (hex4(s + 8) - 0xDC00);
        *pos += 6;
    }
    return utf8_encode(code_point, out);
}
