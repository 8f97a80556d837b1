/* In: a script's Markdown. Out: its sections with their times, and small readers of single lines.
 * What checks, stitching and metadata see of a script. Pure. */
#ifndef JOB_SECTION_H
#define JOB_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum section_kind {
    SECTION_SPOKEN, /* text before the first heading too: level 0, no title */
    SECTION_DESCRIPTION,
    SECTION_TAGS,
    SECTION_TITLES,
    SECTION_KIND_MAX
};

struct section {
    enum section_kind kind;
    int level;         /* number of '#', 0 = none */
    const char *title; /* into the text; without '#', emphasis and time */
    size_t title_len;
    int64_t at_s;            /* the heading's time, -1 = none */
    size_t start, body, end; /* offsets: heading line, text behind it, end of the section */
};

struct sections {
    struct section *items;
    size_t n;
    size_t spoken_end; /* where Description, Tags or Titles begin; else the length */
};

/* The text must outlive the result. Lines inside ``` fences are text like any other. */
void sections_scan(const char *text, size_t n, struct sections *ret_sections);
void sections_free(struct sections *s);
const struct section *sections_find(const struct sections *s, enum section_kind kind); /* or NULL */

/* A time at p: "mm:ss" (minutes up to 999) or "h:mm:ss", not part of a longer number.
 * Returns its length, 0 when there is none. */
size_t section_time(const char *p, size_t n, int64_t *ret_seconds);
/* The time that opens a line: behind '#', emphasis, quote or list marks, bare in a heading, in
 * brackets elsewhere ("[02:30] ..."). Returns the offset behind it, 0 when there is none. */
size_t section_line_time(const char *line, size_t n, int64_t *ret_seconds);

/* Iterates lines: sets the line at *pos (without its newline) and moves *pos behind it. */
bool section_next_line(const char *text, size_t n, size_t *pos, const char **ret_line,
                       size_t *ret_len);

/* Calls `fn` with each spoken word: no headings, no cues in brackets, no times, no bare marks, and
 * nothing from Description on. A word is what stands between blanks; scripts without blanks
 * (Chinese, Japanese) count two characters as a word. */
bool section_is_wide(const char *p, size_t n); /* at p: a character of such a script, three bytes */
typedef void (*section_word_fn)(void *ctx, const char *word, size_t n, size_t offset);
int section_words(const char *text, size_t n, section_word_fn fn, void *ctx); /* fn may be NULL */

/* What a reader sees one after the other, up to Description, Tags or Titles. */
enum section_piece_kind {
    PIECE_HEADING, /* without marks and time */
    PIECE_CUE,     /* what stands in brackets, without them */
    PIECE_WORD,
    PIECE_MARK, /* stands between blanks and is no word: dashes, list marks */
    PIECE_KIND_MAX
};
struct section_piece {
    enum section_piece_kind kind;
    const char *text; /* into the script */
    size_t len, offset;
    int level;  /* of a heading */
    int weight; /* words that a word counts for */
    bool apart; /* an empty line lies between it and the piece before */
};
typedef void (*section_piece_fn)(void *ctx, const struct section_piece *piece);
void section_pieces(const char *text, size_t n, section_piece_fn fn, void *ctx);

/* FNV-1a over letters and digits only, case folded (ASCII): equal for texts that read the same. */
uint64_t section_fingerprint(const char *text, size_t n);

#endif
