/* In: what a model wrote around and inside its JSON. Out: the JSON alone, closed where it was cut.
 */
#include "text/json.h"

#include <string.h>

#include "base/mem.h"
#include "text/json_walk.h"

struct piece {
    size_t start, end;
    size_t depth;     /* containers to close behind `end` */
    uint64_t objects; /* which of them are objects */
    bool found;
};

/* Brackets that open no JSON are walked in vain: after this many times the text's length in all,
 * what was walked is not looked at again. Keeps the time linear. */
#define WALKS_MAX 8

/* The value that starts at `start`. Complete: depth 0. Cut: up to its last complete part, if there
 * is one. *ret_walked: bytes looked at. */
static struct piece piece_at(const char *text, size_t n, size_t start, size_t *ret_walked)
{
    struct piece piece = {.start = start};
    struct json_walk w = json_walk_start(text + start, n - start);
    w.lenient = true;
    enum json_event event;
    while ((event = json_walk_next(&w)) < JSON_EVENT_END) {
        bool cut_number = event == JSON_EVENT_OTHER && w.pos == w.n && w.text[w.pos - 1] <= '9';
        if (event == JSON_EVENT_OPEN || event == JSON_EVENT_KEY || cut_number)
            continue;
        piece.end = start + w.pos;
        piece.depth = w.depth;
        piece.objects = w.objects;
        if (w.depth == 0)
            break;
    }
    piece.found = piece.end > 0 && event != JSON_EVENT_BAD;
    *ret_walked = w.pos > 0 ? w.pos : 1;
    return piece;
}

/* "[1]" or "[12, 30]": more often a note or a time in the words around than the answer. */
static bool is_plain_array(const char *text, const struct piece *piece)
{
    return text[piece->start] == '[' &&
           memchr(text + piece->start, '"', piece->end - piece->start) == NULL &&
           memchr(text + piece->start, '{', piece->end - piece->start) == NULL;
}

static struct piece best_piece(const char *text, size_t n)
{
    struct piece plain = {.found = false};
    size_t total = 0;
    for (size_t i = 0, walked = 1; i < n; i += walked) {
        walked = 1;
        if (text[i] != '{' && text[i] != '[')
            continue;
        struct piece piece = piece_at(text, n, i, &walked);
        if (piece.found && !is_plain_array(text, &piece))
            return piece;
        if (piece.found && !plain.found)
            plain = piece;
        total += walked;
        if (!piece.found && total / WALKS_MAX < n)
            walked = 1;
    }
    return plain;
}

/* Copies, with line breaks and their like inside strings escaped as JSON wants them. */
static void copy_escaped(struct buf *out, const char *s, size_t n)
{
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string && (unsigned char)s[i] < 0x20) {
            buf_putf(out, "\\u%04x", (unsigned)s[i]);
            continue;
        }
        buf_put(out, s + i, 1);
        if (s[i] == '"')
            in_string = !in_string;
        else if (s[i] == '\\' && in_string && i + 1 < n)
            buf_put(out, s + ++i, 1);
    }
}

char *json_extract(const char *text, size_t n)
{
    struct piece piece = best_piece(text, n);
    if (!piece.found)
        return NULL;
    size_t length = piece.end - piece.start;
    struct buf out = BUF_INIT(length * 6 + JSON_DEPTH_MAX);
    copy_escaped(&out, text + piece.start, length);
    for (size_t depth = piece.depth; depth > 0; depth--)
        buf_puts(&out, (piece.objects >> (depth - 1) & 1) != 0 ? "}" : "]");
    return buf_take(&out);
}
