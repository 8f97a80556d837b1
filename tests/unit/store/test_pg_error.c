/* In: error reports as servers and libpq make them. Out: what the caller and the operator learn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "store/pg/pg_error.h"

#define SERVER "db:5432/app"

static struct pg_failure of_state(const char *state, const char *text)
{
    struct pg_failure f;
    pg_error_of_state(state, text, SERVER, &f);
    return f;
}

static struct pg_failure of_connect(const char *text)
{
    struct pg_failure f;
    pg_error_of_connect(text, SERVER, &f);
    return f;
}

static void states_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        enum err err;
        bool lasting, drop, again;
        const char *advice;
    } all[] = {
        {"SCL01", ERR_LOST, false, false, false, "x"},
        {"SCN01", ERR_NOT_FOUND, false, false, false, "x"},
        {"23505", ERR_EXISTS, false, false, false, "exists already"},
        {"23503", ERR_INVALID, false, false, false, "refuses"},
        {"22P02", ERR_INVALID, false, false, false, "refuses"},
        {"P0001", ERR_INVALID, false, false, false, "refuses"},
        {"40001", ERR_BUSY, false, false, true, "try again"},
        {"40P01", ERR_BUSY, false, false, true, "try again"},
        {"55P03", ERR_BUSY, false, false, true, "pg_stat_activity"},
        {"53100", ERR_FULL, false, false, false, "free some space"},
        {"53300", ERR_CONNECT, false, false, false, "max_connections"},
        {"57P01", ERR_CONNECT, false, true, false, "ended the connection"},
        {"57P02", ERR_CONNECT, false, true, false, "crashed"},
        {"57P03", ERR_CONNECT, false, true, false, "starting"},
        {"57014", ERR_TIMEOUT, false, false, false, "took too long"},
        {"25006", ERR_CONNECT, true, true, false, "target_session_attrs"},
        {"42501", ERR_PERMISSION, true, false, false, "SCRIPTORIUM_ENGINE_ROLE"},
        {"42883", ERR_UNSUPPORTED, true, false, false, "scriptorium migrate"},
        {"3F000", ERR_UNSUPPORTED, true, false, false, "scriptorium migrate"},
        {"54000", ERR_TOO_BIG, false, false, false, "too large"},
        {"XX001", ERR_CORRUPT, false, false, false, "damage"},
        {"99999", ERR_IO, false, false, false, "log"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct pg_failure f = of_state(all[i].state, "x");
        assert_int_equal(f.err, all[i].err);
        assert_int_equal(f.lasting, all[i].lasting);
        assert_int_equal(f.drop, all[i].drop);
        assert_int_equal(f.again, all[i].again);
        assert_non_null(strstr(f.msg.text, all[i].advice));
    }
}

static void a_message_is_one_line_and_says_which_server(void **state)
{
    (void)state;
    struct pg_failure f = of_state("53100", "could not extend file\nHINT: more");
    assert_string_equal(f.msg.text, SERVER ": the server's disk is full (could not extend file); "
                                           "free some space there");
    assert_string_equal(of_state("SCN01", "there is no job 7").msg.text, "there is no job 7");
    assert_non_null(strstr(of_state(NULL, NULL).msg.text, "no reason"));
}

static void a_refusal_is_known_by_its_state_in_any_language(void **state)
{
    (void)state;
    struct pg_failure f =
        of_connect("connection to server at \"db\" (10.0.0.1), port 5432 failed: "
                   "FATAL:  28P01: Passwort-Authentifizierung fehlgeschlagen\nORT:  auth_failed\n");
    assert_int_equal(f.err, ERR_PERMISSION);
    assert_true(f.lasting);
    assert_non_null(strstr(f.msg.text, "Passwort"));
    assert_null(strstr(f.msg.text, "28P01"));
    f = of_connect(
        "connection to server at \"db\", port 5432 failed: FATAL:  28000: no pg_hba.conf "
        "entry for host \"10.0.0.9\", user \"u\", database \"d\", no encryption\n");
    assert_non_null(strstr(f.msg.text, "sslmode=require"));
    f = of_connect("FATAL:  08P01: unsupported startup parameter in options: statement_timeout\n");
    assert_true(f.options);
    f = of_connect(
        "connection to server failed: FATAL:  57P03: the database system is starting up");
    assert_int_equal(f.err, ERR_CONNECT);
    assert_false(f.lasting);
}

static void what_libpq_finds_itself_is_told_apart(void **state)
{
    (void)state;
    struct pg_failure f = of_connect("connection to server at \"127.0.0.1\", port 1 failed: "
                                     "Connection refused\n\tIs the server running?\n");
    assert_int_equal(f.err, ERR_CONNECT);
    assert_false(f.lasting);
    assert_string_equal(f.msg.text,
                        SERVER ": the database cannot be reached (Connection refused); is it "
                               "running, and is the database URL right?");
    f = of_connect("connection to server failed: fe_sendauth: no password supplied\n");
    assert_int_equal(f.err, ERR_PERMISSION);
    f = of_connect(
        "connection to server failed: server does not support SSL, but SSL was required");
    assert_true(f.lasting);
    assert_non_null(strstr(f.msg.text, "sslmode"));
    f = of_connect("connection to server failed: session is read-only\n");
    assert_true(f.lasting);
    assert_non_null(strstr(f.msg.text, "primary"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_told_apart),
        cmocka_unit_test(a_message_is_one_line_and_says_which_server),
        cmocka_unit_test(a_refusal_is_known_by_its_state_in_any_language),
        cmocka_unit_test(what_libpq_finds_itself_is_told_apart),
    };
    return cmocka_run_group_tests_name("store/pg_error", tests, NULL, NULL);
}
