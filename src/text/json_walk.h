/* In: JSON text. Out: its tokens in order, each checked against the grammar. Allocates nothing and
 * does not recurse; the ground under json_scan_string() and json_extract(). */
#ifndef TEXT_JSON_WALK_H
#define TEXT_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_event {
    JSON_EVENT_OPEN,   /* { or [ */
    JSON_EVENT_CLOSE,  /* } or ] */
    JSON_EVENT_KEY,    /* with its quotes */
    JSON_EVENT_STRING, /* with its quotes */
    JSON_EVENT_OTHER,  /* number, true, false, null */
    JSON_EVENT_END,    /* the text held one value and white space */
    JSON_EVENT_CUT,    /* the text ended too early */
    JSON_EVENT_BAD,    /* not JSON; `pos` is where */
    JSON_EVENT_MAX
};

struct json_walk {
    const char *text;
    size_t n, pos;       /* pos: behind the last token */
    size_t start, depth; /* start: of the last token */
    uint64_t objects;    /* bit d-1: the open container at depth d is an object */
    int expect;
    bool lenient; /* raw control characters inside strings pass: models write line breaks */
};

struct json_walk json_walk_start(const char *text, size_t n);
enum json_event json_walk_next(struct json_walk *w);

/* One character of a string that the walk has passed: reads at *pos (behind the opening quote),
 * moves on, writes up to four bytes; 0 at the closing quote. */
size_t json_walk_char(const char *text, size_t *pos, char out[4]);

#endif
