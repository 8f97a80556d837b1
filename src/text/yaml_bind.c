/* In: a YAML map (or one option's text) and a table of members. Out: a filled struct, or an error
 * that names file and line. Durations, sizes and money are exact: decimal digits, no floats. */
#include "text/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"

#define MESSAGE_MAX 400

/* One value on its way into a member. Every converter checks first and stores only when `target`
 * is not NULL, so that a map is checked as a whole before anything changes. */
struct value {
    const struct yaml *node;
    const struct yaml_field *field;
    const char *where; /* "config.yaml:3" or "--name" */
    bool alone;        /* the latter, which says all */
    struct errmsg *msg;
};

struct unit {
    const char *name;
    int64_t scale;
};

static const struct unit durations[] = {{"ms", 1000},
                                        {"s", 1000000},
                                        {"m", (int64_t)60 * 1000000},
                                        {"h", (int64_t)3600 * 1000000},
                                        {"d", (int64_t)86400 * 1000000},
                                        {NULL, 0}};
static const struct unit sizes[] = {{"", 1},
                                    {"B", 1},
                                    {"KiB", (int64_t)1 << 10},
                                    {"MiB", (int64_t)1 << 20},
                                    {"GiB", (int64_t)1 << 30},
                                    {NULL, 0}};
static const struct unit money[] = {{"", 1000000}, {NULL, 0}};

/* "file:3: 'name'", or "--name" alone. Owned. */
static char *subject(const struct value *v)
{
    return v->alone
               ? mem_strdup(v->where)
               : mem_printf("%s: '%s'", v->where, v->field->name == NULL ? "" : v->field->name);
}

static enum err wrong(const struct value *v, const char *wanted)
{
    char *what = subject(v);
    enum err e = ERR_INVALID;
    if (v->node->kind == YAML_NULL)
        e = err_set(v->msg, e, "%s has no value; it wants %s", what, wanted);
    else if (v->node->kind != YAML_TEXT)
        e = err_set(v->msg, e, "%s wants %s, not a %s", what, wanted,
                    v->node->kind == YAML_LIST ? "list" : "map");
    else
        e = err_set(v->msg, e, "%s wants %s, not %s'%.60s'", what, wanted,
                    v->node->quoted ? "the text " : "", v->node->text);
    free(what);
    return e;
}

static enum err out_of_range(const struct value *v, const char *unit, int64_t scale)
{
    char *what = subject(v);
    enum err e = err_set(v->msg, ERR_INVALID, "%s must be between %.10g%s and %.10g%s, not '%.60s'",
                         what, (double)v->field->min / (double)scale, unit,
                         (double)v->field->max / (double)scale, unit, v->node->text);
    free(what);
    return e;
}

static bool bounded(const struct yaml_field *f)
{
    return f->min != 0 || f->max != 0;
}

static bool is_plain_text(const struct yaml *node)
{
    return node->kind == YAML_TEXT && !node->quoted;
}

static enum err store_int64(const struct value *v, int64_t number, const char *unit, int64_t scale,
                            void *target)
{
    if (bounded(v->field) && (number < v->field->min || number > v->field->max))
        return out_of_range(v, unit, scale);
    if (target != NULL)
        *(int64_t *)target = number;
    return OK;
}

static enum err bind_string(const struct value *v, void *target)
{
    if (v->node->kind != YAML_TEXT)
        return wrong(v, "a text");
    if (target != NULL) {
        char **slot = target;
        free(*slot);
        *slot = mem_strdup(v->node->text);
    }
    return OK;
}

static enum err bind_int(const struct value *v, void *target)
{
    if (!is_plain_text(v->node))
        return wrong(v, "a whole number");
    const char *text = v->node->text;
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    errno = 0;
    int64_t number = strtoll(text, NULL, 10);
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0' || errno != 0)
        return wrong(v, "a whole number");
    return store_int64(v, number, "", 1, target);
}

static enum err bind_double(const struct value *v, void *target)
{
    if (!is_plain_text(v->node))
        return wrong(v, "a number");
    const char *text = v->node->text;
    char *end;
    double number = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || text[strspn(text, "0123456789+-.eE")] != '\0' ||
        !isfinite(number))
        return wrong(v, "a number");
    if (bounded(v->field) && (number < (double)v->field->min || number > (double)v->field->max))
        return out_of_range(v, "", 1);
    if (target != NULL)
        *(double *)target = number;
    return OK;
}

static enum err bind_bool(const struct value *v, void *target)
{
    if (!is_plain_text(v->node))
        return wrong(v, "true or false");
    const char *text = v->node->text;
    bool yes = strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0;
    if (!yes && strcasecmp(text, "false") != 0 && strcasecmp(text, "no") != 0)
        return wrong(v, "true or false");
    if (target != NULL)
        *(bool *)target = yes;
    return OK;
}

/* digits[.digits]. *ret_rest: what follows; *ret_fraction: the digits behind the point or NULL. */
static bool read_decimal(const char *text, const char **ret_rest, const char **ret_fraction)
{
    size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;
    *ret_fraction = NULL;
    if (whole == 0)
        return false;
    if (*rest == '.') {
        size_t fraction = strspn(rest + 1, "0123456789");
        if (fraction == 0)
            return false;
        *ret_fraction = rest + 1;
        rest += 1 + fraction;
    }
    *ret_rest = rest;
    return true;
}

static bool read_digits(const char *s, size_t n, int64_t *ret)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, s[i] - '0', &sum))
            return false;
    }
    *ret = sum;
    return true;
}

/* As a multiple of `scale`, exactly: "1.5" of 1000 is 1500, "0.0001" of 1000 is refused. */
static bool scale_decimal(const char *text, const char *fraction, int64_t scale, int64_t *ret)
{
    int64_t whole, part = 0, divisor = 1;
    if (!read_digits(text, strspn(text, "0123456789"), &whole) ||
        __builtin_mul_overflow(whole, scale, &whole))
        return false;
    size_t n = fraction == NULL ? 0 : strspn(fraction, "0123456789");
    while (n > 0 && fraction[n - 1] == '0')
        n--;
    for (size_t i = 0; i < n; i++) {
        if (__builtin_mul_overflow(divisor, 10, &divisor))
            return false;
    }
    if (n > 0 && (!read_digits(fraction, n, &part) || __builtin_mul_overflow(part, scale, &part)))
        return false;
    return part % divisor == 0 && !__builtin_add_overflow(whole, part / divisor, ret);
}

static enum err bind_units(const struct value *v, const struct unit *units, const char *wanted,
                           void *target)
{
    const char *rest, *fraction;
    if (!is_plain_text(v->node) || !read_decimal(v->node->text, &rest, &fraction))
        return wrong(v, wanted);
    const struct unit *unit = units;
    while (unit->name != NULL && strcmp(unit->name, rest) != 0)
        unit++;
    bool zero = units == durations && strcmp(v->node->text, "0") == 0; /* needs no unit */
    if (unit->name == NULL && !zero)
        return wrong(v, wanted);
    int64_t number = 0;
    if (!zero && !scale_decimal(v->node->text, fraction, unit->scale, &number))
        return wrong(v, wanted);
    const struct unit *shown = units == durations ? &durations[1] : &units[0];
    return store_int64(v, number, shown->name, shown->scale, target);
}

static enum err bind_enum(const struct value *v, void *target)
{
    struct buf wanted = BUF_INIT(MESSAGE_MAX);
    enum err e = buf_adds(&wanted, "one of");
    for (int i = 0; v->field->names[i] != NULL; i++) {
        if (v->node->kind == YAML_TEXT && strcmp(v->node->text, v->field->names[i]) == 0) {
            if (target != NULL)
                *(int *)target = i;
            buf_free(&wanted);
            return OK;
        }
        if (e == OK)
            e = buf_addf(&wanted, "%s %s", i == 0 ? "" : ",", v->field->names[i]);
    }
    e = wrong(v, buf_str(&wanted));
    buf_free(&wanted);
    return e;
}

static enum err bind_strings(const struct value *v, void *target)
{
    size_t n = 0;
    if (v->node->kind != YAML_LIST && v->node->kind != YAML_NULL)
        return wrong(v, "a list of texts");
    for (const struct yaml *c = v->node->child; c != NULL; c = c->next, n++) {
        if (c->kind != YAML_TEXT)
            return wrong(v, "a list of texts");
    }
    if (target == NULL)
        return OK;
    struct yaml_strings *strings = target;
    yaml_strings_free(strings);
    strings->items = n == 0 ? NULL : mem_array(n, sizeof(*strings->items));
    for (const struct yaml *c = v->node->child; c != NULL; c = c->next)
        strings->items[strings->n++] = mem_strdup(c->text);
    return OK;
}

static enum err bind_value(const struct value *v, void *target)
{
    switch (v->field->type) {
    case YAML_F_STRING:
        return bind_string(v, target);
    case YAML_F_INT:
        return bind_int(v, target);
    case YAML_F_DOUBLE:
        return bind_double(v, target);
    case YAML_F_BOOL:
        return bind_bool(v, target);
    case YAML_F_DURATION:
        return bind_units(v, durations, "a duration such as 500ms, 10s, 5m, 2h or 1d", target);
    case YAML_F_SIZE:
        return bind_units(v, sizes, "a size such as 100, 4KiB or 1MiB", target);
    case YAML_F_MONEY:
        return bind_units(v, money, "dollars with at most six decimals, such as 0.25", target);
    case YAML_F_STRINGS:
        return bind_strings(v, target);
    case YAML_F_ENUM:
        return bind_enum(v, target);
    case YAML_F_NODE:
        if (target != NULL)
            *(const struct yaml **)target = v->node;
        return OK;
    default:
        return ERR_INVALID;
    }
}

static const struct yaml_field *find_field(const struct yaml_field *fields, const char *name)
{
    for (; fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) == 0)
            return fields;
    }
    return NULL;
}

static enum err unknown(const struct yaml *node, const char *where, const struct yaml_field *fields,
                        struct errmsg *msg)
{
    struct near n = {.word = node->key, .distance = 3};
    for (const struct yaml_field *f = fields; f->name != NULL; f++)
        near_consider(&n, f->name, strlen(f->name));
    if (n.best != NULL)
        return err_set(msg, ERR_INVALID, "%s: unknown member '%.60s'; did you mean '%s'?", where,
                       node->key, n.best);
    struct buf known = BUF_INIT(MESSAGE_MAX);
    enum err e = OK;
    for (const struct yaml_field *f = fields; f->name != NULL && e == OK; f++)
        e = buf_addf(&known, "%s%s", f == fields ? "" : ", ", f->name);
    e = err_set(msg, ERR_INVALID, "%s: unknown member '%.60s'; known are: %s", where, node->key,
                buf_str(&known));
    buf_free(&known);
    return e;
}

static enum err bind_all(const struct yaml *map, const char *file, const struct yaml_field *fields,
                         char *target, struct errmsg *msg)
{
    for (const struct yaml *c = map->child; c != NULL; c = c->next) {
        const struct yaml_field *field = find_field(fields, c->key);
        char *where = mem_printf("%s:%d", file, c->line);
        struct value v = {.node = c, .field = field, .where = where, .msg = msg};
        enum err e = field == NULL ? unknown(c, where, fields, msg)
                                   : bind_value(&v, target == NULL ? NULL : target + field->offset);
        free(where);
        if (e != OK)
            return e;
    }
    return OK;
}

enum err yaml_bind(const struct yaml *map, const char *file, const struct yaml_field *fields,
                   void *target, struct errmsg *msg)
{
    if (map->kind != YAML_MAP)
        return err_set(msg, ERR_INVALID, "%s:%d: expected members (name: value)", file, map->line);
    enum err e = bind_all(map, file, fields, NULL, msg);
    for (const struct yaml_field *f = fields; e == OK && f->name != NULL; f++) {
        if (f->required && yaml_get(map, f->name) == NULL)
            e = err_set(msg, ERR_INVALID, "%s:%d: '%s' is missing", file, map->line, f->name);
    }
    return e != OK ? e : bind_all(map, file, fields, target, msg);
}

/* "a, b": the items of a list that comes from an option. Adds the nodes to `list`. */
static void split_items(const char *value, struct yaml *list)
{
    struct yaml **tail = &list->child;
    while (*value != '\0') {
        size_t skip = strspn(value, ", \t"), n = strcspn(value + skip, ",");
        value += skip;
        size_t length = n;
        while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
            length--;
        if (length > 0) {
            *tail = mem_alloc(sizeof(**tail));
            (*tail)->kind = YAML_TEXT;
            (*tail)->text = mem_strndup(value, length);
            tail = &(*tail)->next;
        }
        value += n;
    }
}

enum err yaml_bind_text(const char *value, const char *where, const struct yaml_field *field,
                        void *target, struct errmsg *msg)
{
    struct yaml *node = mem_alloc(sizeof(*node));
    enum err e;
    if (field->type == YAML_F_STRINGS) {
        node->kind = YAML_LIST;
        split_items(value, node);
    } else {
        node->kind = YAML_TEXT;
        node->text = mem_strdup(value);
    }
    struct value v = {.node = node, .field = field, .where = where, .alone = true, .msg = msg};
    if (field->type == YAML_F_NODE)
        e = err_set(msg, ERR_UNSUPPORTED, "%s: can only be set in a file", where);
    else
        e = bind_value(&v, (char *)target + field->offset);
    yaml_free(node);
    return e;
}

void yaml_strings_free(struct yaml_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct yaml_strings){0};
}
