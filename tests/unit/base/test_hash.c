/* In: hash.c. Out: the published digests, and that field borders count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/hash.h"

static void digest_of_fields(const char *a, const char *b, char *out)
{
    struct hash *h = hash_new();
    hash_add_field(h, a);
    hash_add_field(h, b);
    (void)hash_finish(h, out);
}

/* FIPS 180-2, appendix B.1. */
static void bytes_in_any_cut_have_the_published_digest(void **state)
{
    (void)state;
    char out[HASH_HEX_SIZE];
    struct hash *h = hash_new();
    hash_add(h, "a", 1);
    hash_add(h, "", 0);
    hash_add(h, "bc", 2);
    assert_string_equal(hash_finish(h, out),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void fields_that_join_to_the_same_text_differ(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {NULL, "abc"}};
    char out[4][HASH_HEX_SIZE];
    for (int i = 0; i < 4; i++) {
        digest_of_fields(pairs[i][0], pairs[i][1], out[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(out[i], out[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_in_any_cut_have_the_published_digest),
        cmocka_unit_test(fields_that_join_to_the_same_text_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
