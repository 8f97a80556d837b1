/* In: methods and paths. Out: which route takes them, and what Allow says when none does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "api/routes.h"

static const struct route table[] = {
    {.method = "GET", .pattern = "/"},
    {.method = "GET", .pattern = "/v1/jobs"},
    {.method = "POST", .pattern = "/v1/jobs"},
    {.method = "GET", .pattern = "/v1/jobs/{id}"},
    {.method = "DELETE", .pattern = "/v1/jobs/{id}"},
    {.method = "POST", .pattern = "/v1/jobs/{id}/cancel"},
    {.method = "GET", .pattern = "/a/{x}/b/{y}"},
};

static struct route_match find(const char *method, const char *path)
{
    struct route_match m;
    route_find(table, sizeof table / sizeof table[0], method, path, &m);
    return m;
}

static void finds_by_method_and_path(void **state)
{
    (void)state;
    assert_ptr_equal(find("GET", "/").route, &table[0]);
    assert_ptr_equal(find("GET", "/v1/jobs").route, &table[1]);
    assert_ptr_equal(find("POST", "/v1/jobs").route, &table[2]);
    assert_ptr_equal(find("HEAD", "/v1/jobs").route, &table[1]);
}

static void takes_parts_of_the_path(void **state)
{
    (void)state;
    struct route_match m = find("POST", "/v1/jobs/abc/cancel");
    assert_ptr_equal(m.route, &table[5]);
    assert_int_equal(m.params[0].len, 3);
    assert_memory_equal(m.params[0].text, "abc", 3);
    m = find("GET", "/a/1/b/23");
    assert_int_equal(m.params[0].len, 1);
    assert_int_equal(m.params[1].len, 2);
    assert_memory_equal(m.params[1].text, "23", 2);
}

static void refuses_what_only_looks_alike(void **state)
{
    (void)state;
    static const char *const paths[] = {"",
                                        "v1/jobs",
                                        "/v1",
                                        "/v1/jobs/",
                                        "/v1/jobs//cancel",
                                        "/v1/jobs/a/b",
                                        "/v1/jobs/a/cancel/",
                                        "/V1/jobs",
                                        "//",
                                        "/v1/jobsx",
                                        "/v1/job"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct route_match m = find("GET", paths[i]);
        assert_null(m.route);
        assert_string_equal(m.allow, "");
    }
}

static void says_what_a_path_allows(void **state)
{
    (void)state;
    struct route_match m = find("PUT", "/v1/jobs");
    assert_null(m.route);
    assert_string_equal(m.allow, "GET, HEAD, POST, OPTIONS");
    assert_string_equal(find("GET", "/v1/jobs/a/cancel").allow, "POST, OPTIONS");
    assert_string_equal(find("DELETE", "/v1/jobs/a").allow, "GET, HEAD, DELETE, OPTIONS");
}

static void every_route_of_ours_finds_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        struct route_match m;
        route_find(route_table, route_count, route_table[i].method, route_table[i].pattern, &m);
        assert_ptr_equal(m.route, &route_table[i]);
        assert_non_null(route_table[i].handle);
        assert_non_null(route_table[i].summary);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_method_and_path),
        cmocka_unit_test(takes_parts_of_the_path),
        cmocka_unit_test(refuses_what_only_looks_alike),
        cmocka_unit_test(says_what_a_path_allows),
        cmocka_unit_test(every_route_of_ours_finds_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
