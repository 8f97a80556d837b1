/* In: an argument list as the system lays it out. Out: what ps would show, and the copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "app/title.h"

static void passwords_are_blanked_and_the_copy_keeps_them(void **state)
{
    (void)state;
    char word[] = "serve", url[] = "--database=postgres://u:secret@h/d";
    char query[] = "postgres://h/d?password=secret", plain[] = "sqlite:a.db";
    char *all[] = {word, url, query, plain, NULL};
    char **copy = title_copy(4, all);
    title_hide_passwords(4, all);
    assert_string_equal(word, "serve");
    assert_string_equal(url, "--database=postgres://************");
    assert_string_equal(query, "postgres://*******************");
    assert_string_equal(plain, "sqlite:a.db");
    assert_string_equal(copy[1], "--database=postgres://u:secret@h/d");
    assert_null(copy[4]);
    free(copy);
}

static void a_url_without_a_password_can_be_read(void **state)
{
    (void)state;
    char url[] = "http://127.0.0.1:8400", database[] = "postgres:///app";
    char *all[] = {url, database, NULL};
    title_hide_passwords(2, all);
    assert_string_equal(url, "http://127.0.0.1:8400");
    assert_string_equal(database, "postgres:///app");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_blanked_and_the_copy_keeps_them),
        cmocka_unit_test(a_url_without_a_password_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
