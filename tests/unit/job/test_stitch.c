/* In: chunks and additions. Out: whether one script comes of them with everything in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "job/check.h"
#include "job/stitch.h"

static void check_chunks(const char *a, const char *b, const char *expected)
{
    const char *const chunks[] = {a, b};
    char *text = stitch_chunks(chunks, b == NULL ? 1 : 2);
    assert_string_equal(text, expected);
    free(text);
}

static void test_chunks_become_one_script(void **state)
{
    (void)state;
    check_chunks("### [00:00] A\n\nOne.\n", NULL, "### [00:00] A\n\nOne.\n");
    check_chunks("", NULL, "");
    check_chunks("### [00:00] A\n\nOne.", "\n### [10:00] B\n\nTwo.\n\n",
                 "### [00:00] A\n\nOne.\n\n### [10:00] B\n\nTwo.\n");
    /* fences around a chunk, a title repeated, an ending that came too early */
    check_chunks(
        "```markdown\n# Bread\n\n### A\n\nOne.\n\n## Description\n\nNo.\n\n## Tags\n\nx\n```",
        "# Bread\n\n### B\n\nTwo.\n\n## Description\n\nYes.",
        "# Bread\n\n### A\n\nOne.\n\n### B\n\nTwo.\n\n## Description\n\nYes.\n");
    /* what the second says again of the end of the first */
    check_chunks("### A\n\nOne. And so the dough has to rest overnight.",
                 "And so the dough has to rest overnight.\n\n### B\n\nTwo.",
                 "### A\n\nOne. And so the dough has to rest overnight.\n\n### B\n\nTwo.\n");
}

#define SCRIPT                                                                                     \
    "### [00:00] Start\n\nOne.\n\n### [02:00] Middle\n\nTwo.\n\n### [04:00] Conclusion\n\nThree."

static void check_additions(const char *script, const char *additions, const char *expected)
{
    char *text = stitch_additions(script, strlen(script), additions, strlen(additions));
    assert_string_equal(text, expected);
    free(text);
}

static void test_additions_go_where_their_time_says(void **state)
{
    (void)state;
    check_additions(
        SCRIPT, "### [01:00] New\n\nMore.",
        "### [00:00] Start\n\nOne.\n\n### [01:00] New\n\nMore.\n\n### [02:00] Middle\n\nTwo."
        "\n\n### [04:00] Conclusion\n\nThree.\n");
    check_additions(
        SCRIPT, "### [03:00] New\n\nMore.\n\n### [03:30] Newer\n\nStill more.",
        "### [00:00] Start\n\nOne.\n\n### [02:00] Middle\n\nTwo.\n\n### [03:00] New\n\nMore."
        "\n\n### [03:30] Newer\n\nStill more.\n\n### [04:00] Conclusion\n\nThree.\n");
    /* never before the opening, never behind the conclusion; a time past it cannot be right */
    check_additions(
        SCRIPT, "### [00:00] New\n\nMore.\n\n### [04:30] Late\n\nStill more.",
        "### [00:00] Start\n\nOne.\n\n### [00:00] New\n\nMore.\n\n### [02:00] Middle\n\nTwo."
        "\n\n### Late\n\nStill more.\n\n### [04:00] Conclusion\n\nThree.\n");
}

static void test_additions_without_a_time_go_before_the_conclusion(void **state)
{
    (void)state;
    check_additions(SCRIPT, "Sure! Here are the additions:\n\n### New\n\nMore.",
                    "### [00:00] Start\n\nOne.\n\n### [02:00] Middle\n\nTwo.\n\n### New\n\nMore."
                    "\n\n### [04:00] Conclusion\n\nThree.\n");
    /* a call to action behind the conclusion does not become the place */
    check_additions(
        "### A\n\nOne.\n\n### Conclusion\n\nTwo.\n\n### Subscribe\n\nNow.", "### New\n\nMore.",
        "### A\n\nOne.\n\n### New\n\nMore.\n\n### Conclusion\n\nTwo.\n\n### Subscribe\n\nNow.\n");
    check_additions("### A\n\nOne.", "### New\n\nMore.", "### A\n\nOne.\n\n### New\n\nMore.\n");
    check_additions("", "### New\n\nMore.", "### New\n\nMore.\n");
}

static void test_an_addition_to_a_known_section_continues_it(void **state)
{
    (void)state;
    check_additions(SCRIPT, "### [02:30] MIDDLE\n\nMore of it.",
                    "### [00:00] Start\n\nOne.\n\n### [02:00] Middle\n\nTwo.\n\nMore of it."
                    "\n\n### [04:00] Conclusion\n\nThree.\n");
}

static void test_description_and_tags_are_completed_not_replaced(void **state)
{
    (void)state;
    check_additions("### A\n\nOne.\n\n## Tags\n\nbread, flour\n\n## Sources\n\nThe mill.",
                    "## Description\n\nAll.\n\n## Tags\n\n#Flour, water",
                    "### A\n\nOne.\n\n## Description\n\nAll.\n\n## Tags\n\nbread, flour, water\n\n"
                    "## Sources\n\nThe mill.\n");
    check_additions("### A\n\nOne.\n\n## Description\n\nMine.", "## Description\n\nOther.",
                    "### A\n\nOne.\n\n## Description\n\nMine.\n");
    check_additions("### A\n\nOne.\n\n## Description\n\n## Tags\n\na", "## Description\n\nOther.",
                    "### A\n\nOne.\n\n## Description\n\nOther.\n\n## Tags\n\na\n");
}

static void put_random(struct buf *out, struct rng *rng, int sections)
{
    static const char *const heads[] = {"## Description\n\n", "## Tags\n\n", "# Title\n\n"};
    for (int i = 0; i < sections; i++) {
        uint32_t h = rng_below(rng, 20), a = rng_below(rng, 60), b = rng_below(rng, 12);
        if (h < 10)
            buf_putf(out, "### [%02u:00] T%u\n\n", a, b);
        else if (h < 15)
            buf_putf(out, "### T%u\n\n", b);
        else
            buf_puts(out, heads[h % 3]);
        for (uint32_t w = rng_below(rng, 30); w > 0; w--)
            buf_putf(out, "w%u%s", rng_u32(rng), rng_below(rng, 6) == 0 ? ".\n\n" : " ");
        buf_puts(out, "\n\n");
    }
}

static void test_additions_never_make_a_script_shorter(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng = rng_seed(seed, 3);
    for (int round = 0; round < 400; round++) {
        struct buf script = BUF_INIT(1u << 18), more = BUF_INIT(1u << 18);
        put_random(&script, &rng, (int)rng_below(&rng, 8));
        put_random(&more, &rng, (int)rng_below(&rng, 8));
        char *text = stitch_additions(buf_str(&script), script.len, buf_str(&more), more.len);
        assert_true(words_count(text, strlen(text)) >= words_count(buf_str(&script), script.len));
        char *again = stitch_additions(text, strlen(text), "", 0);
        assert_string_equal(again, text); /* nothing added, nothing changed */
        free(again);
        free(text);
        buf_free(&script);
        buf_free(&more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_become_one_script),
        cmocka_unit_test(test_additions_go_where_their_time_says),
        cmocka_unit_test(test_additions_without_a_time_go_before_the_conclusion),
        cmocka_unit_test(test_an_addition_to_a_known_section_continues_it),
        cmocka_unit_test(test_description_and_tags_are_completed_not_replaced),
        cmocka_unit_test(test_additions_never_make_a_script_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
