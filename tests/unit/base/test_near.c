/* In: words as people mistype them. Out: the one that was meant, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/near.h"

static const char *nearest(const char *word)
{
    static const char *const known[] = {"concurrency", "topic", "speed", "seed"};
    struct near n = {.word = word, .distance = 3};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        near_consider(&n, known[i], strlen(known[i]));
    return n.best;
}

static void a_letter_or_two_may_be_wrong(void **state)
{
    (void)state;
    assert_string_equal(nearest("speeed"), "speed");
    assert_string_equal(nearest("topci"), "topic");
    assert_string_equal(nearest("conc"), "concurrency"); /* its start */
    assert_string_equal(nearest("sed"), "seed");         /* one letter, where speed needs two */
    assert_null(nearest("minutes"));
    assert_null(nearest("c"));
}

static void only_the_part_that_counts_is_compared(void **state)
{
    (void)state;
    struct near n = {.word = "jbos", .distance = 3};
    near_consider(&n, "jobs list", strlen("jobs"));
    assert_string_equal(n.best, "jobs list");
}

static void a_word_without_end_is_near_nothing(void **state)
{
    (void)state;
    char word[1000];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(nearest(word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_or_two_may_be_wrong),
        cmocka_unit_test(only_the_part_that_counts_is_compared),
        cmocka_unit_test(a_word_without_end_is_near_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
