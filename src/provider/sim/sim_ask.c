/* In: a prompt with a request block at its end. Out: its attributes and elements. */
#include "provider/sim/sim_ask.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[ASK_KIND_MAX] = {
    [ASK_OUTLINE] = "outline", [ASK_REPAIR] = "repair",     [ASK_CHUNK] = "chunk",
    [ASK_EXPAND] = "expand",   [ASK_CONTINUE] = "continue",
};

/* The value of an attribute in a line's opening tag, into `out`; false when absent. */
static bool attribute(const char *line, size_t n, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i + name_len + 3 <= n && line[i] != '>'; i++) {
        if (line[i] != ' ' || memcmp(line + i + 1, name, name_len) != 0 ||
            line[i + 1 + name_len] != '=' || line[i + 2 + name_len] != '"')
            continue;
        const char *value = line + i + 3 + name_len;
        const char *end = memchr(value, '"', n - (size_t)(value - line));
        if (end == NULL || (size_t)(end - value) >= size)
            return false;
        memcpy(out, value, (size_t)(end - value));
        out[end - value] = '\0';
        return true;
    }
    return false;
}

static int bounded(const char *digits, int max)
{
    long v = strtol(digits, NULL, 10);
    return v < 0 ? 0 : v > max ? max : (int)v;
}

static int attribute_int(const char *line, size_t n, const char *name, int max)
{
    char value[24];
    return attribute(line, n, name, value, sizeof(value)) ? bounded(value, max) : 0;
}

/* mm:ss, minutes past 59 too; 0 when absent or broken. */
static int attribute_time(const char *line, size_t n, const char *name)
{
    char value[24];
    if (!attribute(line, n, name, value, sizeof(value)))
        return 0;
    const char *colon = strchr(value, ':');
    return colon == NULL ? 0 : bounded(value, 100000) * 60 + bounded(colon + 1, 59);
}

static bool attribute_yes(const char *line, size_t n, const char *name)
{
    char value[24];
    return attribute(line, n, name, value, sizeof(value)) && strcmp(value, "yes") == 0;
}

static void list_add(struct ask_list *list, char *text)
{
    if (list->n < ASK_LIST_MAX)
        list->items[list->n++] = text;
}

/* One line inside the block: <name ...>text</name>. Unknown names are skipped. */
static void read_element(struct ask *a, const char *line, size_t n)
{
    const char *open_end = memchr(line, '>', n);
    size_t close = n;
    while (close >= 2 && memcmp(line + close - 2, "</", 2) != 0)
        close--;
    if (n < 3 || line[0] != '<' || open_end == NULL || close < 2 || open_end + 1 > line + close - 2)
        return;
    size_t name_len = strcspn(line + 1, " >");
    char *text = arena_strndup(&a->arena, open_end + 1, (size_t)(line + close - 2 - open_end - 1));
    const struct {
        const char *name;
        const char **one;
        struct ask_list *many;
    } elements[] = {
        {"topic", &a->topic, NULL},      {"hook", &a->hook, NULL},
        {"cta", &a->cta, NULL},          {"sponsor", &a->sponsor, NULL},
        {"after", &a->after, NULL},      {"point", NULL, &a->points},
        {"include", NULL, &a->includes}, {"avoid", NULL, &a->avoids},
        {"missing", NULL, &a->missing},
    };
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        if (strlen(elements[i].name) != name_len ||
            memcmp(elements[i].name, line + 1, name_len) != 0)
            continue;
        if (elements[i].one != NULL)
            *elements[i].one = text;
        else if (elements[i].many != NULL)
            list_add(elements[i].many, text);
    }
    if (name_len == 6 && memcmp(line + 1, "titles", 6) == 0)
        a->titles = bounded(text, 20);
    if (name_len == 5 && memcmp(line + 1, "chunk", 5) == 0 && a->n_spans < ASK_LIST_MAX)
        a->spans[a->n_spans++] = (struct ask_span){
            .from_s = attribute_time(line, n, "from"),
            .to_s = attribute_time(line, n, "to"),
            .words = attribute_int(line, n, "words", 100000),
        };
}

static bool read_opening(struct ask *a, const char *line, size_t n)
{
    char kind[24];
    if (!attribute(line, n, "kind", kind, sizeof(kind)))
        return false;
    a->kind = ASK_KIND_MAX;
    for (int k = 0; k < ASK_KIND_MAX; k++)
        if (strcmp(kind, kind_names[k]) == 0)
            a->kind = (enum ask_kind)k;
    a->chunk = attribute_int(line, n, "chunk", 1000);
    a->chunks = attribute_int(line, n, "chunks", 1000);
    a->words = attribute_int(line, n, "words", 100000);
    a->tags = attribute_int(line, n, "tags", 200);
    a->from_s = attribute_time(line, n, "from");
    a->to_s = attribute_time(line, n, "to");
    a->first = attribute_yes(line, n, "first");
    a->last = attribute_yes(line, n, "last");
    return a->kind != ASK_KIND_MAX;
}

/* Start of the last line that opens with `<request `, or NULL. */
static const char *find_block(const char *prompt, size_t n)
{
    static const char open[] = "<request ";
    const size_t open_len = sizeof(open) - 1;
    for (size_t i = n < open_len ? 0 : n - open_len + 1; i-- > 0;)
        if (prompt[i] == '<' && (i == 0 || prompt[i - 1] == '\n') &&
            memcmp(prompt + i, open, open_len) == 0)
            return prompt + i;
    return NULL;
}

bool ask_read(const char *prompt, size_t n, struct ask *ret_ask)
{
    const char *line = find_block(prompt, n), *end = prompt + n;
    if (line == NULL)
        return false;
    struct ask *a = mem_alloc(sizeof(*a));
    bool opened = false, readable = false;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((newline ? newline : end) - line);
        if (!opened)
            opened = readable = read_opening(a, line, len);
        else if (len >= 10 && memcmp(line, "</request>", 10) == 0)
            break;
        else
            read_element(a, line, len);
        if (!readable || newline == NULL)
            break;
        line = newline + 1;
    }
    if (readable)
        *ret_ask = *a;
    else
        arena_free(&a->arena);
    free(a);
    return readable;
}

void ask_free(struct ask *a)
{
    arena_free(&a->arena);
    memset(a, 0, sizeof(*a));
}
