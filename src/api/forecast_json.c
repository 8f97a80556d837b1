/* In: completed jobs, a forecast. Out: a forecast's input; the forecast as JSON. */
#include "api/forecast_json.h"

#include <inttypes.h>
#include <string.h>

#include "text/json.h"

#define USUAL_INPUT  1500 /* of a ten-minute script */
#define USUAL_OUTPUT 2150

void forecast_learn(struct forecast_input *in, const struct store_result *r,
                    struct forecast_look *ret_look)
{
    int64_t input = 0, output = 0, cost = 0, calls = 0, n = 0;
    ret_look->n = 0;
    for (size_t i = r->n; i-- > 0;) { /* in the order they came */
        const struct store_job *j = &r->jobs[i];
        int64_t took = j->completed_us - j->started_us;
        if (j->started_us == 0 || took <= 0)
            continue;
        if (in->n_measured < FORECAST_SERVICE_MAX)
            in->measured_us[in->n_measured++] = took;
        if (i < FORECAST_STEPS_OF)
            ret_look->items[ret_look->n++] = (struct store_follow){.job = j->id};
        n++;
        input += j->input_tokens;
        output += j->output_tokens;
        cost += j->cost_udollar;
        /* Several chunks have an outline before them. */
        calls += j->total_chunks > 1 ? j->total_chunks + 1 : 1;
    }
    if (n == 0 || output / n == 0)
        return;
    in->calls = (int)((calls + n / 2) / n);
    if (in->calls > CAPACITY_CALLS_MAX)
        in->calls = CAPACITY_CALLS_MAX;
    in->input_tokens = input / n;
    in->output_tokens = output / n;
    in->cost_udollar = cost / n;
}

/* "chunk_2+1" is a chunk. NULL: there are too many kinds. */
static struct forecast_seen *seen_of(struct forecast_input *in, const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz");
    if (n == 0 || n >= FORECAST_NAME_SIZE)
        return NULL;
    for (size_t i = 0; i < in->n_seen; i++) {
        if (strncmp(in->seen[i].name, key, n) == 0 && in->seen[i].name[n] == '\0')
            return &in->seen[i];
    }
    if (in->n_seen == FORECAST_STEPS_MAX)
        return NULL;
    struct forecast_seen *seen = &in->seen[in->n_seen++];
    *seen = (struct forecast_seen){.calls = 0};
    memcpy(seen->name, key, n);
    return seen;
}

void forecast_learn_steps(struct forecast_input *in, const struct store_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct store_followed *f = &r->followed[i];
        in->seen_scripts += f->found && f->n_steps > 0;
        for (size_t k = 0; k < f->n_steps; k++) {
            const struct store_step *step = &f->steps[k];
            struct forecast_seen *seen = seen_of(in, step->key);
            if (seen == NULL || step->ended_us <= step->started_us)
                continue;
            seen->calls++;
            seen->us += step->ended_us - step->started_us;
            seen->input_tokens += step->usage.input + step->usage.cache_read +
                                  step->usage.cache_write_5m + step->usage.cache_write_1h;
            seen->output_tokens += step->usage.output;
        }
    }
}

void forecast_put_price(struct forecast_input *in, const struct catalog *catalog, int64_t wall_us)
{
    struct price price;
    struct usage usage = {.input = USUAL_INPUT, .output = USUAL_OUTPUT};
    if (in->output_tokens > 0)
        return;
    if (catalog_price(catalog, catalog_default(catalog)->id, wall_us, usage.input, &price) == OK)
        in->cost_udollar = price_usage(&price, &usage);
}

static void put_seconds(struct buf *out, const char *name, int64_t us)
{
    if (us < 0)
        buf_putf(out, ",\"%s\":null", name);
    else
        buf_putf(out, ",\"%s\":%.3f", name, (double)us / 1e6);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text != NULL)
        buf_putf(out, ",\"%s\":\"%s\"", name, text);
    else
        buf_putf(out, ",\"%s\":null", name);
}

static void put_row(struct buf *out, const struct forecast_row *row)
{
    buf_putf(out, "{\"name\":\"%s\",\"workers\":%d,\"concurrency\":%d,\"slots\":%" PRId64,
             row->name, row->setup.workers, row->setup.concurrency,
             (int64_t)row->setup.workers * row->setup.concurrency);
    put_seconds(out, "called_every_seconds", row->setup.every_us > 0 ? row->setup.every_us : -1);
    put_seconds(out, "wait_first_seconds", row->waits.first_us);
    put_seconds(out, "wait_median_seconds", row->waits.median_us);
    put_seconds(out, "wait_tenth_seconds", row->waits.tenth_us);
    put_seconds(out, "wait_p95_seconds", row->waits.p95_us);
    put_seconds(out, "wait_last_seconds", row->waits.last_us);
    put_seconds(out, "done_seconds", row->waits.done_us);
    buf_putf(out, ",\"scripts_per_hour\":%.1f,\"cost_usd_per_hour\":%.4f,\"bound\":\"%s\"",
             row->rate.scripts_per_hour, (double)row->rate.cost_udollar_per_hour / 1e6,
             capacity_bound_name(row->rate.bound));
    put_text(out, "quoted_scripts_per_hour", row->quoted_per_hour);
    put_text(out, "quoted_tenth_waits", row->quoted_wait);
    buf_puts(out, "}");
}

static void put_rows(struct buf *out, const struct forecast_row *rows, size_t n)
{
    buf_puts(out, "\"setups\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_puts(out, ",");
        put_row(out, &rows[i]);
    }
    buf_puts(out, "]");
}

static void put_steps(struct buf *out, const struct forecast *f)
{
    buf_puts(out, ",\"steps\":[");
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct forecast_step *s = &f->steps[i];
        buf_putf(out,
                 "%s{\"name\":\"%s\",\"calls\":%d,\"seconds\":%.3f,\"input_tokens\":%.0f,"
                 "\"output_tokens\":%.0f}",
                 i > 0 ? "," : "", s->name, s->calls, s->us / 1e6, s->input_tokens,
                 s->output_tokens);
    }
    buf_puts(out, "]");
}

static void put_guide(struct buf *out, const struct forecast *f)
{
    buf_puts(out, ",\"guide\":{\"users\":10,\"seconds_per_script\":300,");
    put_rows(out, f->guide, FORECAST_GUIDE_ROWS);
    buf_puts(out, ",\"difference\":");
    json_put_string(out, forecast_difference, strlen(forecast_difference));
    buf_puts(out, "}");
}

void forecast_put_json(struct buf *out, const struct forecast_input *in, const struct forecast *f)
{
    struct capacity_call sum = capacity_sum(&f->script);
    if (in->users > 0)
        buf_putf(out, "{\"users\":%" PRId64 ",\"per_day\":null", in->users);
    else
        buf_putf(out, "{\"users\":null,\"per_day\":%" PRId64, in->per_day);
    buf_putf(out, ",\"measured\":%s", f->measured ? "true" : "false");
    put_seconds(out, "seconds_per_script", f->mean_us);
    buf_putf(out,
             ",\"calls_per_script\":%d,\"input_tokens_per_script\":%.0f"
             ",\"output_tokens_per_script\":%.0f,\"cost_usd_per_script\":%.6f",
             f->script.n_calls, sum.input_tokens, sum.output_tokens,
             (double)f->script.cost_udollar / 1e6);
    put_steps(out, f);
    buf_putf(out, ",\"limits\":{\"rpm\":%" PRId64 ",\"itpm\":%" PRId64 ",\"otpm\":%" PRId64 "},",
             f->limits.requests, f->limits.input_tokens, f->limits.output_tokens);
    put_rows(out, f->rows, f->n);
    put_guide(out, f);
    buf_puts(out, "}");
}
