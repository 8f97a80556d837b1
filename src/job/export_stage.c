/* In: a finished script. Out: what a speaker reads, and a screenplay. */
#include "job/export_impl.h"

/* ---- teleprompter ---- */

struct prompter {
    struct buf *out;
    bool in_line, gap; /* gap: a paragraph ended since the last word */
};

static void prompt(void *ctx, const struct section_piece *piece)
{
    struct prompter *p = ctx;
    p->gap = p->gap || piece->apart || piece->kind == PIECE_HEADING;
    if (!export_is_shown(piece))
        return;
    if (p->gap && p->out->len > 0)
        buf_puts(p->out, p->in_line ? "\n\n" : "\n");
    else if (p->in_line)
        buf_puts(p->out, " ");
    p->gap = false;
    export_put_clean(p->out, piece->text, piece->len);
    p->in_line = !export_ends_sentence(piece->text, piece->len);
    if (!p->in_line)
        buf_puts(p->out, "\n");
}

void export_teleprompter(const char *script, size_t n, int wpm, struct buf *out)
{
    struct prompter p = {.out = out};
    (void)wpm;
    section_pieces(script, n, prompt, &p);
    if (p.in_line)
        buf_puts(out, "\n");
}

/* ---- Fountain ---- */

enum play_state { PLAY_START, PLAY_APART, PLAY_SPEAKS };

struct play {
    struct buf *out;
    enum play_state state;
    bool gap; /* a paragraph ended since the last word */
};

/* Elements are parted by an empty line. */
static void part(struct play *p)
{
    if (p->state == PLAY_SPEAKS)
        buf_puts(p->out, "\n");
    if (p->state != PLAY_START)
        buf_puts(p->out, "\n");
    p->state = PLAY_APART;
}

/* What would be a note or a comment of the format, inside ordinary text, is broken up. */
static void put_plain(struct buf *out, const char *text, size_t n)
{
    struct buf clean = BUF_INIT(n);
    export_put_clean(&clean, text, n);
    for (size_t i = 0; i < clean.len; i++) {
        const char *c = clean.data + i;
        if (i > 0 && c[0] == c[-1] && (c[0] == '[' || c[0] == ']'))
            buf_puts(out, " ");
        buf_put(out, c, 1);
    }
    buf_free(&clean);
}

static void put_title(struct play *p, const struct section_piece *piece)
{
    buf_puts(p->out, "Title: ");
    put_plain(p->out, piece->text, piece->len);
    buf_puts(p->out, "\n");
    p->state = PLAY_APART;
}

static void put_scene(struct play *p, const struct section_piece *piece)
{
    size_t skip = 0; /* two dots would be an ellipsis, no scene */
    while (skip < piece->len && (piece->text[skip] == '.' || piece->text[skip] == ' '))
        skip++;
    if (skip == piece->len)
        return;
    part(p);
    buf_puts(p->out, ".");
    put_plain(p->out, piece->text + skip, piece->len - skip);
    buf_puts(p->out, "\n");
}

static void speak(struct play *p, const struct section_piece *piece)
{
    bool again = p->state == PLAY_SPEAKS && !p->gap;
    p->gap = false;
    if (!again) {
        part(p);
        buf_puts(p->out, "NARRATOR\n");
    }
    if (again)
        buf_puts(p->out, " ");
    put_plain(p->out, piece->text, piece->len);
    p->state = PLAY_SPEAKS;
}

static void play(void *ctx, const struct section_piece *piece)
{
    struct play *p = ctx;
    p->gap = p->gap || piece->apart;
    if (piece->kind == PIECE_HEADING && piece->level == 1 && p->state == PLAY_START) {
        put_title(p, piece);
    } else if (piece->kind == PIECE_HEADING) {
        put_scene(p, piece);
    } else if (piece->kind == PIECE_CUE) {
        part(p);
        buf_puts(p->out, "!");
        put_plain(p->out, piece->text, piece->len);
        buf_puts(p->out, "\n");
    } else if (export_is_shown(piece)) {
        speak(p, piece);
    }
}

void export_fountain(const char *script, size_t n, int wpm, struct buf *out)
{
    struct play p = {.out = out};
    (void)wpm;
    section_pieces(script, n, play, &p);
    if (p.state == PLAY_SPEAKS)
        buf_puts(out, "\n");
}
