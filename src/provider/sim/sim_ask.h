/* In: a prompt. Out: what its request block asks for (docs/pipelines.md). Pure. */
#ifndef PROVIDER_SIM_SIM_ASK_H
#define PROVIDER_SIM_SIM_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

enum ask_kind { ASK_OUTLINE, ASK_REPAIR, ASK_CHUNK, ASK_EXPAND, ASK_CONTINUE, ASK_KIND_MAX };

#define ASK_LIST_MAX 256 /* elements of one name that are read; more are passed over */

struct ask_list {
    const char *items[ASK_LIST_MAX];
    size_t n;
};

struct ask_span { /* of one chunk of an outline */
    int from_s, to_s, words;
};

struct ask {
    enum ask_kind kind;
    int chunk, chunks, words, tags, titles;
    int from_s, to_s;
    bool first, last;
    const char *topic, *hook, *cta, *sponsor, *after; /* NULL when not given */
    struct ask_list points, includes, avoids, missing;
    struct ask_span spans[ASK_LIST_MAX];
    size_t n_spans;
    struct arena arena; /* owns every string */
};

/* False when the prompt has no block that can be read; *ret_ask is then untouched. */
bool ask_read(const char *prompt, size_t n, struct ask *ret_ask);
void ask_free(struct ask *a);

#endif
