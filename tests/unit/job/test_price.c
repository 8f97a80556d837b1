/* In: the catalogue and token counts. Out: whether models are found and costs are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "job/price.h"

/* 23 November 2026, 00:00 UTC */
#define NOW_US ((int64_t)1795392000 * USEC_PER_SEC)

static struct catalog *parse(const char *yaml)
{
    struct catalog *c = NULL;
    struct errmsg msg = {""};
    if (catalog_parse(yaml, strlen(yaml), "models.yaml", &c, &msg) != OK)
        fail_msg("%s", msg.text);
    return c;
}

static struct catalog *shipped_catalog(void)
{
    static char text[64 << 10];
    FILE *f = fopen(MODELS_FILE, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    assert_int_equal(fclose(f), 0);
    text[n] = '\0';
    return parse(text);
}

/* ---- money ---- */

static void test_a_call_costs_the_sum_of_its_classes(void **state)
{
    (void)state;
    static const struct price p = {3000000, 15000000, 300000, 3750000, 6000000};
    /* 1,000 x $3 + 2,000 x $15 + 10,000 x $0.30 + 400 x $3.75 + 100 x $6, a million tokens each:
     * 3,000 + 30,000 + 3,000 + 1,500 + 600 micro-dollars */
    const struct usage u = {1000, 2000, 10000, 400, 100};
    assert_int_equal(price_usage(&p, &u), 38100);
    assert_int_equal(usage_prompt(&u), 11500);
}

static void test_classes_are_summed_before_the_one_rounding(void **state)
{
    (void)state;
    static const struct price p = {100000, 500000, 10000, 125000, 200000}; /* $0.10 / $0.50 */
    assert_int_equal(price_usage(&p, &(struct usage){.input = 4}), 0);     /* 0.4 */
    assert_int_equal(price_usage(&p, &(struct usage){.input = 5}), 1);     /* 0.5: half goes up */
    assert_int_equal(price_usage(&p, &(struct usage){.input = 14}), 1);    /* 1.4 */
    assert_int_equal(price_usage(&p, &(struct usage){.input = 15}), 2);    /* 1.5 */
    /* 0.4 + 0.5 + 0.04 + 0.25 + 0.4 = 1.59; rounded one by one it would be 1 */
    const struct usage u = {
        .input = 4, .output = 1, .cache_read = 4, .cache_write_5m = 2, .cache_write_1h = 2};
    assert_int_equal(price_usage(&p, &u), 2);
    assert_int_equal(price_usage(&p, &(struct usage){0}), 0);
}

static void test_huge_counts_do_not_overflow(void **state)
{
    (void)state;
    static const struct price p = {5000000, 25000000, 500000, 6250000, 10000000};
    const struct usage u = {.input = INT64_C(1000000000000000), .output = 1};
    assert_int_equal(price_usage(&p, &u), INT64_C(5000000000000025)); /* 5e15 + 25 */
    const struct usage all = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    assert_int_equal(price_usage(&p, &all), INT64_MAX); /* as far as it goes */
}

static void test_usage_adds_up(void **state)
{
    (void)state;
    struct usage sum = {1, 2, 3, 4, 5};
    usage_add(&sum, &(struct usage){10, 20, 30, 40, 50});
    assert_int_equal(sum.input, 11);
    assert_int_equal(sum.output, 22);
    assert_int_equal(sum.cache_read, 33);
    assert_int_equal(sum.cache_write_5m, 44);
    assert_int_equal(sum.cache_write_1h, 55);
}

/* ---- the shipped catalogue ---- */

static void check_price(const struct catalog *c, const char *model, int64_t prompt_tokens,
                        struct price expected)
{
    struct price p;
    if (catalog_price(c, model, NOW_US, prompt_tokens, &p) != OK)
        fail_msg("no price: %s", model);
    assert_int_equal(p.input, expected.input);
    assert_int_equal(p.output, expected.output);
    assert_int_equal(p.cache_read, expected.cache_read);
    assert_int_equal(p.cache_write_5m, expected.cache_write_5m);
    assert_int_equal(p.cache_write_1h, expected.cache_write_1h);
}

static void test_shipped_prices_are_the_published_ones(void **state)
{
    (void)state;
    struct catalog *c = shipped_catalog();
    static const struct price opus = {5000000, 25000000, 500000, 6250000, 10000000};
    static const struct price sonnet = {3000000, 15000000, 300000, 3750000, 6000000};
    check_price(c, "claude-opus-5-5", 1000,
                (struct price){4000000, 20000000, 200000, 5000000, 8000000});
    check_price(c, "claude-opus-5", 1000, opus);
    check_price(c, "claude-opus-4-8", 1000, opus);
    check_price(c, "claude-opus-4-7", 1000, opus);
    check_price(c, "claude-opus-4-6", 1000, opus);
    check_price(c, "claude-opus-4-5", 1000, opus);
    check_price(c, "claude-sonnet-5-5", 1000,
                (struct price){2000000, 10000000, 100000, 2500000, 4000000});
    check_price(c, "claude-sonnet-5", 1000,
                (struct price){2000000, 10000000, 200000, 2500000, 4000000});
    check_price(c, "claude-sonnet-4-6", 1000, sonnet);
    check_price(c, "claude-sonnet-4-5", 1000, sonnet);
    check_price(c, "claude-haiku-4-5", 1000,
                (struct price){1000000, 5000000, 100000, 1250000, 2000000});
    catalog_free(c);
}

static void test_long_prompts_of_haiku_cost_more(void **state)
{
    (void)state;
    struct catalog *c = shipped_catalog();
    static const struct price base = {100000, 500000, 10000, 125000, 200000};
    static const struct price above = {500000, 2500000, 50000, 625000, 1000000};
    check_price(c, "claude-haiku-5-5", 0, base);
    check_price(c, "claude-haiku-5-5", 100000, base);
    check_price(c, "claude-haiku-5-5", 100001, above);
    catalog_free(c);
}

static void test_shipped_models_know_their_api(void **state)
{
    (void)state;
    struct catalog *c = shipped_catalog();
    const struct model *m = catalog_default(c);
    assert_string_equal(m->id, "claude-sonnet-5-5");
    assert_string_equal(m->api_version, "2026-10-21");
    assert_false(m->sampling);
    m = catalog_model(c, "claude-sonnet-4-6");
    assert_string_equal(m->api_version, "2023-06-01");
    assert_true(m->sampling);
    m = catalog_model(c, "claude-opus-4-7"); /* the old version, but no sampling any more */
    assert_string_equal(m->api_version, "2023-06-01");
    assert_false(m->sampling);
    m = catalog_model(c, "haiku");
    assert_string_equal(m->id, "claude-haiku-5-5");
    assert_string_equal(m->rate_class, "haiku");
    assert_string_equal(catalog_model(c, "opus")->id, "claude-opus-5-5");
    size_t n = 0;
    for (; catalog_at(c, n) != NULL; n++) {
        const struct model *each = catalog_at(c, n);
        assert_ptr_equal(catalog_model(c, each->id), each);
        assert_true(each->max_output_tokens < each->context_tokens);
        /* a field that the new version refuses is never declared for it */
        assert_false(each->sampling && strcmp(each->api_version, "2026-10-21") == 0);
    }
    assert_int_equal(n, 12);
    catalog_free(c);
}

/* ---- a user's own catalogue ---- */

#define MODEL "models:\n  - id: m\n    context_tokens: 10\n    max_output_tokens: 5\n"

static void test_what_may_be_left_out(void **state)
{
    (void)state;
    struct catalog *c = parse("default: m\n" MODEL "    prices:\n      - input: 0.000002\n"
                              "        output: 1\n");
    const struct model *m = catalog_model(c, "m");
    assert_string_equal(m->name, "m");
    assert_string_equal(m->rate_class, "m");
    assert_string_equal(m->api_version, "2023-06-01");
    assert_false(m->sampling);
    assert_false(m->schema);
    /* 2 micro-dollars a million tokens: 1.25 times is 2.5, and half goes up */
    check_price(c, "m", 0, (struct price){2, 1000000, 2, 3, 4});
    catalog_free(c);
}

static void test_cache_prices_that_are_given_win(void **state)
{
    (void)state;
    struct catalog *c =
        parse("default: m\n" MODEL "    prices:\n      - input: 1\n        output: 2\n"
              "        cache_read: 0\n        cache_write_5m: 7\n        cache_write_1h: 8\n");
    check_price(c, "m", 0, (struct price){1000000, 2000000, 0, 7000000, 8000000});
    catalog_free(c);
}

static int64_t input_price_at(const struct catalog *c, int64_t wall_us, int64_t prompt_tokens)
{
    struct price p;
    return catalog_price(c, "m", wall_us, prompt_tokens, &p) == OK ? p.input : -1;
}

static void test_the_newest_date_that_has_come_is_in_force(void **state)
{
    (void)state;
    struct catalog *c =
        parse("default: m\n" MODEL "    prices:\n"
              "      - {from: 2026-12-01, input: 3, output: 1}\n"
              "      - {from: 2026-11-01, input: 1, output: 1}\n"
              "      - {from: 2026-11-01, prompt_above: 100, input: 2, output: 1}\n"
              "      - {from: 2026-11-01, prompt_above: 500, input: 4, output: 1}\n");
    const int64_t november_us = (int64_t)1793491200 * USEC_PER_SEC;
    const int64_t december_us = (int64_t)1796083200 * USEC_PER_SEC;
    assert_int_equal(input_price_at(c, november_us - 1, 0), -1);
    assert_int_equal(input_price_at(c, november_us, 0), 1000000);
    assert_int_equal(input_price_at(c, november_us, 101), 2000000);
    assert_int_equal(input_price_at(c, november_us, 501), 4000000);
    assert_int_equal(input_price_at(c, december_us - 1, 100), 1000000);
    assert_int_equal(input_price_at(c, december_us, 100000), 3000000); /* its bands are gone */
    catalog_free(c);
}

static void test_models_that_are_not_allowed_are_hidden_but_priced(void **state)
{
    (void)state;
    struct catalog *c = parse("default: b\nmodels:\n"
                              "  - {id: m, aliases: [old], allowed: false, context_tokens: 10, "
                              "max_output_tokens: 5, prices: [{input: 1, output: 2}]}\n"
                              "  - {id: b, context_tokens: 10, max_output_tokens: 5, "
                              "prices: [{input: 1, output: 2}]}\n");
    assert_null(catalog_model(c, "m"));
    assert_null(catalog_model(c, "old"));
    assert_string_equal(catalog_at(c, 0)->id, "b");
    assert_null(catalog_at(c, 1));
    assert_int_equal(input_price_at(c, NOW_US, 0), 1000000);
    catalog_free(c);
}

static void test_unknown_models_are_not_found(void **state)
{
    (void)state;
    struct catalog *c = shipped_catalog();
    struct price p = {.input = 77};
    assert_null(catalog_model(c, "gpt"));
    assert_null(catalog_model(c, ""));
    assert_null(catalog_model(c, NULL));
    assert_int_equal(catalog_price(c, "gpt", NOW_US, 0, &p), ERR_NOT_FOUND);
    assert_int_equal(p.input, 77);
    catalog_free(c);
}

#define PRICES "    prices: [{input: 1, output: 2}]\n"

static void test_mistakes_are_named_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *place, *word;
    } cases[] = {
        {"default: m\n", "models.yaml:1:", "models"},
        {"default: x\n" MODEL PRICES, "models.yaml:1:", "x"},
        {"default: m\nmodels: 3\n", "models.yaml:2:", "list"},
        {"default: m\nmodels: []\n", "models.yaml:1:", "m"},
        {"default: m\n" MODEL "    prices: []\n", "models.yaml:6:", "prices"},
        {"default: m\n" MODEL "    prices: [{input: -1, output: 2}]\n", "models.yaml:6:", "input"},
        {"default: m\n" MODEL "    prices: [{input: 1}]\n", "models.yaml:6:", "output"},
        {"default: m\n" MODEL "    prices: [{from: 2026-02-29, input: 1, output: 2}]\n",
         "models.yaml:6:", "2026-02-29"},
        {"default: m\n" MODEL "    prices: [{from: soon, input: 1, output: 2}]\n",
         "models.yaml:6:", "soon"},
        {"default: m\n" MODEL "    prices: [{prompt_above: 5, input: 1, output: 2}]\n",
         "models.yaml:6:", "prompt_above"},
        {"default: m\n" MODEL "    prices: [{input: 1, output: 2}, {input: 3, output: 2}]\n",
         "models.yaml:6:", "two prices"},
        {"default: m\n" MODEL "    colour: red\n" PRICES, "models.yaml:6:", "colour"},
        {"default: m\n" MODEL PRICES "  - {id: n, aliases: [m], context_tokens: 1, "
         "max_output_tokens: 1, prices: [{input: 1, output: 1}]}\n",
         "models.yaml:7:", "taken: m"},
        {"default: m\n" MODEL
         "    rate_class: a234567890123456789012345678901234567890123456789012345"
         "67890123456789012345678901234567890123456789012345678901\n" PRICES,
         "models.yaml:3:", "100 bytes"},
        {"default: m\nmodels:\n  - {id: m, allowed: false, context_tokens: 1, "
         "max_output_tokens: 1, prices: [{input: 1, output: 1}]}\n",
         "models.yaml:1:", "allowed"},
        {"default: m\nmodels:\n  - {id: m, context_tokens: 0, "
         "max_output_tokens: 1, prices: [{input: 1, output: 1}]}\n",
         "models.yaml:3:", "context_tokens"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct catalog *c = NULL;
        struct errmsg msg = {""};
        enum err e = catalog_parse(cases[i].yaml, strlen(cases[i].yaml), "models.yaml", &c, &msg);
        if (e != ERR_INVALID || strstr(msg.text, cases[i].place) == NULL ||
            strstr(msg.text, cases[i].word) == NULL)
            fail_msg("case %zu: %s: %s", i, err_name(e), msg.text);
        assert_null(c);
    }
}

/* ---- estimates ---- */

static const char prose[] =
    "Most people believe that a garden needs a great deal of land, but the truth is much kinder "
    "than that. A balcony, a window sill or even the bottom of a flight of stairs can feed you "
    "with fresh herbs for most of the year. In this video we will look at five plants that forgive "
    "almost every mistake, at the soil they like, and at the one thing that kills more of them "
    "than frost and insects together: too much water. Before we start, take a quick look at your "
    "window. Does the sun come in during the morning or in the afternoon? Write it down, because "
    "everything else depends on the answer.\n\n"
    "Let us begin with basil. It is the plant that everybody buys and nearly everybody loses "
    "within three weeks. The reason is simple: the pot from the supermarket holds twenty little "
    "plants instead of one, and they fight each other for light and room. Divide them into four "
    "pots, cut each of them above the second pair of leaves, and you will harvest all summer.\n";

static void test_prose_lies_near_both_usual_rules(void **state)
{
    (void)state;
    int words = 0;
    for (const char *p = prose; *p != '\0'; p++)
        words += *p != ' ' && *p != '\n' && (p[1] == ' ' || p[1] == '\n');
    double by_words = words * 1.33, by_bytes = (double)(sizeof prose - 1) / 4;
    double got = (double)tokens_estimate(prose, sizeof prose - 1);
    print_message("words %d bytes %zu: %.0f by words, %.0f by bytes, estimate %.0f\n", words,
                  sizeof prose - 1, by_words, by_bytes, got);
    assert_true(got > by_words * 0.9 && got < by_words * 1.1);
    assert_true(got > by_bytes * 0.9 && got < by_bytes * 1.1);
}

static void test_estimates_grow_with_the_text_and_are_never_nothing(void **state)
{
    (void)state;
    assert_int_equal(tokens_estimate("", 0), 1);
    assert_int_equal(tokens_estimate(NULL, 0), 1);
    assert_int_equal(tokens_estimate(" ", 1), 1);
    assert_int_equal(tokens_estimate("word", 4), 1);
    assert_int_equal(tokens_estimate("two words", 9), 2);
    assert_int_equal(tokens_estimate("1234567", 7), 3);
    int64_t last = 0;
    for (size_t n = 0; n < sizeof prose; n++) {
        int64_t now = tokens_estimate(prose, n);
        assert_true(now >= last && now <= (int64_t)n + 1);
        last = now;
    }
}

static void test_json_counts_its_punctuation(void **state)
{
    (void)state;
    static const char json[] = "{\"title\":\"Five herbs\",\"totalMinutes\":10,\"chunks\":[{"
                               "\"chunkNumber\":1,\"timeRange\":\"00:00-10:00\"}]}";
    int64_t got = tokens_estimate(json, sizeof json - 1);
    assert_true(got > (int64_t)(sizeof json - 1) / 4); /* denser than prose, */
    assert_true(got < (int64_t)(sizeof json - 1) / 2); /* but not absurdly so */
}

static void test_other_scripts_count_by_their_bytes(void **state)
{
    (void)state;
    static const char chinese[] = "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c"; /* 4 signs */
    assert_int_equal(tokens_estimate(chinese, sizeof chinese - 1), 4);
}

static void test_a_cut_call_is_charged_half_a_save_interval(void **state)
{
    (void)state;
    assert_int_equal(tokens_after_cut(500, 80, 100000), 504); /* 80/s x 0.1 s / 2 */
    assert_int_equal(tokens_after_cut(500, 50, 100000), 503); /* 2.5: half goes up */
    assert_int_equal(tokens_after_cut(0, 0, 100000), 0);
    assert_int_equal(tokens_after_cut(7, -5, 100000), 7);
    assert_int_equal(tokens_after_cut(1, INT64_C(4000000000000), INT64_C(1000000000)),
                     INT64_C(2000000000000001)); /* product past 64 bits */
}

static void test_of_many_calls_text_is_saved_less_often(void **state)
{
    (void)state;
    assert_int_equal(tokens_save_tick_us(1, TOKENS_SAVE_TICK_US), 100000);
    assert_int_equal(tokens_save_tick_us(400, TOKENS_SAVE_TICK_US), 100000);
    assert_int_equal(tokens_save_tick_us(2000, TOKENS_SAVE_TICK_US), 500000); /* 4,000 a second */
}

/* Cuts at random moments between two saves: the sum of estimates meets the sum of truths. */
static void test_the_estimate_of_cut_calls_is_unbiased(void **state)
{
    (void)state;
    struct rng rng = rng_seed(11, 1);
    int64_t truth = 0, estimate = 0;
    for (int i = 0; i < 20000; i++) {
        double rate = 60 + 40 * rng_unit(&rng), cut_s = 1 + 9 * rng_unit(&rng);
        double saved_s = (double)(int64_t)(cut_s * 10) / 10; /* saved every 100 ms */
        truth += (int64_t)(rate * cut_s);
        estimate += tokens_after_cut((int64_t)(rate * saved_s), (int64_t)rate, 100000);
    }
    double error = (double)(estimate - truth) / (double)truth;
    assert_true(error > -0.005 && error < 0.005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_costs_the_sum_of_its_classes),
        cmocka_unit_test(test_classes_are_summed_before_the_one_rounding),
        cmocka_unit_test(test_huge_counts_do_not_overflow),
        cmocka_unit_test(test_usage_adds_up),
        cmocka_unit_test(test_shipped_prices_are_the_published_ones),
        cmocka_unit_test(test_long_prompts_of_haiku_cost_more),
        cmocka_unit_test(test_shipped_models_know_their_api),
        cmocka_unit_test(test_what_may_be_left_out),
        cmocka_unit_test(test_cache_prices_that_are_given_win),
        cmocka_unit_test(test_the_newest_date_that_has_come_is_in_force),
        cmocka_unit_test(test_models_that_are_not_allowed_are_hidden_but_priced),
        cmocka_unit_test(test_unknown_models_are_not_found),
        cmocka_unit_test(test_mistakes_are_named_with_file_and_line),
        cmocka_unit_test(test_prose_lies_near_both_usual_rules),
        cmocka_unit_test(test_estimates_grow_with_the_text_and_are_never_nothing),
        cmocka_unit_test(test_json_counts_its_punctuation),
        cmocka_unit_test(test_other_scripts_count_by_their_bytes),
        cmocka_unit_test(test_a_cut_call_is_charged_half_a_save_interval),
        cmocka_unit_test(test_of_many_calls_text_is_saved_less_often),
        cmocka_unit_test(test_the_estimate_of_cut_calls_is_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
