/* In: a template's text, later a JSON object. Out: a list of pieces, later the filled text. */
#include "text/template.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NESTING_MAX 16
/* Sections in sections over long arrays multiply; this many pieces and elements are enough for any
 * prompt and take well under a second. */
#define STEPS_MAX 4000000

enum kind { KIND_TEXT, KIND_VALUE, KIND_SHOWN, KIND_HIDDEN, KIND_CLOSE, KIND_NOTE };

struct piece {
    enum kind kind;
    int line;
    const char *text; /* KIND_TEXT: inside the template's copy */
    size_t len;
    char *name;  /* "a.b"; otherwise */
    char *parts; /* "a\0b\0"; n_parts of them */
    size_t n_parts;
    size_t close; /* KIND_SHOWN, KIND_HIDDEN: the index of the KIND_CLOSE */
};

struct template
{
    struct arena arena;
    const char *file;
    struct piece *pieces;
    size_t n, cap;
};

struct parser {
    struct template *t;
    const char *file;
    struct errmsg *msg;
    const char *text;
    size_t n, pos;
    int line;
    size_t open[NESTING_MAX];
    size_t depth;
};

/* ---- reading ---- */

static struct piece *add_piece(struct template *t, enum kind kind, int line)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 32 : t->cap * 2;
        t->pieces = mem_resize(t->pieces, t->cap * sizeof(*t->pieces));
    }
    t->pieces[t->n] = (struct piece){.kind = kind, .line = line};
    return &t->pieces[t->n++];
}

static enum err refuse(const struct parser *p, const char *what, const struct piece *piece)
{
    return err_set(p->msg, ERR_INVALID, "%s:%d: %s%s%.60s", p->file, p->line, what,
                   piece == NULL ? "" : " ", piece == NULL ? "" : piece->name);
}

/* Where the two characters are, before `to`; otherwise `to`. */
static size_t find(const struct parser *p, size_t from, size_t to, const char *two)
{
    for (size_t i = from; i + 1 < to; i++) {
        if (p->text[i] == two[0] && p->text[i + 1] == two[1])
            return i;
    }
    return to;
}

static enum kind kind_of(char sigil)
{
    switch (sigil) {
    case '#':
        return KIND_SHOWN;
    case '^':
        return KIND_HIDDEN;
    case '/':
        return KIND_CLOSE;
    case '!':
        return KIND_NOTE;
    default:
        return KIND_VALUE;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Where the line that starts at pos ends (behind its line break), when it holds section tags and
 * notes alone; otherwise 0. */
static size_t bare_line(const struct parser *p)
{
    bool any = false;
    size_t i = p->pos;
    for (;;) {
        while (i < p->n && is_blank(p->text[i]))
            i++;
        if (i >= p->n || p->text[i] == '\n')
            return !any ? 0 : i < p->n ? i + 1 : i;
        if (p->n - i < 3 || p->text[i] != '{' || p->text[i + 1] != '{' ||
            kind_of(p->text[i + 2]) == KIND_VALUE)
            return 0;
        i = find(p, i, p->n, "}}");
        if (i == p->n)
            return 0;
        i += 2;
        any = true;
    }
}

/* "a.b", "." or "@number", with white space around. */
static bool read_name(const struct parser *p, size_t from, size_t to, struct piece *piece)
{
    while (from < to && is_blank(p->text[from]))
        from++;
    while (to > from && is_blank(p->text[to - 1]))
        to--;
    piece->name = arena_strndup(&p->t->arena, p->text + from, to - from);
    piece->parts = arena_strndup(&p->t->arena, p->text + from, to - from);
    piece->n_parts = 1;
    if (strcmp(piece->name, ".") == 0 || strcmp(piece->name, "@number") == 0)
        return true;
    for (char *c = piece->parts; *c != '\0' || c == piece->parts; c++) {
        bool ends = c[0] == '.' || c[0] == '\0';
        if (ends && (c == piece->parts || c[-1] == '\0' || c[0] == '\0' || c[1] == '\0'))
            return false;
        if (c[0] == '.') {
            *c = '\0';
            piece->n_parts++;
        } else if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c) ==
                   NULL) {
            return false;
        }
    }
    return strlen(piece->name) == to - from;
}

static enum err close_section(struct parser *p, const struct piece *closing)
{
    if (p->depth == 0)
        return refuse(p, "nothing is open to be closed by", closing);
    struct piece *opening = &p->t->pieces[p->open[--p->depth]];
    if (strcmp(opening->name, closing->name) != 0)
        return err_set(p->msg, ERR_INVALID, "%s:%d: {{/%.60s}} closes {{%c%.60s}} of line %d",
                       p->file, p->line, closing->name, opening->kind == KIND_SHOWN ? '#' : '^',
                       opening->name, opening->line);
    opening->close = p->t->n - 1;
    return OK;
}

/* At "{{". */
static enum err read_tag(struct parser *p)
{
    size_t end = find(p, p->pos + 2, p->n, "}}");
    if (end == p->n)
        return refuse(p, "{{ is not closed by }}", NULL);
    enum kind kind = kind_of(p->text[p->pos + 2]);
    size_t from = p->pos + 2 + (kind == KIND_VALUE ? 0 : 1);
    int line = p->line;
    for (size_t i = p->pos; i < end; i++)
        p->line += p->text[i] == '\n' ? 1 : 0;
    p->pos = end + 2;
    if (kind == KIND_NOTE)
        return OK;
    p->line = line;
    struct piece *piece = add_piece(p->t, kind, line);
    if (!read_name(p, from, end, piece))
        return refuse(p, "{{...}} holds no name of letters, digits, _ and -, but", piece);
    if (kind == KIND_CLOSE)
        return close_section(p, piece);
    if (kind == KIND_VALUE)
        return OK;
    if (p->depth == NESTING_MAX)
        return refuse(p, "sections are nested too deep at", piece);
    p->open[p->depth++] = p->t->n - 1;
    return OK;
}

/* One line, with its line break. A bare line gives its tags only. */
static enum err read_line(struct parser *p)
{
    size_t bare = bare_line(p), end = bare;
    if (bare == 0) {
        const char *eol = memchr(p->text + p->pos, '\n', p->n - p->pos);
        end = eol == NULL ? p->n : (size_t)(eol - p->text) + 1;
    }
    int line = p->line;
    while (p->pos < end) {
        size_t stop = find(p, p->pos, end, "{{");
        if (bare == 0 && stop > p->pos) {
            struct piece *piece = add_piece(p->t, KIND_TEXT, line);
            piece->text = p->text + p->pos;
            piece->len = stop - p->pos;
        }
        p->pos = stop;
        enum err e = stop < end ? read_tag(p) : OK;
        if (e != OK)
            return e;
    }
    if (p->pos > 0 && p->text[p->pos - 1] == '\n')
        p->line++;
    return OK;
}

enum err template_parse(const char *text, size_t n, const char *file,
                        struct template **ret_template, struct errmsg *msg)
{
    struct template *t = mem_alloc(sizeof(*t));
    struct parser p = {.t = t, .file = file, .msg = msg, .n = n, .line = 1};
    char *copy = arena_alloc(&t->arena, n + 1);
    t->file = arena_strdup(&t->arena, file);
    if (n > 0)
        memcpy(copy, text, n);
    p.text = copy;
    enum err e = strlen(copy) == n ? OK : refuse(&p, "a NUL character in the text", NULL);
    while (e == OK && p.pos < n)
        e = read_line(&p);
    if (e == OK && p.depth > 0) {
        const struct piece *open = &t->pieces[p.open[p.depth - 1]];
        p.line = open->line;
        e = refuse(&p, "this section is never closed:", open);
    }
    if (e != OK) {
        template_free(t);
        return e;
    }
    *ret_template = t;
    return OK;
}

void template_free(struct template *t)
{
    if (t == NULL)
        return;
    arena_free(&t->arena);
    free(t->pieces);
    free(t);
}

const char *template_file(const struct template *t)
{
    return t->file;
}

void template_names(const struct template *t, void (*fn)(void *ctx, const char *name, int line),
                    void *ctx)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct piece *piece = &t->pieces[i];
        if (piece->kind == KIND_TEXT || piece->kind == KIND_CLOSE || piece->name[0] == '.' ||
            piece->name[0] == '@')
            continue;
        fn(ctx, piece->name, piece->line);
    }
}

/* ---- filling ---- */

struct filler {
    const struct template *t;
    struct buf *out;
    const json_t *values;
    const json_t *element[NESTING_MAX]; /* of the arrays we are in */
    size_t number[NESTING_MAX];
    size_t depth;
    size_t steps;
};

static const json_t *look_up(const struct filler *f, const struct piece *piece)
{
    if (piece->name[0] == '.')
        return f->depth == 0 ? NULL : f->element[f->depth - 1];
    const char *part = piece->parts;
    const json_t *value = NULL;
    for (size_t d = f->depth; d > 0 && value == NULL; d--)
        value = json_object_get(f->element[d - 1], part);
    if (value == NULL)
        value = json_object_get(f->values, part);
    for (size_t i = 1; i < piece->n_parts && value != NULL; i++) {
        part += strlen(part) + 1;
        value = json_object_get(value, part);
    }
    return value;
}

static bool is_shown(const json_t *value)
{
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) > 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return json_number_value(value) != 0;
    default:
        return json_is_true(value);
    }
}

static enum err put_value(struct filler *f, const struct piece *piece)
{
    if (piece->name[0] == '@')
        return f->depth == 0 ? OK : buf_addf(f->out, "%zu", f->number[f->depth - 1]);
    const json_t *value = look_up(f, piece);
    if (value == NULL || json_is_null(value))
        return OK;
    if (json_is_string(value))
        return buf_add(f->out, json_string_value(value), json_string_length(value));
    char *text = json_text(value);
    enum err e = buf_adds(f->out, text);
    free(text);
    return e;
}

static enum err fill(struct filler *f, size_t from, size_t to);

static enum err fill_elements(struct filler *f, const json_t *array, size_t from, size_t to)
{
    enum err e = OK;
    f->depth++;
    for (size_t i = 0; i < json_array_size(array) && e == OK; i++) {
        f->element[f->depth - 1] = json_array_get(array, i);
        f->number[f->depth - 1] = i + 1;
        e = ++f->steps > STEPS_MAX ? ERR_TOO_BIG : fill(f, from, to);
    }
    f->depth--;
    return e;
}

static enum err fill_section(struct filler *f, size_t at)
{
    const struct piece *piece = &f->t->pieces[at];
    const json_t *value = look_up(f, piece);
    bool shown = is_shown(value);
    if (piece->kind == KIND_HIDDEN)
        return shown ? OK : fill(f, at + 1, piece->close);
    if (!shown)
        return OK;
    return json_is_array(value) ? fill_elements(f, value, at + 1, piece->close)
                                : fill(f, at + 1, piece->close);
}

static enum err fill(struct filler *f, size_t from, size_t to)
{
    enum err e = OK;
    for (size_t i = from; i < to && e == OK; i++) {
        const struct piece *piece = &f->t->pieces[i];
        if (++f->steps > STEPS_MAX)
            return ERR_TOO_BIG;
        if (piece->kind == KIND_TEXT) {
            e = buf_add(f->out, piece->text, piece->len);
        } else if (piece->kind == KIND_VALUE) {
            e = put_value(f, piece);
        } else {
            e = fill_section(f, i);
            i = piece->close;
        }
    }
    return e;
}

enum err template_fill(const struct template *t, const json_t *values, struct buf *out)
{
    struct filler f = {.t = t, .out = out, .values = values};
    size_t before = out->len;
    enum err e = fill(&f, 0, t->n);
    if (e != OK && out->data != NULL) {
        out->len = before;
        out->data[before] = '\0';
    }
    return e;
}
