/* In: a board and the size of a screen. Out: the picture: a line per job, and one for the whole. */
#include "app/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/fmt.h"
#include "base/mem.h"

#define TOPIC_MIN    12
#define TOPIC_MAX    40
#define STEP_COLUMNS 23
#define BAR_MAX      24

/* Columns in the order in which a narrow screen gives them up, last first. */
struct layout {
    int topic, step, bar, words, rate, cost;
};

static struct layout lay_out(int columns)
{
    struct layout l = {.topic = TOPIC_MIN};
    int left = columns - 2 - TOPIC_MIN - 5; /* mark, topic, percent */
    struct {
        int *to, want;
    } order[] = {
        {&l.bar, 10}, {&l.step, STEP_COLUMNS}, {&l.words, 13}, {&l.rate, 11}, {&l.cost, 9}};
    for (size_t i = 0; i < sizeof order / sizeof order[0] && left > order[i].want; i++) {
        *order[i].to = order[i].want;
        left -= order[i].want + 1;
    }
    int more = left > 0 ? left : 0;
    int to_topic = more < TOPIC_MAX - TOPIC_MIN ? more : TOPIC_MAX - TOPIC_MIN;
    l.topic += to_topic;
    more -= to_topic;
    if (l.bar > 0)
        l.bar += more < BAR_MAX - 10 ? more : BAR_MAX - 10;
    return l;
}

static void put_colour(struct buf *out, const struct live_style *style, const char *code)
{
    if (style->colour)
        buf_putf(out, "\033[%sm", code);
}

static const char *state_colour(enum board_state s)
{
    static const char *const codes[BOARD_STATE_MAX] = {"2", "0", "32", "31", "33"};
    return codes[s];
}

static const char *state_mark(enum board_state s, bool utf8)
{
    static const char *const pretty[BOARD_STATE_MAX] = {"·", "▸", "✓", "✗", "–"};
    static const char *const plain[BOARD_STATE_MAX] = {".", ">", "+", "x", "-"};
    return utf8 ? pretty[s] : plain[s];
}

static void put_bar(struct buf *out, int progress, int width, bool utf8)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = progress * width * 8 / 100;
    int i = 0;
    for (; i < filled / 8; i++)
        buf_puts(out, utf8 ? "█" : "#");
    if (i < width && utf8 && filled % 8 > 0) {
        buf_puts(out, eighths[filled % 8]);
        i++;
    }
    for (; i < width; i++)
        buf_puts(out, utf8 ? "░" : "-");
}

/* "generating_chunk_2_of_3" as people say it; a waiting job says why, if it knows. */
static void put_step(struct buf *out, const struct board_job *job, int width)
{
    char text[128];
    switch (job->state) {
    case BOARD_WAITING:
        (void)snprintf(text, sizeof text, "%s",
                       job->message != NULL ? "will try again" : "waiting");
        break;
    case BOARD_RUNNING:
        (void)snprintf(text, sizeof text, "%s", job->step);
        for (char *p = text; *p != '\0'; p++)
            *p = *p == '_' ? ' ' : *p;
        break;
    default:
        (void)snprintf(text, sizeof text, "%s", board_state_name(job->state));
        break;
    }
    fmt_fit(out, text, width);
}

static void put_job(struct buf *out, const struct board_job *job, const struct layout *l,
                    const struct live_style *style)
{
    char n[FMT_SIZE], text[FMT_SIZE + 16], id[UUID_TEXT_SIZE];
    put_colour(out, style, state_colour(job->state));
    buf_putf(out, "%s ", state_mark(job->state, style->utf8));
    fmt_fit(out, job->topic[0] != '\0' ? job->topic : uuid_text(&job->id, id), l->topic);
    if (l->step > 0) {
        buf_puts(out, " ");
        put_step(out, job, l->step);
    }
    if (l->bar > 0) {
        buf_puts(out, " ");
        put_bar(out, job->progress, l->bar, style->utf8);
    }
    buf_putf(out, " %3d%%", job->progress);
    if (l->words > 0)
        buf_putf(out, " %7s words", fmt_count(job->words, n));
    if (l->rate > 0 && job->state == BOARD_RUNNING) {
        (void)snprintf(text, sizeof text, "%s tok/s",
                       fmt_count((int64_t)(job->tokens_per_second + 0.5), n));
        buf_putf(out, " %11s", text);
    } else if (l->rate > 0) {
        buf_putf(out, " %11s", job->worked_us > 0 ? fmt_seconds(job->worked_us, n) : "");
    }
    if (l->cost > 0)
        buf_putf(out, " %9s", fmt_money(job->cost_udollar, n));
    put_colour(out, style, "0");
    buf_puts(out, "\n");
}

/* Running jobs first, then those that ended last, then the waiting ones in their order. */
static int rank(const struct board_job *job)
{
    return job->state == BOARD_RUNNING ? 0 : job->state == BOARD_WAITING ? 2 : 1;
}

struct placed {
    const struct board_job *job;
    size_t place;
};

static int compare(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int rx = rank(x->job), ry = rank(y->job);
    if (rx != ry)
        return rx - ry;
    if (rx == 1 && x->job->since_us != y->job->since_us)
        return x->job->since_us > y->job->since_us ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static void put_total(struct buf *out, const struct board *b, const struct live_style *style,
                      int64_t elapsed_us, const char *note)
{
    int64_t words = 0, cost = 0;
    double rate = 0;
    for (size_t i = 0; i < board_count(b); i++) {
        const struct board_job *job = board_at(b, i);
        words += job->words;
        cost += job->cost_udollar;
        rate += job->tokens_per_second;
    }
    char a[FMT_SIZE], c[FMT_SIZE], d[FMT_SIZE], e[FMT_SIZE];
    struct buf line = BUF_INIT(1024);
    buf_putf(&line, "%s  %zu running, %zu waiting, %zu done", fmt_clock(elapsed_us, a),
             board_count_state(b, BOARD_RUNNING), board_count_state(b, BOARD_WAITING),
             board_count_state(b, BOARD_DONE));
    if (board_count_state(b, BOARD_FAILED) > 0)
        buf_putf(&line, ", %zu failed", board_count_state(b, BOARD_FAILED));
    if (note != NULL)
        buf_putf(&line, "  %.400s", note);
    else
        buf_putf(&line, "  %s words  %s tok/s  %s", fmt_count(words, c),
                 fmt_count((int64_t)(rate + 0.5), d), fmt_money(cost, e));
    put_colour(out, style, "1");
    fmt_fit(out, buf_str(&line), style->columns - 1);
    put_colour(out, style, "0");
    buf_puts(out, "\n");
    buf_free(&line);
}

void live_picture(struct buf *out, const struct board *b, const struct live_style *style,
                  int64_t elapsed_us, const char *note, int *ret_lines)
{
    size_t n = board_count(b);
    size_t room = style->rows > 3 ? (size_t)style->rows - 2 : 1;
    struct placed *order = mem_array(n + 1, sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct placed){board_at(b, i), i};
    /* In their own order as long as all fit: then no line jumps. */
    if (n > room)
        qsort(order, n, sizeof *order, compare);
    struct layout l = lay_out(style->columns - 1);
    size_t shown = n <= room ? n : room - 1;
    for (size_t i = 0; i < shown; i++)
        put_job(out, order[i].job, &l, style);
    int lines = (int)shown + 1;
    if (shown < n) {
        char text[64];
        (void)snprintf(text, sizeof text, "  and %zu more", n - shown);
        fmt_fit(out, text, style->columns - 1);
        buf_puts(out, "\n");
        lines++;
    }
    put_total(out, b, style, elapsed_us, note);
    free(order);
    *ret_lines = lines;
}
