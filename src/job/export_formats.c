/* In: a format's name. Out: who makes it; what all of them share. */
#include <string.h>

#include "job/export.h"
#include "job/export_impl.h"

const struct export_format export_formats[] = {
    {"md", "md", "text/markdown; charset=utf-8", export_markdown},
    {"txt", "txt", "text/plain; charset=utf-8", export_text},
    {"teleprompter", "teleprompter.txt", "text/plain; charset=utf-8", export_teleprompter},
    {"json", "json", "application/json", export_json},
    {"srt", "srt", "application/x-subrip; charset=utf-8", export_srt},
    {"vtt", "vtt", "text/vtt; charset=utf-8", export_vtt},
    {"fountain", "fountain", "text/plain; charset=utf-8", export_fountain},
};
const size_t export_format_count = sizeof export_formats / sizeof export_formats[0];

const struct export_format *export_find(const char *name, size_t n)
{
    for (size_t i = 0; i < export_format_count; i++) {
        if (strlen(export_formats[i].name) == n && memcmp(name, export_formats[i].name, n) == 0)
            return &export_formats[i];
    }
    return NULL;
}

void export_put_names(struct buf *out)
{
    for (size_t i = 0; i < export_format_count; i++)
        buf_putf(out, "%s%s", i > 0 ? ", " : "", export_formats[i].name);
}

void export_put_clean(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool edge = i == 0 || i + 1 == n || text[i - 1] == '_' || text[i + 1] == '_';
        unsigned char c = (unsigned char)text[i];
        if (c == '\n' || c == '\t')
            buf_puts(out, " ");
        else if (c >= 0x20u && c != 0x7Fu && c != '*' && c != '`' && !(c == '_' && edge))
            buf_put(out, text + i, 1);
    }
}

static bool ends_with(const char *word, size_t n, const char *end)
{
    size_t len = strlen(end);
    return n >= len && memcmp(word + n - len, end, len) == 0;
}

/* Rules, list marks, quotes and the like. */
static bool is_markup(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr("-*_#>~=|+`", text[i]) == NULL)
            return false;
    }
    return true;
}

bool export_is_shown(const struct section_piece *piece)
{
    return piece->kind == PIECE_WORD ||
           (piece->kind == PIECE_MARK && !is_markup(piece->text, piece->len));
}

bool export_ends_sentence(const char *word, size_t n)
{
    static const char *const closing[] = {"\"", "'", ")", "*", "_", "»", "”", "’", "」"};
    static const char *const ends[] = {".", "!", "?", "…", "。", "！", "？"};
    for (size_t i = 0; i < sizeof closing / sizeof closing[0]; i++) {
        if (n > strlen(closing[i]) && ends_with(word, n, closing[i])) {
            n -= strlen(closing[i]);
            i = (size_t)-1; /* once more from the first */
        }
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ends_with(word, n, ends[i]))
            return true;
    }
    return false;
}
