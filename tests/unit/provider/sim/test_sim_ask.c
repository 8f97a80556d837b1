/* In: prompts. Out: is their request block read as docs/pipelines.md defines it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "provider/sim/sim_ask.h"

static void reads_the_last_block_of_a_prompt(void **state)
{
    (void)state;
    static const char prompt[] = "Write it. A <request kind=\"x\"> in a line is no block.\n"
                                 "<request kind=\"outline\" chunk=\"0\" chunks=\"1\" "
                                 "from=\"00:00\" to=\"01:00\" words=\"9\">\n"
                                 "</request>\n"
                                 "<request kind=\"chunk\" chunk=\"2\" chunks=\"3\" from=\"20:00\" "
                                 "to=\"70:30\" words=\"1430\" "
                                 "first=\"no\" last=\"yes\" tags=\"20\">\n"
                                 "<topic>Bread & <b>butter</b></topic>\n"
                                 "<point>One > two</point>\n"
                                 "<point>Two</point>\n"
                                 "<novelty a=\"b\">skipped</novelty>\n"
                                 "<sponsor seconds=\"30\">Acme</sponsor>\n"
                                 "</request>\n"
                                 "<topic>outside</topic>\n";
    struct ask a;
    assert_true(ask_read(prompt, sizeof(prompt) - 1, &a));
    assert_int_equal(a.kind, ASK_CHUNK);
    assert_int_equal(a.chunk, 2);
    assert_int_equal(a.chunks, 3);
    assert_int_equal(a.from_s, 1200);
    assert_int_equal(a.to_s, 4230);
    assert_int_equal(a.words, 1430);
    assert_int_equal(a.tags, 20);
    assert_false(a.first);
    assert_true(a.last);
    assert_string_equal(a.topic, "Bread & <b>butter</b>");
    assert_int_equal(a.points.n, 2);
    assert_string_equal(a.points.items[0], "One > two");
    assert_string_equal(a.sponsor, "Acme");
    assert_null(a.hook);
    ask_free(&a);
}

static void a_prompt_without_a_block_has_no_ask(void **state)
{
    (void)state;
    static const char *const prompts[] = {"",
                                          "hello",
                                          "<request ",
                                          "<request kind=\"poem\">\n",
                                          " <request kind=\"chunk\">",
                                          "<request kind=\"chunk"};
    struct ask a;
    for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++)
        assert_false(ask_read(prompts[i], strlen(prompts[i]), &a));
}

/* Random bytes and cut blocks: the sanitizers are the judge. */
static void broken_blocks_are_survived(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : rng_seed_from_os();
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct rng rng = rng_seed(seed, 1);
    static const char base[] = "<request kind=\"chunk\" from=\"1:0\" to=\"2:00\" words=\"90\">\n"
                               "<topic>x</topic>\n<chunk n=\"1\" from=\"00:00\">c</chunk>\n"
                               "<point>p</point>\n</request>\n";
    for (int i = 0; i < 2000; i++) {
        char *text = mem_dup(base, sizeof(base));
        size_t n = 1 + rng_below(&rng, sizeof(base) - 1);
        for (int k = 0; k < 3; k++)
            text[rng_below(&rng, (uint32_t)n)] = "<>\"/= \n:9"[rng_below(&rng, 9)];
        char *exact = mem_dup(text, n);
        struct ask a;
        if (ask_read(exact, n, &a))
            ask_free(&a);
        free(exact);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_last_block_of_a_prompt),
        cmocka_unit_test(a_prompt_without_a_block_has_no_ask),
        cmocka_unit_test(broken_blocks_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
