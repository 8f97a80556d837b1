/* In: limits, faults, truth entries, answers on a clock of our own. Out: do the simulator's pure
 * parts count right. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/sim/sim_answer.h"
#include "provider/sim/sim_events.h"
#include "provider/sim/sim_fate.h"
#include "provider/sim/sim_limits.h"
#include "provider/sim/sim_truth.h"

#define WALL ((int64_t)1767225600 * USEC_PER_SEC) /* 2026-01-01T00:00:00Z */

/* ---- limits ---- */

static struct limits *limits_of(int64_t rpm, int64_t itpm, int64_t otpm, double speed)
{
    struct limits_config config = {
        .per_minute = {[LIMITS_REQUESTS] = rpm, [LIMITS_INPUT] = itpm, [LIMITS_OUTPUT] = otpm},
        .speed = speed};
    return limits_new(&config);
}

static void requests_refill_continuously_after_a_burst(void **state)
{
    (void)state;
    struct limits *l = limits_of(60, 0, 0, 1); /* one a second, five at once */
    struct limits_refusal r = {.wait_us = -1};
    for (int i = 0; i < 5; i++)
        assert_true(limits_admit(l, "a", 1, 0, &r));
    assert_false(limits_admit(l, "a", 1, 0, &r));
    assert_int_equal(r.family, LIMITS_REQUESTS);
    assert_int_equal(r.wait_us, USEC_PER_SEC);
    assert_false(limits_admit(l, "a", 1, USEC_PER_SEC - 10, &r));
    assert_true(limits_admit(l, "a", 1, USEC_PER_SEC, &r));
    assert_false(limits_admit(l, "a", 1, USEC_PER_SEC, &r));
    /* another class has buckets of its own; an hour fills no more than the burst */
    assert_true(limits_admit(l, "b", 1, USEC_PER_SEC, &r));
    for (int i = 0; i < 5; i++)
        assert_true(limits_admit(l, "a", 1, 3600 * USEC_PER_SEC, &r));
    assert_false(limits_admit(l, "a", 1, 3600 * USEC_PER_SEC, &r));
    limits_free(l);
}

static void a_prompt_above_the_burst_passes_a_full_bucket_and_leaves_a_debt(void **state)
{
    (void)state;
    struct limits *l = limits_of(0, 12000, 0, 1); /* 200 a second, 1000 at once */
    struct limits_refusal r;
    assert_true(limits_admit(l, "a", 3000, 0, &r));
    assert_false(limits_admit(l, "a", 100, 0, &r));
    assert_int_equal(r.family, LIMITS_INPUT);
    assert_int_equal(r.wait_us, 2100 * USEC_PER_SEC / 200); /* from -2000 to 100 */
    limits_free(l);
}

static void output_in_debt_refuses_the_next_request(void **state)
{
    (void)state;
    struct limits *l = limits_of(0, 0, 6000, 1); /* 100 a second, 500 at once */
    struct limits_refusal r;
    assert_true(limits_admit(l, "a", 1, 0, &r));
    limits_output(l, "a", 500, 0);
    assert_true(limits_admit(l, "a", 1, 0, &r)); /* empty, but owes nothing */
    limits_output(l, "a", 150, 0);
    assert_false(limits_admit(l, "a", 1, 0, &r));
    assert_int_equal(r.family, LIMITS_OUTPUT);
    assert_int_equal(r.wait_us, 1500 * USEC_PER_MSEC);
    assert_true(limits_admit(l, "a", 1, 1500 * USEC_PER_MSEC, &r));
    limits_free(l);
}

static void speed_multiplies_limits_and_divides_waits(void **state)
{
    (void)state;
    struct limits *l = limits_of(60, 0, 0, 30);
    struct limits_refusal r;
    for (int i = 0; i < 5; i++)
        assert_true(limits_admit(l, "a", 1, 0, &r));
    assert_false(limits_admit(l, "a", 1, 0, &r));
    assert_int_equal((r.wait_us + 500) / 1000, 33);
    struct limits_headers h;
    limits_tell(l, "a", &r, 0, WALL, &h);
    assert_string_equal(h.names[0], "anthropic-ratelimit-requests-limit");
    assert_string_equal(h.values[0], "1800");
    limits_free(l);
}

static const char *header(const struct limits_headers *h, const char *name)
{
    for (size_t i = 0; i < LIMITS_HEADERS; i++)
        if (strcmp(h->names[i] + strlen("anthropic-ratelimit-"), name) == 0)
            return h->values[i];
    fail_msg("no header %s", name);
    return NULL;
}

static void headers_tell_what_is_left_and_when_it_is_full(void **state)
{
    (void)state;
    struct limits *l = limits_of(600, 1200000, 240000, 1); /* 50; 100,000; 20,000 at once */
    struct limits_refusal r;
    struct limits_headers h;
    assert_true(limits_admit(l, "a", 40600, 0, &r));
    limits_output(l, "a", 4400, 0);
    limits_tell(l, "a", NULL, 0, WALL, &h);
    assert_string_equal(header(&h, "requests-limit"), "600");
    assert_string_equal(header(&h, "requests-remaining"), "49");
    assert_string_equal(header(&h, "requests-reset"), "2026-01-01T00:00:00.100000Z");
    assert_string_equal(header(&h, "input-tokens-limit"), "1200000");
    assert_string_equal(header(&h, "input-tokens-remaining"), "59000"); /* 59,400 */
    assert_string_equal(header(&h, "input-tokens-reset"), "2026-01-01T00:00:02.030000Z");
    assert_string_equal(header(&h, "output-tokens-remaining"), "16000"); /* 15,600 */
    assert_string_equal(header(&h, "output-tokens-reset"), "2026-01-01T00:00:01.100000Z");
    assert_string_equal(header(&h, "tokens-limit"), "1440000");
    assert_string_equal(header(&h, "tokens-remaining"), "75000");
    assert_string_equal(header(&h, "tokens-reset"), "2026-01-01T00:00:02.030000Z");
    r = (struct limits_refusal){.family = LIMITS_INPUT};
    limits_tell(l, "a", &r, 0, WALL, &h);
    assert_string_equal(header(&h, "input-tokens-remaining"), "0");
    limits_free(l);
}

/* ---- faults ---- */

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    assert_int_equal(json_parse(text, strlen(text), (size_t)1 << 20, &json, NULL), OK);
    return json;
}

static void orders_hit_the_requests_they_name(void **state)
{
    (void)state;
    struct fates *f = fates_new();
    struct fate fate;
    assert_int_equal(fates_next(f, NULL, &fate, NULL), OK);
    assert_int_equal(fate.fault, FAULT_NONE);
    json_t *orders = parsed("[{\"nth\":2,\"fault\":\"cut\",\"after_tokens\":100},"
                            "{\"nth\":3,\"fault\":\"429\",\"retry_after\":2.5,\"times\":2,"
                            "\"should_retry\":false}]");
    assert_int_equal(fates_order(f, orders, NULL), OK);
    static const enum fault expected[] = {FAULT_NONE, FAULT_CUT, FAULT_429, FAULT_429, FAULT_NONE};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fates_next(f, NULL, &fate, NULL), OK);
        assert_int_equal(fate.fault, expected[i]);
        if (fate.fault == FAULT_CUT)
            assert_int_equal(fate.after_tokens, 100);
        if (fate.fault == FAULT_429) {
            assert_true(fabs(fate.retry_after_s - 2.5) < 1e-9);
            assert_int_equal(fate.should_retry, 0);
        } else {
            assert_int_equal(fate.should_retry, -1);
        }
    }
    json_decref(orders);
    fates_free(f);
}

static void wrong_orders_change_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}", "[{\"nth\":1}]", "[{\"fault\":\"fire\"}]", "[{\"nth\":0,\"fault\":\"cut\"}]",
        "[{\"nth\":1,\"fault\":\"cut\"},{\"nth\":1,\"fault\":\"fire\"}]"};
    struct fates *f = fates_new();
    struct fate fate;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct errmsg msg = {{0}};
        json_t *orders = parsed(wrong[i]);
        assert_int_equal(fates_order(f, orders, &msg), ERR_INVALID);
        assert_true(msg.text[0] != '\0');
        json_decref(orders);
    }
    assert_int_equal(fates_next(f, NULL, &fate, NULL), OK);
    assert_int_equal(fate.fault, FAULT_NONE);
    fates_free(f);
}

static void a_header_orders_its_own_request(void **state)
{
    (void)state;
    struct fates *f = fates_new();
    struct fate fate;
    struct errmsg msg = {{0}};
    assert_int_equal(fates_next(f, "cut;after_tokens=7; should_retry=true", &fate, &msg), OK);
    assert_int_equal(fate.fault, FAULT_CUT);
    assert_int_equal(fate.after_tokens, 7);
    assert_int_equal(fate.should_retry, 1);
    assert_int_equal(fates_next(f, "529-stream", &fate, &msg), OK);
    assert_int_equal(fate.fault, FAULT_529_STREAM);
    assert_int_equal(fates_next(f, "cut;colour=7", &fate, &msg), ERR_INVALID);
    assert_int_equal(fates_next(f, "nothing", &fate, &msg), ERR_INVALID);
    fates_free(f);
}

/* ---- truth ---- */

static char *ledger(struct truth *t, uint64_t after, uint64_t limit, bool lines)
{
    struct buf out = BUF_INIT((size_t)1 << 20);
    truth_put(t, after, limit, lines, 1, &out);
    return buf_take(&out);
}

static void the_ledger_is_read_in_pages_and_survives_a_reset(void **state)
{
    (void)state;
    struct truth *t = truth_new();
    char *empty = ledger(t, 0, 10, false);
    assert_string_equal(empty, "[]\n");
    free(empty);
    for (int i = 1; i <= 700; i++) { /* past two doublings of the ring */
        struct truth_entry *e = truth_begin(t, WALL + i);
        assert_int_equal(e->n, i);
        snprintf(e->call, sizeof(e->call), "call \"%d\"", i);
        e->generated = i;
    }
    char *page = ledger(t, 697, 2, true), *all = ledger(t, 0, 1000, false);
    assert_non_null(strstr(page, "{\"n\":698,"));
    assert_non_null(strstr(page, "\"call\":\"call \\\"699\\\"\""));
    assert_null(strstr(page, "\"n\":700,"));
    json_t *list = parsed(all);
    assert_int_equal(json_array_size(list), 700);
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(json_int(json_array_get(list, i), "generated_tokens", 0), i + 1);
    json_decref(list);
    free(page);
    free(all);
    truth_reset(t);
    assert_null(truth_find(t, 700));
    assert_int_equal(truth_begin(t, WALL)->n, 701);
    assert_int_equal(truth_sum(t).requests, 1);
    truth_free(t);
}

static void only_an_answer_that_was_begun_is_billed(void **state)
{
    (void)state;
    struct truth *t = truth_new();
    for (int billed = 0; billed < 2; billed++) {
        struct truth_entry *e = truth_begin(t, WALL);
        e->input_tokens = 10;
        e->generated = 20;
        e->billed = billed;
    }
    struct truth_sums s = truth_sum(t);
    assert_int_equal(s.input_tokens, 10);
    assert_int_equal(s.output_tokens, 20);
    assert_int_equal(s.running, 2);
    truth_free(t);
}

static void ids_are_the_same_each_time_and_never_shared(void **state)
{
    (void)state;
    char a[TRUTH_ID_SIZE], b[TRUTH_ID_SIZE], c[TRUTH_ID_SIZE], d[TRUTH_ID_SIZE];
    truth_id("req", 1, 5, a);
    truth_id("req", 1, 5, b);
    truth_id("msg", 1, 5, c);
    truth_id("req", 1, 6, d);
    assert_string_equal(a, b);
    assert_string_not_equal(a + 4, c + 4);
    assert_string_not_equal(a, d);
    assert_memory_equal(a, "req_01", 6);
}

/* ---- answers ---- */

static const struct model model = {.id = "claude-new-5-5",
                                   .name = "New",
                                   .rate_class = "new",
                                   .context_tokens = 1000,
                                   .max_output_tokens = 500};

static struct sim_message asking(const char *prompt, int64_t max_tokens)
{
    return (struct sim_message){.model = &model,
                                .max_tokens = max_tokens,
                                .input_tokens = 10,
                                .prompt = mem_strdup(prompt),
                                .prompt_len = strlen(prompt)};
}

static void an_answer_stops_where_max_tokens_or_the_window_ends(void **state)
{
    (void)state;
    static const char long_one[] =
        "<request kind=\"chunk\" chunk=\"1\" chunks=\"1\" from=\"00:00\" to=\"09:00\" "
        "words=\"1000\" first=\"no\" last=\"no\" tags=\"0\">\n<topic>Se\xC3\xB1"
        "ora \xF0\x9F\x8C\x8A"
        "</topic>\n</request>\n";
    for (int64_t max = 1; max < 200; max++) {
        struct sim_message m = asking(long_one, max);
        struct sim_answer a;
        sim_answer_make(&m, 3, &a);
        assert_string_equal(a.stop_reason, "max_tokens");
        assert_int_equal(a.tokens, max);
        assert_true(a.parts[0].len <= (size_t)max * 4);
        json_t *valid = json_stringn(a.parts[0].text, a.parts[0].len); /* NULL when cut in half */
        assert_non_null(valid);
        json_decref(valid);
        sim_answer_free(&a);
        sim_message_free(&m);
    }
    struct sim_message m = asking(long_one, 500);
    struct sim_answer a;
    m.input_tokens = 900;
    sim_answer_make(&m, 3, &a);
    assert_string_equal(a.stop_reason, "model_context_window_exceeded");
    assert_int_equal(a.tokens, 100);
    sim_answer_free(&a);
    sim_message_free(&m);
}

static void the_events_of_a_part_add_up_to_it(void **state)
{
    (void)state;
    struct sim_message m = asking("Se\xC3\xB1ora, \xF0\x9F\x8C\x8A\xF0\x9F\x8C\x8A?", 500);
    struct sim_answer a;
    m.thinking = true;
    sim_answer_make(&m, 3, &a);
    assert_string_equal(a.stop_reason, "end_turn");
    assert_int_equal(a.n, 2);
    assert_true(a.parts[0].thinking);
    assert_int_equal(a.tokens, a.parts[0].tokens + a.parts[1].tokens);
    for (size_t i = 0; i < a.n; i++) {
        size_t last = 0;
        for (int64_t t = 0; t <= a.parts[i].tokens; t++) {
            size_t at = sim_part_bytes(&a.parts[i], t);
            assert_true(at >= last && at - last <= 8);
            json_t *piece = json_stringn(a.parts[i].text + last, at - last);
            assert_non_null(piece);
            json_decref(piece);
            last = at;
        }
        assert_int_equal(last, a.parts[i].len);
    }
    sim_answer_free(&a);
    sim_message_free(&m);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void latency_has_the_shape_it_was_asked_for(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct latency_config config = {
        .ttft_median_s = 0.94, .ttft_p95_s = 2.9, .tps_median = 80, .tps_cv = 0.25, .speed = 10};
    struct rng rng = rng_seed(1, 1);
    double *first = mem_array(N, sizeof(double)), *tps = mem_array(N, sizeof(double));
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        struct latency l = latency_draw(&config, &rng);
        first[i] = (double)l.first_us / 1e5; /* seconds at speed 1 */
        tps[i] = 1e5 / l.us_per_token;
        sum += tps[i];
        squares += tps[i] * tps[i];
    }
    qsort(first, N, sizeof(double), compare_doubles);
    qsort(tps, N, sizeof(double), compare_doubles);
    double mean = sum / N, cv = sqrt(squares / N - mean * mean) / mean;
    assert_true(fabs(first[N / 2] - 0.94) < 0.03);
    assert_true(fabs(first[N * 95 / 100] - 2.9) < 0.15);
    assert_true(fabs(tps[N / 2] - 80) < 1);
    assert_true(fabs(cv - 0.25) < 0.01);
    free(first);
    free(tps);
}

static void events_hold_1_to_20_tokens_about_every_50_ms(void **state)
{
    (void)state;
    static const struct {
        double us_per_token, mean;
    } cases[] = {{12500, 4}, {100000, 1}, {25000, 2}, {417, 20}, {3571, 14}};
    struct rng rng = rng_seed(1, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t sum = 0;
        for (int k = 0; k < 10000; k++) {
            int64_t n = latency_event_tokens(cases[i].us_per_token, &rng);
            assert_in_range(n, 1, 20);
            sum += n;
        }
        assert_true(fabs((double)sum / 10000 - cases[i].mean) < 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_refill_continuously_after_a_burst),
        cmocka_unit_test(a_prompt_above_the_burst_passes_a_full_bucket_and_leaves_a_debt),
        cmocka_unit_test(output_in_debt_refuses_the_next_request),
        cmocka_unit_test(speed_multiplies_limits_and_divides_waits),
        cmocka_unit_test(headers_tell_what_is_left_and_when_it_is_full),
        cmocka_unit_test(orders_hit_the_requests_they_name),
        cmocka_unit_test(wrong_orders_change_nothing),
        cmocka_unit_test(a_header_orders_its_own_request),
        cmocka_unit_test(the_ledger_is_read_in_pages_and_survives_a_reset),
        cmocka_unit_test(only_an_answer_that_was_begun_is_billed),
        cmocka_unit_test(ids_are_the_same_each_time_and_never_shared),
        cmocka_unit_test(an_answer_stops_where_max_tokens_or_the_window_ends),
        cmocka_unit_test(the_events_of_a_part_add_up_to_it),
        cmocka_unit_test(latency_has_the_shape_it_was_asked_for),
        cmocka_unit_test(events_hold_1_to_20_tokens_about_every_50_ms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
