/* In: one JSON object as text. Out: the text of one string member, without building a tree. */
#include "text/json.h"

#include <string.h>

#include "text/json_walk.h"

#define NONE ((size_t)-1)

struct search {
    const char *outer, *inner;
    size_t found;      /* where the value's opening quote is; the last one wins, as in a tree */
    bool key_is_outer; /* of the last key at depth 1 */
    bool key_is_inner; /* of the last key at the depth we look at */
    bool inside;       /* the container we look at is open */
};

static bool key_equals(const char *text, size_t quote, const char *name)
{
    char bytes[4];
    size_t pos = quote + 1, n, at = 0, length = strlen(name);
    while ((n = json_walk_char(text, &pos, bytes)) > 0) {
        if (n > length - at || memcmp(name + at, bytes, n) != 0)
            return false;
        at += n;
    }
    return at == length;
}

static void on_key(struct search *s, const struct json_walk *w)
{
    size_t level = s->outer == NULL ? 1 : 2;
    if (w->depth == 1 && s->outer != NULL) {
        s->key_is_outer = key_equals(w->text, w->start, s->outer);
        if (s->key_is_outer)
            s->found = NONE;
    }
    if (w->depth == level && s->inside) {
        s->key_is_inner = key_equals(w->text, w->start, s->inner);
        if (s->key_is_inner)
            s->found = NONE;
    }
}

static void on_value(struct search *s, const struct json_walk *w, enum json_event event)
{
    bool object = event == JSON_EVENT_OPEN && w->text[w->start] == '{';
    size_t level = s->outer == NULL ? 1 : 2;
    if (event == JSON_EVENT_STRING && w->depth == level && s->inside && s->key_is_inner)
        s->found = w->start;
    if (event == JSON_EVENT_OPEN && w->depth == level)
        s->inside = object && (s->outer == NULL || s->key_is_outer);
    if (event == JSON_EVENT_CLOSE && w->depth + 1 == level)
        s->inside = false;
}

static enum err unescape(const char *text, size_t quote, struct buf *out)
{
    char bytes[4];
    size_t pos = quote + 1, n, before = out->len;
    for (;;) {
        size_t run = pos;
        while (text[run] != '"' && text[run] != '\\')
            run++;
        enum err e = buf_add(out, text + pos, run - pos);
        pos = run;
        n = e == OK ? json_walk_char(text, &pos, bytes) : 0;
        if (e == OK && n > 0)
            e = buf_add(out, bytes, n);
        if (e != OK) {
            out->len = before;
            if (out->data != NULL)
                out->data[before] = '\0';
            return e;
        }
        if (n == 0)
            return OK;
    }
}

enum err json_scan_string(const char *text, size_t n, const char *outer, const char *inner,
                          struct buf *out)
{
    struct json_walk w = json_walk_start(text, n);
    struct search s = {.outer = outer, .inner = inner, .found = NONE};
    enum json_event event;
    while ((event = json_walk_next(&w)) < JSON_EVENT_END) {
        if (event == JSON_EVENT_KEY)
            on_key(&s, &w);
        else
            on_value(&s, &w, event);
    }
    if (event != JSON_EVENT_END)
        return ERR_INVALID;
    return s.found == NONE ? ERR_NOT_FOUND : unescape(text, s.found, out);
}
