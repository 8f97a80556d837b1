/* In: mem.c. Out: copies, and arenas whose objects are zeroed, aligned and apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void copies_are_equal_and_separate(void **state)
{
    (void)state;
    char text[] = "abc";
    char *a = mem_strdup(text), *b = mem_strndup(text, 2), *c = mem_dup(text, 4);
    char *d = mem_printf("%s-%d", text, 7);
    text[0] = 'x';
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "abc");
    assert_string_equal(d, "abc-7");
    assert_null(mem_strdup(NULL));
    free(mem_dup(NULL, 0));
    free(a);
    free(b);
    free(c);
    free(d);
}

static void arrays_are_zeroed(void **state)
{
    (void)state;
    int *numbers = mem_array(100, sizeof(int));
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    free(numbers);
}

static void arena_objects_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = {0};
    unsigned char *at[200];
    for (size_t i = 0; i < 200; i++) {
        at[i] = arena_alloc(&a, i + 1);
        assert_int_equal((uintptr_t)at[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(at[i][k], 0);
        memset(at[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(at[i][i], i);
    arena_free(&a);
    arena_free(&a);
}

static void an_object_larger_than_a_block_fits(void **state)
{
    (void)state;
    struct arena a = {0};
    char *small = arena_strdup(&a, "small");
    char *large = arena_array(&a, 1 << 10, 1 << 10);
    memset(large, 'x', 1 << 20);
    assert_string_equal(small, "small");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_printf(&a, "%04d", 42), "0042");
    assert_null(arena_strdup(&a, NULL));
    arena_free(&a);
    assert_null(a.head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_equal_and_separate),
        cmocka_unit_test(arrays_are_zeroed),
        cmocka_unit_test(arena_objects_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_object_larger_than_a_block_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
