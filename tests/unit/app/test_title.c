/* In: an argument list as the system lays it out. Out: what ps would show, and the copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "app/title.h"

static void hides_the_options_and_keeps_a_copy(void **state)
{
    (void)state;
    char area[] = "prog\0serve\0--database\0postgres://u:secret@h/d";
    char *all[] = {area, area + 5, area + 11, area + 22, NULL};
    char **copy = title_copy(3, all + 1);
    title_set(3, all + 1, "prog: serving");
    assert_string_equal(area, "prog: serving");
    assert_null(memmem(area, sizeof area, "secret", 6));
    assert_string_equal(copy[0], "serve");
    assert_string_equal(copy[2], "postgres://u:secret@h/d");
    assert_null(copy[3]);
    free(copy);
}

static void cuts_a_title_that_does_not_fit(void **state)
{
    (void)state;
    char area[] = "ab\0cd";
    char *all[] = {area, area + 3, NULL};
    title_set(1, all + 1, "much too long");
    assert_string_equal(area, "much ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hides_the_options_and_keeps_a_copy),
        cmocka_unit_test(cuts_a_title_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
