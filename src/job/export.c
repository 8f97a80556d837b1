/* In: a finished script. Out: as it is, as plain text, or as JSON. */
#include "job/export.h"

#include <inttypes.h>
#include <string.h>

#include "job/check.h"
#include "job/export_impl.h"
#include "job/section.h"
#include "job/tags.h"
#include "text/json.h"

void export_markdown(const char *script, size_t n, int wpm, struct buf *out)
{
    (void)wpm;
    buf_put(out, script, n);
}

/* ---- plain text ---- */

static bool is_fence(const char *line, size_t n)
{
    return n >= 3 && (memcmp(line, "```", 3) == 0 || memcmp(line, "~~~", 3) == 0);
}

static bool is_rule(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (line[i] != '-' && line[i] != '*' && line[i] != '_' && line[i] != ' ')
            return false;
    }
    return n >= 3;
}

/* "**" and "__" around words; a single '*' or '_' is left when it stands alone. */
static void put_unmarked(struct buf *out, const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool twice = i + 1 < n && line[i] == line[i + 1];
        if ((line[i] == '*' || line[i] == '_') && twice) {
            i++;
            continue;
        }
        bool inner = i > 0 && i + 1 < n && line[i - 1] == ' ' && line[i + 1] == ' ';
        if (line[i] == '`' || (line[i] == '*' && !inner))
            continue;
        buf_put(out, line + i, 1);
    }
}

void export_text(const char *script, size_t n, int wpm, struct buf *out)
{
    (void)wpm;
    size_t pos = 0, len;
    const char *line;
    while (section_next_line(script, n, &pos, &line, &len)) {
        if (is_fence(line, len) || is_rule(line, len))
            continue;
        size_t marks = 0;
        while (marks < len && line[marks] == '#')
            marks++;
        if (marks > 0 && marks < len && line[marks] == ' ') {
            line += marks + 1;
            len -= marks + 1;
        }
        put_unmarked(out, line, len);
        buf_puts(out, "\n");
    }
}

/* ---- JSON ---- */

static void trim(const char *script, size_t *start, size_t *end)
{
    while (*start < *end && strchr(" \t\r\n", script[*start]) != NULL)
        ++*start;
    while (*end > *start && strchr(" \t\r\n", script[*end - 1]) != NULL)
        --*end;
}

static void put_slice(struct buf *out, const char *script, size_t start, size_t end)
{
    trim(script, &start, &end);
    json_put_string(out, script + start, end - start);
}

static void put_section(struct buf *out, const char *script, const struct section *s)
{
    buf_putf(out, "{\"level\":%d,\"title\":", s->level);
    if (s->level > 0)
        json_put_string(out, s->title, s->title_len);
    else
        buf_puts(out, "null");
    if (s->at_s >= 0)
        buf_putf(out, ",\"at_seconds\":%" PRId64 ",\"text\":", s->at_s);
    else
        buf_puts(out, ",\"at_seconds\":null,\"text\":");
    put_slice(out, script, s->body, s->end);
    buf_puts(out, "}");
}

struct tag_list {
    struct buf *out;
    size_t n;
};

static void put_tag(void *ctx, const char *tag, size_t n)
{
    struct tag_list *list = ctx;
    buf_puts(list->out, list->n++ > 0 ? "," : "");
    json_put_string(list->out, tag, n);
}

/* The text before the first heading is a section too, unless it is blank. */
static bool has_something(const char *script, const struct section *s)
{
    size_t start = s->body, end = s->end;
    trim(script, &start, &end);
    return s->level > 0 || end > start;
}

void export_json(const char *script, size_t n, int wpm, struct buf *out)
{
    (void)wpm;
    struct sections all;
    sections_scan(script, n, &all);
    size_t put = 0;
    buf_puts(out, "{\"sections\":[");
    for (size_t i = 0; i < all.n; i++) {
        const struct section *s = &all.items[i];
        if (s->kind != SECTION_SPOKEN || !has_something(script, s))
            continue;
        buf_puts(out, put++ > 0 ? "," : "");
        put_section(out, script, s);
    }
    buf_puts(out, "],\"description\":");
    const struct section *description = sections_find(&all, SECTION_DESCRIPTION);
    if (description != NULL)
        put_slice(out, script, description->body, description->end);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"tags\":[");
    const struct section *tags = sections_find(&all, SECTION_TAGS);
    struct tag_list list = {.out = out};
    if (tags != NULL)
        (void)tags_each(script + tags->body, tags->end - tags->body, put_tag, &list);
    buf_putf(out, "],\"words\":%d}", words_count(script, n));
    sections_free(&all);
}
