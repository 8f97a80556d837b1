/* In: what stands under `## Tags`. Out: the single tags. */
#include "job/tags.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "job/section.h"

static bool is_mark(char c)
{
    return c != '\0' && strchr(" \t\r#*-`\"", c) != NULL;
}

/* "#baking #bread": hash marks separate too, when a blank is before them. */
static bool ends_tag(const char *text, size_t n, size_t i)
{
    if (text[i] == ',' || text[i] == ';' || text[i] == '\n')
        return true;
    return text[i] == ' ' && i + 1 < n && text[i + 1] == '#';
}

size_t tags_each(const char *text, size_t n, tags_fn fn, void *ctx)
{
    uint64_t seen[TAGS_MAX];
    size_t found = 0, start = 0;
    for (size_t i = 0; i <= n && found < TAGS_MAX; i++) {
        if (i < n && !ends_tag(text, n, i))
            continue;
        size_t from = start, end = i;
        start = i + 1;
        while (from < end && is_mark(text[from]))
            from++;
        while (end > from && is_mark(text[end - 1]))
            end--;
        if (end == from || end - from > TAG_BYTES_MAX)
            continue;
        uint64_t print = section_fingerprint(text + from, end - from);
        bool known = false;
        for (size_t k = 0; k < found && !known; k++)
            known = seen[k] == print;
        if (known)
            continue;
        seen[found++] = print;
        if (fn != NULL)
            fn(ctx, text + from, end - from);
    }
    return found;
}
