/* In: JSON as forms wrote it, and a table of shapes. Out: one canonical object. The engine under
 * params.c: what it accepts is said by the table's rows, not by code. */
#ifndef JOB_SHAPE_H
#define JOB_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/json.h"

/* What a member becomes, and what it is made from. In all of them null, blank text and empty lists
 * count as absent, and a text that holds a JSON object or array counts as that. */
enum shape_kind {
    SHAPE_TEXT,    /* text. A number is written out, a list is joined with commas; of an object the
                      member that holds the text is taken, else "name: value; name: value" */
    SHAPE_PROSE,   /* as SHAPE_TEXT, but true, false, yes, no and none say nothing */
    SHAPE_LINES,   /* list of texts. A text is split into its lines */
    SHAPE_WORDS,   /* as SHAPE_LINES; a text of one line is split at its commas */
    SHAPE_FLAG,    /* true or false. A text other than true, false, yes, no, 1, 0 counts as true */
    SHAPE_ANY,     /* true when any of the given members is, as SHAPE_FLAG */
    SHAPE_INTEGER, /* whole number min..max; as number or text */
    SHAPE_SECONDS, /* whole seconds min..max; as number, "90", "90 s" or "2 min" */
    SHAPE_DOLLARS, /* number; as number, "0.5" or "$0.5" */
    SHAPE_CHOICE,  /* one of `choices`; case, spaces, - and _ do not matter */
    SHAPE_CHOICES, /* list of them, as SHAPE_WORDS */
    SHAPE_OBJECT,  /* object of `members`; a text is put into `text_to`, a list into `list_to` */
    SHAPE_LIST,    /* list of such objects */
    SHAPE_KIND_MAX
};

struct shape {
    const char *to; /* canonical name */
    /* Names it is looked for under, strongest first, "a|b|c"; `to` itself comes before. Written in
     * camelCase, they stand for snake_case too. "a=b": true when the member a is the text b. */
    const char *from;
    const char *inside; /* objects and lists: may be nested in one of these, or in `to` or `from` */
    const struct shape *members; /* objects and lists; ends with a NULL `to` */
    const char *text_to, *list_to;
    const char *needs;          /* without any of these members it counts as absent: "a|b" */
    const char *const *choices; /* "canonical|other|other", NULL-terminated */
    int64_t min, max;           /* numbers; texts: max bytes, 0 = SHAPE_TEXT_MAX */
    enum shape_kind kind;
    bool strict; /* a value that does not fit is an error; otherwise it counts as absent */
};

#define SHAPE_TEXT_MAX ((int64_t)256 << 10)
#define SHAPE_LIST_MAX 1000 /* elements. Past these two, strict or not, it is an error */

/* `values` are objects, or texts that hold one, or NULL; the members of the first win. Members that
 * the table does not know are kept. ERR_INVALID with "member: what is wrong". Owned. */
enum err shape_read(const struct shape *members, const char *inside, const json_t *const *values,
                    size_t n, json_t **ret_object, struct errmsg *msg) MUST_CHECK;

#endif
