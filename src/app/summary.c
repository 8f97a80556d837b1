/* In: a board. Out: a table, or JSON. */
#include "app/summary.h"

#include <inttypes.h>
#include <string.h>

#include "app/fmt.h"
#include "text/json.h"

#define ROWS_MAX      40
#define TOPIC_COLUMNS 34

struct totals {
    int64_t words, waited_us, worked_us, input, output, cost;
    size_t done;
};

static struct totals add_up(const struct board *b)
{
    struct totals t = {0};
    for (size_t i = 0; i < board_count(b); i++) {
        const struct board_job *job = board_at(b, i);
        t.words += job->state == BOARD_DONE ? job->words : 0;
        t.waited_us += job->waited_us;
        t.worked_us += job->worked_us;
        t.input += job->input_tokens;
        t.output += job->output_tokens;
        t.cost += job->cost_udollar;
        t.done += job->state == BOARD_DONE;
    }
    return t;
}

static void put_figures(struct buf *out, int64_t words, int64_t waited, int64_t worked,
                        int64_t input, int64_t output, int64_t cost)
{
    char a[FMT_SIZE], b[FMT_SIZE], c[FMT_SIZE], d[FMT_SIZE], e[FMT_SIZE], f[FMT_SIZE];
    buf_putf(out, " %8s %12s %12s %10s %10s %10s\n", fmt_count(words, a), fmt_seconds(waited, b),
             fmt_seconds(worked, c), fmt_count(input, d), fmt_count(output, e), fmt_money(cost, f));
}

void summary_put_table(struct buf *out, const struct summary *s)
{
    size_t n = board_count(s->board), shown = n <= ROWS_MAX ? n : ROWS_MAX;
    struct totals t = add_up(s->board);
    char id[UUID_TEXT_SIZE], took[FMT_SIZE];
    fmt_fit(out, "script", TOPIC_COLUMNS);
    buf_putf(out, " %-9s %8s %12s %12s %10s %10s %10s\n", "state", "words", "waited", "worked",
             "tokens in", "out", "cost");
    for (size_t i = 0; i < shown; i++) {
        const struct board_job *job = board_at(s->board, i);
        fmt_fit(out, job->topic[0] != '\0' ? job->topic : uuid_text(&job->id, id), TOPIC_COLUMNS);
        buf_putf(out, " %-9s", board_state_name(job->state));
        put_figures(out, job->words, job->waited_us, job->worked_us, job->input_tokens,
                    job->output_tokens, job->cost_udollar);
    }
    if (shown < n)
        buf_putf(out, "... and %zu more\n", n - shown);
    if (n > 1) {
        fmt_fit(out, "together", TOPIC_COLUMNS);
        buf_putf(out, " %-9s", "");
        put_figures(out, t.words, t.waited_us, t.worked_us, t.input, t.output, t.cost);
    }
    buf_putf(out, "\n%zu of %zu scripts completed in %s", t.done, n,
             fmt_seconds(s->elapsed_us, took));
    if (strcmp(s->provider, "simulated") == 0)
        buf_puts(out, "; the provider was simulated, nothing was really paid");
    buf_puts(out, ".\n");
}

static void put_json_figures(struct buf *out, int64_t words, int64_t waited, int64_t worked,
                             int64_t input, int64_t output, int64_t cost)
{
    char dollars[FMT_SIZE];
    buf_putf(out,
             "\"words\":%" PRId64 ",\"waited_s\":%.3f,\"worked_s\":%.3f,\"input_tokens\":%" PRId64
             ",\"output_tokens\":%" PRId64 ",\"cost_usd\":%s",
             words, (double)waited / 1e6, (double)worked / 1e6, input, output,
             fmt_dollars_json(cost, dollars));
}

static void put_json_job(struct buf *out, const struct board_job *job)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, "{\"id\":\"%s\"", uuid_text(&job->id, id));
    buf_putf(out, ",\"user_id\":\"%s\"", uuid_text(&job->user_id, id));
    json_put_member(out, "topic", job->topic);
    json_put_member(out, "state", board_state_name(job->state));
    json_put_member(out, "file", job->file);
    json_put_member(out, "error", job->state == BOARD_DONE ? NULL : job->message);
    buf_puts(out, ",");
    put_json_figures(out, job->words, job->waited_us, job->worked_us, job->input_tokens,
                     job->output_tokens, job->cost_udollar);
    buf_puts(out, "}");
}

void summary_put_json(struct buf *out, const struct summary *s)
{
    struct totals t = add_up(s->board);
    buf_puts(out, "{\"jobs\":[");
    for (size_t i = 0; i < board_count(s->board); i++) {
        if (i > 0)
            buf_puts(out, ",");
        put_json_job(out, board_at(s->board, i));
    }
    buf_putf(out, "],\"completed\":%zu,\"stopped\":%s,\"elapsed_s\":%.3f", t.done,
             s->stopped ? "true" : "false", (double)s->elapsed_us / 1e6);
    json_put_member(out, "provider", s->provider);
    buf_puts(out, ",\"totals\":{");
    put_json_figures(out, t.words, t.waited_us, t.worked_us, t.input, t.output, t.cost);
    buf_puts(out, "}}\n");
}
