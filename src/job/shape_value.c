/* In: single values as forms wrote them. Out: choices, flags, numbers; texts by shape_text.c. */
#include "job/shape_value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "job/shape_text.h"

#define CHOICE_MAX 64
#define NUMBER_MAX 64

/* ---- choices ---- */

/* "YouTube Shorts" and "youtube_shorts" are "youtubeshorts". */
static void fold(const char *s, char *out)
{
    size_t n = 0;
    for (; *s != '\0' && n + 1 < CHOICE_MAX; s++) {
        if (strchr(" \t\r\n", *s) == NULL && *s != '-' && *s != '_')
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
    enum err e = shape_to_text(shape, value, &text, msg);
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
    enum err e = shape_to_texts(shape, value, &texts, msg);
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
    else if (!shape_flag_word(value, &flag))
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
    shape_trim(&s, &n);
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
        return shape_to_texts(shape, value, ret, msg);
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
        return shape_to_text(shape, value, ret, msg);
    }
}
