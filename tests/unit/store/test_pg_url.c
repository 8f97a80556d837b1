/* In: URLs. Out: what libpq is given, and names in need of a look-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg/pg_url.h"

static struct pg_url *parse(const char *text)
{
    struct pg_url *u = NULL;
    struct errmsg msg = {0};
    assert_int_equal(pg_url_parse(text, &u, &msg), OK);
    return u;
}

static const char *value(const struct pg_params_out *p, const char *key)
{
    for (size_t i = 0; p->keys[i] != NULL; i++) {
        if (strcmp(p->keys[i], key) == 0)
            return p->values[i];
    }
    return NULL;
}

static void a_label_names_the_server_and_no_secret(void **state)
{
    (void)state;
    struct pg_url *u = parse("postgres://me:s%40cret@db.example.com:6543/app?sslmode=require");
    assert_string_equal(u->label, "db.example.com:6543/app");
    assert_int_equal(u->names.n, 1);
    assert_false(u->names.items[0].as_is);
    pg_url_free(u);
}

static void addresses_and_sockets_need_no_look_up(void **state)
{
    (void)state;
    static const char *const urls[] = {"postgres://127.0.0.1/a", "postgres://[::1]:99/a",
                                       "host=/var/run/postgresql dbname=a", "dbname=a",
                                       "host=db hostaddr=10.0.0.1"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct pg_url *u = parse(urls[i]);
        assert_int_equal(u->names.n, 0);
        pg_url_free(u);
    }
}

static void hosts_are_replaced_by_all_their_addresses(void **state)
{
    (void)state;
    struct pg_url *u = parse("postgres://one:1,10.0.0.9:2,gone:3,two:4/app");
    struct pg_addresses found = {.n = {2, 0, 0, 1}};
    (void)strcpy(found.text[0][0], "10.0.0.1");
    (void)strcpy(found.text[0][1], "fe80::1");
    (void)strcpy(found.text[3][0], "10.0.0.4");
    struct arena arena = {0};
    struct pg_params_out out;
    pg_url_params(u, &found, "name", "-c a=b", false, &arena, &out);
    assert_string_equal(value(&out, "host"), "one,one,10.0.0.9,two");
    assert_string_equal(value(&out, "hostaddr"), "10.0.0.1,fe80::1,10.0.0.9,10.0.0.4");
    assert_string_equal(value(&out, "port"), "1,1,2,4");
    arena_free(&arena);
    pg_url_free(u);
}

static void what_the_url_says_wins_over_our_defaults(void **state)
{
    (void)state;
    struct pg_url *u = parse("postgres://h/d?application_name=mine&keepalives_idle=99"
                             "&options=-c%20search_path%3Dx");
    struct arena arena = {0};
    struct pg_params_out out;
    pg_url_params(u, NULL, "ours", "-c jit=off", false, &arena, &out);
    assert_string_equal(value(&out, "application_name"), "mine");
    assert_string_equal(value(&out, "keepalives_idle"), "99");
    assert_string_equal(value(&out, "keepalives_count"), "3");
    assert_string_equal(value(&out, "client_encoding"), "UTF8");
    assert_string_equal(value(&out, "options"), "-c jit=off -c search_path=x");
    pg_url_params(u, NULL, "ours", "-c jit=off", true, &arena, &out); /* behind a pooler */
    assert_string_equal(value(&out, "options"), "-c search_path=x");
    arena_free(&arena);
    pg_url_free(u);
}

static void of_several_processes_each_adds_its_number_to_the_name(void **state)
{
    (void)state;
    static const char long_name[] =
        "postgres://h/d?application_name="
        "123456789-123456789-123456789-123456789-123456789-123456789-123456789";
    static const struct {
        const char *url, *name;
    } cases[] = {{"postgres://h/d", "scriptorium/12"},
                 {"postgres://h/d?application_name=mine", "mine/12"},
                 {long_name, "123456789-123456789-123456789-123456789-123456789-123456789-/12"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pg_url *u = parse(cases[i].url);
        struct arena arena = {0};
        struct pg_params_out out;
        pg_url_add_part(u, "scriptorium", "12");
        pg_url_params(u, NULL, "scriptorium", "", true, &arena, &out);
        assert_string_equal(value(&out, "application_name"), cases[i].name);
        arena_free(&arena);
        pg_url_free(u);
    }
}

static void too_long_and_too_many_is_refused(void **state)
{
    (void)state;
    struct pg_url *u = NULL;
    struct errmsg msg = {0};
    char *text = mem_alloc(PG_URL_MAX + 100);
    memset(text, 'x', PG_URL_MAX + 50);
    assert_int_equal(pg_url_parse(text, &u, &msg), ERR_INVALID);
    free(text);
    assert_int_equal(pg_url_parse("postgres://a,b,c,d,e,f,g,h,i/d", &u, &msg), ERR_INVALID);
    assert_null(u);
}

int main(void)
{
    static const char *const environment[] = {"PGHOST", "PGHOSTADDR", "PGPORT",    "PGDATABASE",
                                              "PGUSER", "PGOPTIONS",  "PGAPPNAME", "PGSERVICE"};
    for (size_t i = 0; i < sizeof environment / sizeof environment[0]; i++)
        (void)unsetenv(environment[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_names_the_server_and_no_secret),
        cmocka_unit_test(addresses_and_sockets_need_no_look_up),
        cmocka_unit_test(hosts_are_replaced_by_all_their_addresses),
        cmocka_unit_test(what_the_url_says_wins_over_our_defaults),
        cmocka_unit_test(of_several_processes_each_adds_its_number_to_the_name),
        cmocka_unit_test(too_long_and_too_many_is_refused),
    };
    return cmocka_run_group_tests_name("store/pg_url", tests, NULL, NULL);
}
