/* In: a finished script. Out: subtitles: what is spoken, two lines at a time, each cue from its
 * first word's time to the next one's, by so many words per minute. */
#include <inttypes.h>

#include "base/clock.h"
#include "job/export_impl.h"

#define LINE_MAX_CHARS 42 /* what a screen shows in one line, by common practice */
#define LINES          2
#define SHORT_CHARS    20 /* a sentence that ends before this is followed by the next in one cue */

struct cues {
    struct buf *out;
    bool vtt;
    int wpm;
    int64_t words;    /* before the next word */
    int64_t start_us; /* of the cue that is being filled */
    int64_t n;        /* cues written */
    struct buf text;  /* of the cue, its lines */
    size_t line;      /* characters in its last line */
    int lines;
    size_t chars; /* in the whole cue */
    bool sentence_ended;
};

static int64_t time_of(const struct cues *c, int64_t words)
{
    return words * 60 * USEC_PER_SEC / c->wpm;
}

/* ---- writing ---- */

static void put_time(const struct cues *c, int64_t us)
{
    int64_t ms = us / USEC_PER_MSEC;
    buf_putf(c->out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 "%c%03" PRId64, ms / 3600000,
             ms / 60000 % 60, ms / 1000 % 60, c->vtt ? '.' : ',', ms % 1000);
}

/* "-->" is the mark of a cue's times; in WebVTT markup begins with '<' and '&'. */
static void put_text(const struct cues *c)
{
    for (size_t i = 0; i < c->text.len; i++) {
        char byte = c->text.data[i];
        bool arrow = byte == '>' && i > 0 && c->text.data[i - 1] == '-';
        if (c->vtt && byte == '&')
            buf_puts(c->out, "&amp;");
        else if (c->vtt && byte == '<')
            buf_puts(c->out, "&lt;");
        else if (c->vtt && byte == '>')
            buf_puts(c->out, "&gt;");
        else if (arrow)
            buf_puts(c->out, " >");
        else
            buf_put(c->out, &byte, 1);
    }
}

static void end_cue(struct cues *c, int64_t end_us)
{
    if (c->text.len == 0)
        return;
    c->n++;
    if (!c->vtt)
        buf_putf(c->out, "%" PRId64 "\n", c->n);
    put_time(c, c->start_us);
    buf_puts(c->out, " --> ");
    put_time(c, end_us);
    buf_puts(c->out, "\n");
    put_text(c);
    buf_puts(c->out, "\n\n");
    buf_clear(&c->text);
}

/* ---- filling ---- */

static bool is_first_byte(char c)
{
    return ((unsigned char)c & 0xC0u) != 0x80u;
}

static size_t count_chars(const char *text, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += is_first_byte(text[i]);
    return chars;
}

static bool fits(const struct cues *c, size_t chars)
{
    return c->text.len > 0 && c->line + 1 + chars <= LINE_MAX_CHARS;
}

/* What fits beside what is there goes on its line, else on the next; else the cue is full. */
static void add_part(struct cues *c, const char *text, size_t n, size_t chars, int64_t at_us)
{
    bool beside = fits(c, chars);
    if (c->text.len > 0 && !beside && c->lines == LINES)
        end_cue(c, at_us);
    if (c->text.len == 0) {
        c->start_us = at_us;
        c->lines = 1;
        c->line = c->chars = 0;
    } else if (beside) {
        buf_puts(&c->text, " ");
        c->line++;
    } else {
        buf_puts(&c->text, "\n");
        c->lines++;
        c->line = 0;
    }
    buf_put(&c->text, text, n);
    c->line += chars;
    c->chars += chars;
}

/* A word longer than a line (a whole sentence, in scripts without blanks) comes in parts, each at
 * its share of the time. */
static void add_word(struct cues *c, const char *word, size_t n, int weight)
{
    size_t all = count_chars(word, n), done = 0, i = 0;
    int64_t from = time_of(c, c->words), length = time_of(c, c->words + weight) - from;
    while (i < n) {
        size_t start = i, chars = 0;
        while (i < n && (chars < LINE_MAX_CHARS || !is_first_byte(word[i])))
            chars += is_first_byte(word[i++]);
        int64_t share = all > 0 ? length * (int64_t)done / (int64_t)all : 0;
        add_part(c, word + start, i - start, chars, from + share);
        done += chars;
    }
}

static void take(void *ctx, const struct section_piece *piece)
{
    struct cues *c = ctx;
    int64_t now = time_of(c, c->words);
    if (piece->kind == PIECE_HEADING || piece->apart ||
        (c->sentence_ended && c->chars >= SHORT_CHARS))
        end_cue(c, now);
    c->sentence_ended = false;
    if (!export_is_shown(piece))
        return;
    struct buf word = BUF_INIT(piece->len);
    export_put_clean(&word, piece->text, piece->len);
    /* a dash takes no time: it stands beside what was said, or nowhere */
    if (word.len > 0 && (piece->weight > 0 || fits(c, count_chars(buf_str(&word), word.len))))
        add_word(c, buf_str(&word), word.len, piece->weight);
    c->sentence_ended = export_ends_sentence(buf_str(&word), word.len);
    c->words += piece->weight;
    buf_free(&word);
}

static void put_cues(const char *script, size_t n, int wpm, bool vtt, struct buf *out)
{
    struct cues c = {.out = out, .vtt = vtt, .wpm = wpm, .text = BUF_INIT(2 * n)};
    if (vtt)
        buf_puts(out, "WEBVTT\n\n");
    section_pieces(script, n, take, &c);
    end_cue(&c, time_of(&c, c.words));
    buf_free(&c.text);
}

void export_srt(const char *script, size_t n, int wpm, struct buf *out)
{
    put_cues(script, n, wpm, false, out);
}

void export_vtt(const char *script, size_t n, int wpm, struct buf *out)
{
    put_cues(script, n, wpm, true, out);
}
