/* In: research larger than its budget. Out: whether the right parts are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "job/price.h"
#include "job/research.h"

/* `sentences` sentences that begin with the name. */
static json_t *text(const char *name, int sentences)
{
    struct buf b = BUF_INIT(1u << 20);
    for (int i = 0; i < sentences; i++)
        buf_putf(&b, "%s says one more thing here. ", name);
    json_t *value = json_stringn(b.data, b.len);
    buf_free(&b);
    return value;
}

static json_t *source(const char *name, bool starred, bool verified, int sentences)
{
    return json_pack("{s:s, s:o, s:b, s:b}", "title", name, "content", text(name, sentences),
                     "starred", starred, "verified", verified);
}

static int64_t size_of(const json_t *value)
{
    char *s = json_text(value);
    int64_t n = tokens_estimate(s, strlen(s));
    free(s);
    return n;
}

static void test_what_fits_stays_whole(void **state)
{
    (void)state;
    json_t *research = json_pack("{s:s, s:[o, o]}", "summary", "Short.", "sources",
                                 source("Plain", false, false, 5), source("Star", true, false, 5));
    json_t *kept = research_trim(research, 1000);
    assert_true(json_equal(kept, research));
    json_decref(kept);
    assert_null(research_trim(research, 0));
    assert_null(research_trim(NULL, 1000));
    json_decref(research);
}

static void test_starred_then_verified_sources_come_first(void **state)
{
    (void)state;
    json_t *research =
        json_pack("{s:o, s:[o, o, o, o]}", "summary", text("Summary", 200), "sources",
                  source("Plain", false, false, 100), source("Checked", false, true, 100),
                  source("Star", true, false, 100), source("Both", true, true, 100));
    json_t *kept = research_trim(research, 800);
    json_t *sources = json_arr(kept, "sources");
    assert_true(size_of(kept) <= 900); /* the budget, and JSON around it */
    assert_true(json_array_size(sources) >= 3);
    assert_string_equal(json_str(json_array_get(sources, 0), "title"), "Star");
    assert_string_equal(json_str(json_array_get(sources, 1), "title"), "Both");
    assert_string_equal(json_str(json_array_get(sources, 2), "title"), "Checked");
    for (size_t i = 0; i < json_array_size(sources); i++) { /* cut to full sentences */
        const char *content = json_str(json_array_get(sources, i), "content");
        assert_int_equal(content[strlen(content) - 1], '.');
    }
    const char *summary = json_str(kept, "summary");
    assert_true(tokens_estimate(summary, strlen(summary)) <= 200); /* a quarter */
    json_decref(kept);
    json_decref(research);
}

static void test_a_hopeless_budget_leaves_nothing(void **state)
{
    (void)state;
    json_t *research = json_pack("{s:[o]}", "sources", source("Plain", false, false, 100));
    assert_null(research_trim(research, 20));
    json_decref(research);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_stays_whole),
        cmocka_unit_test(test_starred_then_verified_sources_come_first),
        cmocka_unit_test(test_a_hopeless_budget_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
