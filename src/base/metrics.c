/* In: what is counted and timed. Out: Prometheus' text format. */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

static const int64_t bounds_us[] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
                                    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
#define BOUNDS (sizeof bounds_us / sizeof bounds_us[0])

struct series {
    int64_t count; /* of a counter, or observed */
    int64_t sum_us;
    int64_t up_to[BOUNDS]; /* observed in each step, not cumulated */
};

struct metrics {
    const struct metric *table;
    size_t n;
    struct series **series; /* by metric; NULL: the scrape knows it */
};

static size_t count_series(const struct metric *metric)
{
    size_t n = 0;
    while (metric->series != NULL && metric->series[n] != NULL)
        n++;
    return metric->labels[0] == NULL ? 1 : n;
}

struct metrics *metrics_new(const struct metric *table, size_t n)
{
    struct metrics *m = mem_alloc(sizeof *m);
    *m = (struct metrics){.table = table, .n = n, .series = mem_array(n, sizeof *m->series)};
    for (size_t i = 0; i < n; i++) {
        size_t count = count_series(&table[i]);
        if (count > 0 && table[i].type != METRIC_GAUGE)
            m->series[i] = mem_array(count, sizeof **m->series);
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n; i++)
        free(m->series[i]);
    free(m->series);
    free(m);
}

void metrics_add(struct metrics *m, size_t id, size_t series, int64_t n)
{
    m->series[id][series].count += n;
}

void metrics_observe(struct metrics *m, size_t id, size_t series, int64_t us)
{
    struct series *s = &m->series[id][series];
    size_t step = 0;
    us = us > 0 ? us : 0;
    while (step < BOUNDS && us > bounds_us[step])
        step++;
    if (step < BOUNDS)
        s->up_to[step]++;
    s->count++;
    s->sum_us += us;
}

/* ---- writing ---- */

static const char *const type_names[METRIC_TYPE_MAX] = {"counter", "gauge", "histogram"};

void metric_put_head(const struct metric *metric, struct buf *out)
{
    buf_putf(out,
             "# HELP " METRICS_PREFIX "%s %s\n"
             "# TYPE " METRICS_PREFIX "%s %s\n",
             metric->name, metric->help, metric->name, type_names[metric->type]);
}

static void put_label_value(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_putf(out, "\\%c", *text);
        else
            buf_put(out, text, 1);
    }
}

/* `le`: of a histogram's bucket, or NULL. */
static void put_name(const struct metric *metric, const char *suffix, const char *const *values,
                     const char *le, struct buf *out)
{
    const char *comma = "{";
    buf_putf(out, METRICS_PREFIX "%s%s", metric->name, suffix);
    for (size_t i = 0; values != NULL && metric->labels[i] != NULL; i++, comma = ",") {
        buf_putf(out, "%s%s=\"", comma, metric->labels[i]);
        put_label_value(values[i], out);
        buf_puts(out, "\"");
    }
    if (le != NULL) {
        buf_putf(out, "%sle=\"%s\"", comma, le);
        comma = ",";
    }
    buf_puts(out, *comma == ',' ? "} " : " ");
}

void metric_put_int(const struct metric *metric, const char *const *values, int64_t n,
                    struct buf *out)
{
    put_name(metric, "", values, NULL, out);
    buf_putf(out, "%" PRId64 "\n", n);
}

static void put_us(int64_t us, struct buf *out)
{
    buf_putf(out, "%" PRId64 ".%06" PRId64 "\n", us / USEC_PER_SEC, us % USEC_PER_SEC);
}

void metric_put_seconds(const struct metric *metric, const char *const *values, int64_t us,
                        struct buf *out)
{
    put_name(metric, "", values, NULL, out);
    put_us(us > 0 ? us : 0, out);
}

static void put_histogram(const struct metric *metric, const char *const *values,
                          const struct series *s, struct buf *out)
{
    int64_t so_far = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        char *le = mem_printf("%g", (double)bounds_us[i] / (double)USEC_PER_SEC);
        so_far += s->up_to[i];
        put_name(metric, "_bucket", values, le, out);
        buf_putf(out, "%" PRId64 "\n", so_far);
        free(le);
    }
    put_name(metric, "_bucket", values, "+Inf", out);
    buf_putf(out, "%" PRId64 "\n", s->count);
    put_name(metric, "_sum", values, NULL, out);
    put_us(s->sum_us, out);
    put_name(metric, "_count", values, NULL, out);
    buf_putf(out, "%" PRId64 "\n", s->count);
}

void metrics_put(const struct metrics *m, size_t id, struct buf *out)
{
    const struct metric *metric = &m->table[id];
    metric_put_head(metric, out);
    for (size_t i = 0; i < count_series(metric); i++) {
        const char *const *value = metric->series == NULL ? NULL : &metric->series[i];
        if (metric->type == METRIC_HISTOGRAM)
            put_histogram(metric, value, &m->series[id][i], out);
        else
            metric_put_int(metric, value, m->series[id][i].count, out);
    }
}

void metrics_put_table(const struct metric *table, size_t n, struct buf *out)
{
    buf_puts(out, "| metric | type | labels | is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        buf_putf(out, "| `" METRICS_PREFIX "%s` | %s | ", table[i].name, type_names[table[i].type]);
        for (size_t k = 0; table[i].labels[k] != NULL; k++)
            buf_putf(out, "%s`%s`", k > 0 ? ", " : "", table[i].labels[k]);
        buf_putf(out, " | %s |\n", table[i].help);
    }
}
