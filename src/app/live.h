/* In: a board. Out: a line per job on a terminal, redrawn in place; elsewhere a plain line at each
 * step of a job. Writes to standard error: standard output is for data. */
#ifndef APP_LIVE_H
#define APP_LIVE_H

#include "app/board.h"
#include "io/loop.h"

struct live;
/* Borrows both. */
struct live *live_new(struct loop *loop, struct board *board);
void live_free(struct live *l); /* leaves the last picture on the screen; takes NULL */

void live_changed(struct live *l, struct board_job *job); /* its step or state changed */
void live_touch(struct live *l);                          /* figures moved: draw soon */
/* One line for people that stays above the picture. */
void live_say(struct live *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What the last line of the picture adds ("stopping ..."); NULL = nothing. Copied. */
void live_note(struct live *l, const char *note);

/* The picture as text, for a screen of that size: pure, for tests. */
struct live_style {
    int columns, rows;
    bool colour, utf8;
};
void live_picture(struct buf *out, const struct board *board, const struct live_style *style,
                  int64_t elapsed_us, const char *note, int *ret_lines);

#endif
