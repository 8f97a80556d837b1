/* In: a script's Markdown. Out: sections, times and spoken words. One pass each. */
#include "job/section.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define CUE_MAX 1000u   /* a bracket that is not closed within this is no cue */
#define BLANKS  " \t\r" /* what a heading may be indented by */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool section_next_line(const char *text, size_t n, size_t *pos, const char **ret_line,
                       size_t *ret_len)
{
    if (*pos >= n)
        return false;
    const char *start = text + *pos;
    const char *newline = memchr(start, '\n', n - *pos);
    size_t len = newline == NULL ? n - *pos : (size_t)(newline - start);
    *pos += len + (newline != NULL);
    if (len > 0 && start[len - 1] == '\r')
        len--;
    *ret_line = start;
    *ret_len = len;
    return true;
}

/* ---- times ---- */

/* Reads min..max digits. Returns how many, 0 when there are too few or too many. */
static size_t digits(const char *p, size_t n, size_t min, size_t max, int64_t *ret)
{
    size_t i = 0;
    int64_t value = 0;
    for (; i < n && i <= max && is_digit(p[i]); i++)
        value = value * 10 + (p[i] - '0');
    if (i < min || i > max)
        return 0;
    *ret = value;
    return i;
}

size_t section_time(const char *p, size_t n, int64_t *ret_seconds)
{
    int64_t a = 0, b = 0, c = 0;
    size_t len = digits(p, n, 1, 3, &a);
    if (len == 0 || n - len < 3 || p[len] != ':' || digits(p + len + 1, n - len - 1, 2, 2, &b) == 0)
        return 0;
    len += 3;
    int64_t seconds = a * 60 + b;
    if (n - len >= 3 && p[len] == ':' && digits(p + len + 1, n - len - 1, 2, 2, &c) != 0) {
        len += 3;
        seconds = a * 3600 + b * 60 + c;
    } else if (n > len && p[len] == ':') {
        return 0;
    }
    if (b > 59 || c > 59)
        return 0;
    *ret_seconds = seconds;
    return len;
}

static size_t skip_any(const char *p, size_t n, size_t i, const char *set)
{
    while (i < n && strchr(set, p[i]) != NULL && p[i] != '\0')
        i++;
    return i;
}

/* "02:30", "02:30 - 05:00", "02:30–05:00": the first counts; returns the length of all. */
static size_t time_range(const char *p, size_t n, int64_t *ret_seconds)
{
    size_t len = section_time(p, n, ret_seconds);
    if (len == 0)
        return 0;
    size_t i = skip_any(p, n, len, " ");
    if (i < n && p[i] == '-')
        i++;
    else if (n - i >= 3 && memcmp(p + i, "\xE2\x80\x93", 3) == 0) /* – */
        i += 3;
    else
        return len;
    i = skip_any(p, n, i, " ");
    int64_t end;
    size_t second = section_time(p + i, n - i, &end);
    return second == 0 ? len : i + second;
}

size_t section_line_time(const char *line, size_t n, int64_t *ret_seconds)
{
    size_t indent = skip_any(line, n, 0, BLANKS), i = skip_any(line, n, indent, "#*_>- \t");
    bool heading = indent < n && line[indent] == '#';
    bool bracket = i < n && (line[i] == '[' || line[i] == '(');
    if (!heading && !bracket)
        return 0;
    int64_t seconds;
    size_t len = time_range(line + i + bracket, n - i - bracket, &seconds);
    if (len == 0)
        return 0;
    i += bracket + len;
    if (bracket && (i == n || (line[i] != ']' && line[i] != ')')))
        return 0;
    *ret_seconds = seconds;
    return i + bracket;
}

/* ---- sections ---- */

static int heading_level(const char *line, size_t n)
{
    size_t indent = skip_any(line, n, 0, BLANKS), end = skip_any(line, n, indent, "#");
    bool heading = end > indent && end - indent <= 6 && end < n && line[end] == ' ';
    return heading ? (int)(end - indent) : 0;
}

/* Title without marks and time: "### **[02:30] Shaping**" -> "Shaping". */
static void set_title(struct section *s, const char *line, size_t n)
{
    size_t i = section_line_time(line, n, &s->at_s);
    i = skip_any(line, n, i == 0 ? skip_any(line, n, 0, BLANKS "#") : i, " \t*_:-");
    if (n - i >= 3 && memcmp(line + i, "\xE2\x80\x93", 3) == 0)
        i = skip_any(line, n, i + 3, " \t*_");
    while (n > i && (is_space(line[n - 1]) || strchr("*_#", line[n - 1]) != NULL))
        n--;
    s->title = line + i;
    s->title_len = n - i;
    if (s->at_s >= 0 || n == i || (line[n - 1] != ')' && line[n - 1] != ']'))
        return;
    size_t open = n - 1; /* the time may close the heading: "### Shaping (02:30)" */
    while (open > i && line[open] != '(' && line[open] != '[')
        open--;
    if (open + 1 == n)
        return;
    int64_t at;
    size_t len = time_range(line + open + 1, n - open - 2, &at);
    if (len == 0 || len != n - open - 2)
        return;
    s->at_s = at;
    while (open > i && is_space(line[open - 1]))
        open--;
    s->title_len = open - i;
}

static bool title_is(const struct section *s, const char *name)
{
    size_t len = strlen(name);
    return s->title_len >= len && strncasecmp(s->title, name, len) == 0 &&
           (s->title_len == len || (s->title_len == len + 1 && s->title[len] == ':'));
}

/* Level 1 or 2 only: "### Tags" may well be a spoken section about tags. */
static enum section_kind kind_of(const struct section *s)
{
    if (s->level < 1 || s->level > 2 || s->at_s >= 0)
        return SECTION_SPOKEN;
    if (title_is(s, "Description") || title_is(s, "Video Description"))
        return SECTION_DESCRIPTION;
    if (title_is(s, "Tags"))
        return SECTION_TAGS;
    return title_is(s, "Titles") ? SECTION_TITLES : SECTION_SPOKEN;
}

static struct section *add(struct sections *out, size_t *cap, size_t start)
{
    if (out->n == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        out->items = mem_resize(out->items, *cap * sizeof(*out->items));
    }
    struct section *s = &out->items[out->n++];
    *s = (struct section){.at_s = -1, .start = start, .body = start, .title = ""};
    return s;
}

void sections_scan(const char *text, size_t n, struct sections *ret_sections)
{
    struct sections out = {.spoken_end = n};
    size_t cap = 0, pos = 0, at = 0, len;
    const char *line;
    for (; section_next_line(text, n, &pos, &line, &len); at = pos) {
        int level = heading_level(line, len);
        if (level == 0 && out.n > 0)
            continue;
        if (out.n > 0)
            out.items[out.n - 1].end = at;
        struct section *s = add(&out, &cap, at);
        s->level = level;
        if (level == 0)
            continue;
        s->body = pos;
        set_title(s, line, len);
        s->kind = kind_of(s);
        if (s->kind != SECTION_SPOKEN && out.spoken_end == n)
            out.spoken_end = at;
    }
    if (out.n > 0)
        out.items[out.n - 1].end = n;
    *ret_sections = out;
}

void sections_free(struct sections *s)
{
    free(s->items);
    *s = (struct sections){0};
}

const struct section *sections_find(const struct sections *s, enum section_kind kind)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].kind == kind)
            return &s->items[i];
    return NULL;
}

/* ---- words ---- */

static bool is_time_token(const char *w, size_t n)
{
    size_t from = skip_any(w, n, 0, "([*_"), end = n;
    while (end > from && strchr(")]*_.,:;", w[end - 1]) != NULL)
        end--;
    int64_t seconds;
    size_t len = time_range(w + from, end - from, &seconds);
    return len > 0 && len == end - from;
}

/* U+3040..U+9FFF */
bool section_is_wide(const char *p, size_t n)
{
    unsigned char a = (unsigned char)p[0];
    if (n < 3)
        return false;
    return (a == 0xE3u && (unsigned char)p[1] >= 0x81u) || (a >= 0xE4u && a <= 0xE9u);
}

/* What a token counts: 0 for bare marks, else 1, or half a word per wide character. */
static int weigh(const char *w, size_t n)
{
    int wide = 0;
    bool letter = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)w[i];
        if (c < 0x80u) {
            letter = letter || is_digit(w[i]) || (c | 0x20u) - 'a' < 26u;
        } else if (section_is_wide(w + i, n - i)) {
            wide++;
            i += 2;
        } else if (c == 0xE2u && n - i >= 3 && (unsigned char)w[i + 1] <= 0x81u) {
            i += 2; /* dashes, quotes, bullets: U+2000..U+207F */
        } else if (c == 0xE3u && n - i >= 3) {
            i += 2; /* CJK marks */
        } else {
            letter = letter || c >= 0xC3u;
        }
    }
    return wide > 0 ? (wide + 1) / 2 : letter;
}

/* The offset behind a cue that opens at i: "[VISUAL: a map]"; i when it is none. A cue does not
 * reach over an empty line or into a heading. */
static size_t skip_cue(const char *text, size_t n, size_t i)
{
    size_t stop = n - i > CUE_MAX ? i + CUE_MAX : n;
    for (size_t k = i + 1; k < stop; k++) {
        if (text[k] == ']')
            return k + 1;
        size_t next = text[k] == '\n' ? skip_any(text, n, k + 1, BLANKS) : n;
        if (text[k] == '[' || (next < n && strchr("\n\r#", text[next]) != NULL))
            break;
    }
    return i;
}

struct walk {
    const char *text;
    size_t n, last; /* end of the piece before */
    section_piece_fn fn;
    void *ctx;
};

/* An empty line, perhaps with blanks in it. */
static bool has_empty_line(const char *p, size_t n)
{
    bool empty = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && empty)
            return true;
        empty = p[i] == '\n' || (empty && is_space(p[i]));
    }
    return false;
}

static void tell(struct walk *w, struct section_piece piece, size_t end)
{
    piece.text = w->text + piece.offset;
    piece.apart = w->last > 0 && has_empty_line(w->text + w->last, piece.offset - w->last);
    w->last = end;
    w->fn(w->ctx, &piece);
}

static void tell_token(struct walk *w, size_t start, size_t end)
{
    size_t len = end - start;
    if (is_time_token(w->text + start, len))
        return;
    int weight = weigh(w->text + start, len);
    tell(w,
         (struct section_piece){.kind = weight > 0 ? PIECE_WORD : PIECE_MARK,
                                .offset = start,
                                .len = len,
                                .weight = weight},
         end);
}

/* Returns where it has come to: a cue may end behind the line. */
static size_t walk_line(struct walk *w, size_t i, size_t end)
{
    while (i < end) {
        if (is_space(w->text[i])) {
            i++;
            continue;
        }
        size_t cue = w->text[i] == '[' ? skip_cue(w->text, w->n, i) : i;
        if (cue > i) {
            tell(w, (struct section_piece){.kind = PIECE_CUE, .offset = i + 1, .len = cue - i - 2},
                 cue);
            i = cue;
            continue;
        }
        size_t start = i++;
        while (i < end && !is_space(w->text[i]) && w->text[i] != '[')
            i++;
        tell_token(w, start, i);
    }
    return i;
}

void section_pieces(const char *text, size_t n, section_piece_fn fn, void *ctx)
{
    struct walk w = {.text = text, .n = n, .fn = fn, .ctx = ctx};
    for (size_t pos = 0; pos < n;) {
        const char *newline = memchr(text + pos, '\n', n - pos);
        size_t end = newline == NULL ? n : (size_t)(newline - text);
        struct section s = {.level = heading_level(text + pos, end - pos), .at_s = -1};
        if (s.level == 0) {
            pos = walk_line(&w, pos, end);
            pos = pos < end + 1 ? end + 1 : pos;
            continue;
        }
        set_title(&s, text + pos, end - pos);
        if (kind_of(&s) != SECTION_SPOKEN)
            break;
        tell(&w,
             (struct section_piece){.kind = PIECE_HEADING,
                                    .offset = (size_t)(s.title - text),
                                    .len = s.title_len,
                                    .level = s.level},
             end);
        pos = end + 1;
    }
}

struct word_count {
    section_word_fn fn;
    void *ctx;
    int words;
};

static void count_word(void *ctx, const struct section_piece *piece)
{
    struct word_count *count = ctx;
    if (piece->kind != PIECE_WORD)
        return;
    count->words += piece->weight;
    if (count->fn != NULL)
        count->fn(count->ctx, piece->text, piece->len, piece->offset);
}

int section_words(const char *text, size_t n, section_word_fn fn, void *ctx)
{
    struct word_count count = {.fn = fn, .ctx = ctx};
    section_pieces(text, n, count_word, &count);
    return count.words;
}

uint64_t section_fingerprint(const char *text, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c | 0x20u);
        if (c >= 0x80u || is_digit((char)c) || (c >= 'a' && c <= 'z'))
            h = (h ^ c) * 1099511628211u;
    }
    return h;
}
