/* In: URLs of requests, and the addresses that are ours. Out: what stays on this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/pg/pg_surface_impl.h"

#define SELF "http://127.0.0.1:8400"

static void check(const char *url, const char *public_urls, const char *wanted)
{
    char *got = pg_outgoing_own(url, public_urls, SELF);
    if (wanted == NULL)
        assert_null(got);
    else
        assert_string_equal(got, wanted);
    free(got);
}

static void a_public_url_comes_home_with_its_path(void **state)
{
    static const char ours[] = "https://xyz.supabase.co";
    (void)state;
    check("https://xyz.supabase.co/functions/v1/f?a=b#c", ours, SELF "/functions/v1/f?a=b#c");
    check("HTTPS://XYZ.Supabase.CO/f", ours, SELF "/f");
    check("https://xyz.supabase.co", ours, SELF "/");
    check("https://xyz.supabase.co?a", ours, SELF "/?a");
    check("https://xyz.supabase.co/f", "https://xyz.supabase.co/", SELF "/f");
    check("http://b:81/f", "https://a, http://b:81\n\thttp://c", SELF "/f");
    check("http://c/", " https://a  http://c ", SELF "/");
}

static void what_only_begins_alike_is_somebody_elses(void **state)
{
    static const char ours[] = "https://xyz.supabase.co";
    (void)state;
    check("https://xyz.supabase.co.evil.example/f", ours, NULL);
    check("https://xyz.supabase.co@evil.example/f", ours, NULL);
    check("https://xyz.supabase.co:444/f", ours, NULL);
    check("https://xyz.supabase.com/f", ours, NULL);
    check("https://xyz.supabase.c", ours, NULL);
    check("http://xyz.supabase.co/f", ours, NULL);
    check("https://user@xyz.supabase.co/f", ours, NULL);
    check("https://xyz.supabase.co\\@evil.example/", ours, NULL);
}

static void without_a_list_everything_leaves(void **state)
{
    (void)state;
    check("https://a/", NULL, NULL);
    check("https://a/", "", NULL);
    check("https://a/", " , / ", NULL);
    check("/", "/", NULL);
    assert_null(pg_outgoing_own("https://a/", "https://a", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_public_url_comes_home_with_its_path),
        cmocka_unit_test(what_only_begins_alike_is_somebody_elses),
        cmocka_unit_test(without_a_list_everything_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
