/* In: YAML text (libyaml's events). Out: a tree in the file's order, every node with its line. */
#include "text/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/mem.h"

struct reader {
    const char *file;
    struct errmsg *msg;
    struct yaml *root;
    struct yaml *open[YAML_DEPTH_MAX]; /* the containers we are in */
    struct yaml **tail[YAML_DEPTH_MAX];
    int depth;
    char *key; /* read, its value not yet; owned */
    int key_line;
    int documents;
};

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static enum err refuse(struct reader *r, const yaml_event_t *event, const char *what)
{
    return err_set(r->msg, ERR_INVALID, "%s:%d: %s", r->file, line_of(&event->start_mark), what);
}

static bool wants_key(const struct reader *r)
{
    return r->depth > 0 && r->open[r->depth - 1]->kind == YAML_MAP && r->key == NULL;
}

/* Hangs a new node where the next value belongs. */
static struct yaml *add_node(struct reader *r, enum yaml_kind kind, int line)
{
    struct yaml *node = mem_alloc(sizeof *node);
    node->kind = kind;
    node->line = r->key != NULL ? r->key_line : line;
    node->key = r->key;
    r->key = NULL;
    if (r->depth == 0) {
        r->root = node;
    } else {
        *r->tail[r->depth - 1] = node;
        r->tail[r->depth - 1] = &node->next;
    }
    return node;
}

static bool is_null_word(const char *s)
{
    return *s == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 ||
           strcmp(s, "NULL") == 0;
}

static enum err on_scalar(struct reader *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    int line = line_of(&event->start_mark);
    if (event->data.scalar.anchor != NULL)
        return refuse(r, event, "anchors (&name) are not supported; write the value out");
    if (event->data.scalar.tag != NULL)
        return refuse(r, event, "tags (!name) are not supported");
    if (strlen(text) != n)
        return refuse(r, event, "a NUL character inside a text");
    if (wants_key(r)) {
        r->key = mem_strndup(text, n);
        r->key_line = line;
        return OK;
    }
    bool null = plain && is_null_word(text);
    struct yaml *node = add_node(r, null ? YAML_NULL : YAML_TEXT, line);
    node->quoted = !plain;
    if (!null)
        node->text = mem_strndup(text, n);
    return OK;
}

static enum err on_open(struct reader *r, const yaml_event_t *event, enum yaml_kind kind,
                        const void *anchor, const void *tag)
{
    if (anchor != NULL)
        return refuse(r, event, "anchors (&name) are not supported; write the value out");
    if (tag != NULL)
        return refuse(r, event, "tags (!name) are not supported");
    if (wants_key(r))
        return refuse(r, event, "the name of a member must be a plain text");
    if (r->depth == YAML_DEPTH_MAX)
        return err_set(r->msg, ERR_TOO_BIG, "%s:%d: nested deeper than %d", r->file,
                       line_of(&event->start_mark), YAML_DEPTH_MAX);
    struct yaml *node = add_node(r, kind, line_of(&event->start_mark));
    r->open[r->depth] = node;
    r->tail[r->depth] = &node->child;
    r->depth++;
    return OK;
}

static int by_key_then_line(const void *a, const void *b)
{
    const struct yaml *x = *(const struct yaml *const *)a, *y = *(const struct yaml *const *)b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorted, so that a map of a million bytes costs no square. */
static const struct yaml *first_repeat(const struct yaml *map)
{
    size_t n = 0, i = 0;
    for (const struct yaml *c = map->child; c != NULL; c = c->next)
        n++;
    if (n < 2)
        return NULL;
    const struct yaml **all = mem_array(n, sizeof(const struct yaml *));
    for (const struct yaml *c = map->child; c != NULL; c = c->next)
        all[i++] = c;
    qsort(all, n, sizeof(const struct yaml *), by_key_then_line);
    const struct yaml *first = NULL;
    for (i = 1; i < n; i++) {
        if (strcmp(all[i]->key, all[i - 1]->key) == 0 &&
            (first == NULL || all[i]->line < first->line))
            first = all[i];
    }
    free(all);
    return first;
}

static enum err on_close(struct reader *r)
{
    if (r->depth == 0)
        return OK; /* cannot be: libyaml closes what it opened */
    const struct yaml *node = r->open[--r->depth];
    const struct yaml *repeat = node->kind == YAML_MAP ? first_repeat(node) : NULL;
    if (repeat != NULL)
        return err_set(r->msg, ERR_INVALID, "%s:%d: '%.100s' is given twice", r->file, repeat->line,
                       repeat->key);
    return OK;
}

static enum err on_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return r->documents++ == 0 ? OK : refuse(r, event, "a second document; one is allowed");
    case YAML_ALIAS_EVENT:
        return refuse(r, event, "aliases (*name) are not supported; write the value out");
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, event, YAML_LIST, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_open(r, event, YAML_MAP, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(r);
    default:
        return OK;
    }
}

static enum err parser_error(const yaml_parser_t *parser, const char *file, struct errmsg *msg)
{
    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    int line = line_of(&parser->problem_mark);
    if (parser->error == YAML_READER_ERROR)
        return err_set(msg, ERR_INVALID, "%s: %s at byte %zu", file, parser->problem,
                       parser->problem_offset);
    return err_set(msg, ERR_INVALID, "%s:%d: %s", file, line, parser->problem);
}

static enum err read_all(struct reader *r, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parser_error(parser, r->file, r->msg);
        bool end = event.type == YAML_STREAM_END_EVENT;
        enum err e = on_event(r, &event);
        yaml_event_delete(&event);
        if (e != OK || end)
            return e;
    }
}

enum err yaml_parse(const char *text, size_t n, const char *file, struct yaml **ret_root,
                    struct errmsg *msg)
{
    if (n > YAML_SIZE_MAX)
        return err_set(msg, ERR_TOO_BIG, "%s: larger than %u bytes", file, YAML_SIZE_MAX);
    struct reader reader = {.file = file, .msg = msg};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        abort(); /* out of memory, its only failure */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(n == 0 ? "" : text), n);
    enum err e = read_all(&reader, &parser);
    yaml_parser_delete(&parser);
    free(reader.key);
    if (e != OK) {
        yaml_free(reader.root);
        return e;
    }
    if (reader.root == NULL || (reader.root->kind == YAML_NULL && !reader.root->quoted)) {
        yaml_free(reader.root);
        reader.root = mem_alloc(sizeof(*reader.root));
        reader.root->kind = YAML_MAP;
        reader.root->line = 1;
    }
    *ret_root = reader.root;
    return OK;
}

void yaml_free(struct yaml *root)
{
    while (root != NULL) {
        struct yaml *next = root->next;
        yaml_free(root->child); /* as deep as YAML_DEPTH_MAX */
        free(root->key);
        free(root->text);
        free(root);
        root = next;
    }
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml *c = map->child; c != NULL; c = c->next) {
        if (strcmp(c->key, key) == 0)
            return c;
    }
    return NULL;
}
