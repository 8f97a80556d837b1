/* In: a store's failure, and who asked. Out: how much of its reason each is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "api/answer.h"

static const char *told(enum auth_role role, enum err err)
{
    static const struct store_result refused = {
        .message = "db.internal:5432/app: the login of engine is refused"};
    struct api_request rq = {.who.role = role};
    struct store_result r = refused;
    r.err = err;
    return api_reason(&rq, &r);
}

static void the_operator_alone_is_told_where_the_store_is_and_what_it_said(void **state)
{
    (void)state;
    for (int err = OK + 1; err < ERR_MAX; err++) {
        assert_non_null(strstr(told(ROLE_OPERATOR, (enum err)err), "db.internal:5432"));
        for (int role = 0; role < ROLE_MAX; role++) {
            const char *reason = told((enum auth_role)role, (enum err)err);
            assert_true(role == ROLE_OPERATOR || strstr(reason, "internal") == NULL);
            assert_true(role == ROLE_OPERATOR || strstr(reason, "engine") == NULL);
        }
    }
}

static void others_are_told_whether_to_come_again(void **state)
{
    (void)state;
    assert_string_equal(told(ROLE_NONE, ERR_CONNECT), "the database cannot be reached; try again");
    assert_string_equal(told(ROLE_USER, ERR_TIMEOUT),
                        "the database has not answered in time; try again");
    assert_null(strstr(told(ROLE_USER, ERR_PERMISSION), "try again"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operator_alone_is_told_where_the_store_is_and_what_it_said),
        cmocka_unit_test(others_are_told_whether_to_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
