/* In: a board, as it changes. Out: its picture on a terminal, or plain lines. */
#include "app/live.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/fmt.h"
#include "base/clock.h"
#include "base/mem.h"

#define TICK_US     (100 * USEC_PER_MSEC) /* ten pictures a second at most */
#define PICTURE_MAX ((size_t)1 << 20)

struct live {
    struct loop *loop;
    struct board *board;
    bool terminal, dirty;
    struct live_style style;
    struct loop_timer tick;
    int64_t start_us, drawn_us;
    int lines, drawn_columns; /* of the picture that stands there now */
    char *note;
};

static void measure(struct live *l)
{
    struct winsize size;
    l->style.columns = 80;
    l->style.rows = 24;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        l->style.columns = size.ws_col;
        l->style.rows = size.ws_row;
    }
    if (l->style.columns < 20)
        l->style.columns = 20;
}

/* Takes the old picture off the screen; a screen that became narrower has wrapped its lines. */
static void put_erase(const struct live *l, struct buf *out)
{
    int wrapped = (l->drawn_columns - 2) / l->style.columns + 1;
    if (l->lines > 0)
        buf_putf(out, "\r\033[%dA\033[J", l->lines * wrapped);
}

static void draw(struct live *l)
{
    struct buf out = BUF_INIT(PICTURE_MAX);
    measure(l);
    put_erase(l, &out);
    live_picture(&out, l->board, &l->style, loop_now(l->loop) - l->start_us, l->note, &l->lines);
    l->drawn_columns = l->style.columns;
    l->drawn_us = loop_now(l->loop);
    l->dirty = false;
    (void)fwrite(buf_str(&out), 1, out.len, stderr);
    buf_free(&out);
}

static void on_tick(void *ctx)
{
    struct live *l = ctx;
    int old = l->style.columns;
    measure(l);
    if (l->dirty || l->style.columns != old || loop_now(l->loop) - l->drawn_us >= USEC_PER_SEC)
        draw(l);
    timer_set(l->loop, &l->tick, loop_now(l->loop) + TICK_US, on_tick, l);
}

struct live *live_new(struct loop *loop, struct board *board)
{
    struct live *l = mem_alloc(sizeof *l);
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    l->loop = loop;
    l->board = board;
    l->start_us = loop_now(loop);
    l->terminal = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    l->style.colour = no_colour == NULL || no_colour[0] == '\0';
    l->style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (l->terminal)
        timer_set(loop, &l->tick, loop_now(loop), on_tick, l);
    return l;
}

void live_free(struct live *l)
{
    if (l == NULL)
        return;
    timer_stop(l->loop, &l->tick);
    if (l->terminal)
        draw(l);
    free(l->note);
    free(l);
}

void live_touch(struct live *l)
{
    l->dirty = true;
}

/* "  0:12  Why bridges hum: generating_chunk_1_of_2" */
static void say_step(struct live *l, const struct board_job *job)
{
    char at[FMT_SIZE], words[FMT_SIZE], took[FMT_SIZE], cost[FMT_SIZE], id[UUID_TEXT_SIZE];
    const char *name = job->topic[0] != '\0' ? job->topic : uuid_text(&job->id, id);
    struct buf line = BUF_INIT(PICTURE_MAX);
    buf_putf(&line, "%7s  %s: ", fmt_clock(loop_now(l->loop) - l->start_us, at), name);
    if (job->state == BOARD_DONE)
        buf_putf(&line, "completed, %s words in %s, %s", fmt_count(job->words, words),
                 fmt_seconds(job->worked_us, took), fmt_money(job->cost_udollar, cost));
    else if (job->state == BOARD_RUNNING)
        buf_putf(&line, "%s (%d %%)", job->step, job->progress);
    else
        buf_putf(&line, "%s%s%.4000s", board_state_name(job->state),
                 job->message != NULL ? ": " : "", job->message != NULL ? job->message : "");
    fmt_print(stderr, buf_str(&line));
    (void)fprintf(stderr, "\n");
    buf_free(&line);
}

void live_changed(struct live *l, struct board_job *job)
{
    l->dirty = true;
    if (!l->terminal)
        say_step(l, job);
}

void live_say(struct live *l, const char *fmt, ...)
{
    struct buf out = BUF_INIT(PICTURE_MAX);
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->terminal)
        put_erase(l, &out);
    buf_put_plain(&out, text);
    buf_puts(&out, "\n");
    (void)fwrite(buf_str(&out), 1, out.len, stderr);
    buf_free(&out);
    l->lines = 0;
    l->dirty = true;
}

void live_note(struct live *l, const char *note)
{
    char at[FMT_SIZE];
    if (note != NULL && l->note != NULL && strcmp(note, l->note) == 0)
        return;
    free(l->note);
    l->note = mem_strdup(note);
    l->dirty = true;
    if (!l->terminal && note != NULL)
        (void)fprintf(stderr, "%7s  %s\n", fmt_clock(loop_now(l->loop) - l->start_us, at), note);
}
