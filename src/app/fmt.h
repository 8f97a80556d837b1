/* In: figures and text. Out: how people read them, and how they fit a column. */
#ifndef APP_FMT_H
#define APP_FMT_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

#define FMT_SIZE 32

/* Each writes into `out` (FMT_SIZE bytes) and returns it. */
char *fmt_count(int64_t n, char *out);              /* 1,234,567 */
char *fmt_money(int64_t udollar, char *out);        /* $0.0123, $12.34 */
char *fmt_seconds(int64_t us, char *out);           /* 0.42 s, 12.3 s, 4 min 05 s,
                                                       3 h 20 min, 5 d 07 h */
char *fmt_clock(int64_t us, char *out);             /* 0:07, 12:05, 1:02:03 */
char *fmt_dollars_json(int64_t udollar, char *out); /* 0.012300 */

/* Appends text in exactly `width` columns of a terminal: padded, or cut with an ellipsis. Control
 * characters become spaces, so that a topic cannot move the cursor. */
void fmt_fit(struct buf *out, const char *text, int width);
/* As much of it as there is, on one line and as harmless. */
void fmt_print(FILE *to, const char *text);
int fmt_width(const char *text); /* columns it takes on a terminal */

#endif
