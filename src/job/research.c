/* In: the request's research. Out: as much of it as a token budget allows. */
#include "job/research.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/join.h"
#include "job/price.h"

#define SOURCES_MAX 200u
#define SOURCE_MIN  40 /* tokens; a shorter rest of a source says nothing */

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `value` (text, or anything as JSON) cut to the budget, which it lowers. Owned, or NULL. */
static json_t *cut(const json_t *value, int64_t *budget)
{
    if (value == NULL || json_is_null(value))
        return NULL;
    char *text = json_is_string(value) ? mem_strdup(json_string_value(value)) : json_text(value);
    size_t n = strlen(text);
    int64_t tokens = tokens_estimate(text, n);
    if (tokens > *budget) {
        size_t bytes = (size_t)((double)n * (double)*budget / (double)tokens);
        n = join_full_sentences(text, bytes);
        tokens = n == 0 ? 0 : min64(tokens_estimate(text, n), *budget);
    }
    json_t *result = n == 0 ? NULL : json_stringn(text, n);
    if (result != NULL)
        *budget -= tokens;
    free(text);
    return result;
}

/* 0 starred, 1 verified, 2 neither. */
static int rank_of(const json_t *source)
{
    if (json_flag(source, "starred", false))
        return 0;
    return json_flag(source, "verified", false) ? 1 : 2;
}

/* A source with its content cut; a source whose content does not fit at all is left out. */
static json_t *cut_source(const json_t *source, int64_t share, int64_t *budget)
{
    const json_t *content = json_object_get(source, "content");
    json_t *copy = json_deep_copy(source);
    json_object_del(copy, "content");
    char *head = json_text(copy);
    int64_t tokens = tokens_estimate(head, strlen(head)), left = min64(share, *budget) - tokens;
    free(head);
    if (left < 0 || (content != NULL && left < SOURCE_MIN)) {
        json_decref(copy);
        return NULL;
    }
    int64_t before = left;
    json_t *text = cut(content, &left);
    if (text != NULL)
        json_object_set_new(copy, "content", text);
    *budget -= tokens + before - left;
    return copy;
}

static json_t *cut_sources(const json_t *sources, int64_t budget)
{
    json_t *kept = json_array();
    size_t n = json_array_size(sources);
    n = n < SOURCES_MAX ? n : SOURCES_MAX;
    for (int rank = 0; rank <= 2; rank++) {
        for (size_t i = 0; i < n; i++) {
            const json_t *source = json_array_get(sources, i);
            if (!json_is_object(source) || rank_of(source) != rank)
                continue;
            /* Never all that is left, so that one long source does not silence the others. */
            int64_t share = n == 1 ? budget : budget / 2;
            json_t *copy = cut_source(source, share, &budget);
            if (copy != NULL)
                json_array_append_new(kept, copy);
        }
    }
    return kept;
}

json_t *research_trim(const json_t *research, int64_t tokens)
{
    if (!json_is_object(research) || tokens <= 0)
        return NULL;
    char *all = json_text(research);
    bool fits = tokens_estimate(all, strlen(all)) <= tokens;
    free(all);
    if (fits)
        return json_deep_copy(research);
    json_t *out = json_object();
    int64_t left = tokens;
    const char *const texts[] = {"summary", "insights"};
    for (size_t i = 0; i < 2; i++) {
        int64_t share = tokens / 4, before = share;
        json_t *text = cut(json_object_get(research, texts[i]), &share);
        left -= before - share;
        if (text != NULL)
            json_object_set_new(out, texts[i], text);
    }
    json_t *sources = cut_sources(json_object_get(research, "sources"), left);
    if (json_array_size(sources) > 0)
        json_object_set(out, "sources", sources);
    json_decref(sources);
    if (json_object_size(out) == 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}
