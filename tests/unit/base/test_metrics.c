/* In: counts and times. Out: the text that Prometheus reads, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/metrics.h"

static const char *const kinds[] = {"good", "bad", NULL};
static const struct metric table[] = {
    {"done_total", METRIC_COUNTER, "Things done.", {"kind"}, kinds},
    {"seconds", METRIC_HISTOGRAM, "Time taken.", {NULL}, NULL},
    {"limit", METRIC_GAUGE, "What may be.", {"class", "of"}, NULL},
};

static void counters_have_all_their_series_from_the_start(void **state)
{
    (void)state;
    struct metrics *m = metrics_new(table, 3);
    struct buf out = BUF_INIT(4096);
    metrics_add(m, 0, 1, 2);
    metrics_add(m, 0, 1, 1);
    metrics_put(m, 0, &out);
    assert_string_equal(buf_str(&out), "# HELP scriptorium_done_total Things done.\n"
                                       "# TYPE scriptorium_done_total counter\n"
                                       "scriptorium_done_total{kind=\"good\"} 0\n"
                                       "scriptorium_done_total{kind=\"bad\"} 3\n");
    buf_free(&out);
    metrics_free(m);
}

/* 0.5 ms is in the first step, 3 ms in the one up to 5 ms, 11 s in none but the last. */
static void a_histogram_counts_upwards(void **state)
{
    (void)state;
    struct metrics *m = metrics_new(table, 3);
    struct buf out = BUF_INIT(4096);
    metrics_observe(m, 1, 0, 500);
    metrics_observe(m, 1, 0, 3000);
    metrics_observe(m, 1, 0, 11000000);
    metrics_observe(m, 1, 0, -5); /* a clock that stepped back counts as no time */
    metrics_put(m, 1, &out);
    const char *text = buf_str(&out);
    assert_non_null(strstr(text, "# TYPE scriptorium_seconds histogram\n"
                                 "scriptorium_seconds_bucket{le=\"0.0005\"} 2\n"
                                 "scriptorium_seconds_bucket{le=\"0.001\"} 2\n"
                                 "scriptorium_seconds_bucket{le=\"0.0025\"} 2\n"
                                 "scriptorium_seconds_bucket{le=\"0.005\"} 3\n"));
    assert_non_null(strstr(text, "scriptorium_seconds_bucket{le=\"10\"} 3\n"
                                 "scriptorium_seconds_bucket{le=\"+Inf\"} 4\n"
                                 "scriptorium_seconds_sum 11.003500\n"
                                 "scriptorium_seconds_count 4\n"));
    buf_free(&out);
    metrics_free(m);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    const char *const values[] = {"a\"b\\c\nd", "rpm"};
    metric_put_int(&table[2], values, -7, &out);
    metric_put_seconds(&table[2], values, 1500000, &out);
    assert_string_equal(buf_str(&out),
                        "scriptorium_limit{class=\"a\\\"b\\\\c\\nd\",of=\"rpm\"} -7\n"
                        "scriptorium_limit{class=\"a\\\"b\\\\c\\nd\",of=\"rpm\"} 1.500000\n");
    buf_free(&out);
}

/* The first has no calls yet; the second knows another class and has no histogram; of the third
 * nothing is known. */
static void processes_are_told_apart_metric_by_metric(void **state)
{
    (void)state;
    const char *const texts[] = {"# HELP scriptorium_calls_total Calls.\n"
                                 "# TYPE scriptorium_calls_total counter\n"
                                 "# HELP scriptorium_limit What may be.\n"
                                 "# TYPE scriptorium_limit gauge\n"
                                 "scriptorium_limit{class=\"a{ b\"} 1\n"
                                 "# HELP scriptorium_seconds Time taken.\n"
                                 "# TYPE scriptorium_seconds histogram\n"
                                 "scriptorium_seconds_bucket{le=\"+Inf\"} 4\n"
                                 "scriptorium_seconds_count 4\n",
                                 "# HELP scriptorium_calls_total Calls.\n"
                                 "# TYPE scriptorium_calls_total counter\n"
                                 "scriptorium_calls_total 7\n"
                                 "# HELP scriptorium_limit What may be.\n"
                                 "# TYPE scriptorium_limit gauge\n"
                                 "scriptorium_limit{class=\"c\"} 2\n"
                                 "# HELP scriptorium_up Whether.\n"
                                 "# TYPE scriptorium_up gauge\n"
                                 "scriptorium_up 1\n",
                                 NULL};
    struct buf out = BUF_INIT(4096);
    metrics_merge(texts, 3, &out);
    assert_string_equal(buf_str(&out), "# HELP scriptorium_calls_total Calls.\n"
                                       "# TYPE scriptorium_calls_total counter\n"
                                       "scriptorium_calls_total{process=\"1\"} 7\n"
                                       "# HELP scriptorium_limit What may be.\n"
                                       "# TYPE scriptorium_limit gauge\n"
                                       "scriptorium_limit{process=\"0\",class=\"a{ b\"} 1\n"
                                       "scriptorium_limit{process=\"1\",class=\"c\"} 2\n"
                                       "# HELP scriptorium_seconds Time taken.\n"
                                       "# TYPE scriptorium_seconds histogram\n"
                                       "scriptorium_seconds_bucket{process=\"0\",le=\"+Inf\"} 4\n"
                                       "scriptorium_seconds_count{process=\"0\"} 4\n"
                                       "# HELP scriptorium_up Whether.\n"
                                       "# TYPE scriptorium_up gauge\n"
                                       "scriptorium_up{process=\"1\"} 1\n");
    buf_free(&out);
}

static void the_table_for_people_names_types_and_labels(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    metrics_put_table(table + 1, 2, &out);
    assert_string_equal(buf_str(&out),
                        "| metric | type | labels | is |\n|---|---|---|---|\n"
                        "| `scriptorium_seconds` | histogram |  | Time taken. |\n"
                        "| `scriptorium_limit` | gauge | `class`, `of` | What may be. |\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_have_all_their_series_from_the_start),
        cmocka_unit_test(a_histogram_counts_upwards),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(processes_are_told_apart_metric_by_metric),
        cmocka_unit_test(the_table_for_people_names_types_and_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
