/* In: stream events as JSON. Out: the one string member that json_scan_string() is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/json.h"

static void finds_the_member_that_a_tree_would_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *outer, *inner;
        enum err err;
        const char *out;
    } rows[] = {
        {"{\"type\":\"x\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}", "delta", "text",
         OK, "Hi"},
        {"{\"type\":\"x\",\"delta\":{\"type\":\"y\"}}", NULL, "type", OK, "x"},
        {"{\"a\":\"q\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"}", NULL, "a", OK,
         "q\"\\/\b\f\n\r\t\xC3\xA4\xF0\x9F\x98\x80"},
        {"{\"delta\":{\"deep\":{\"text\":\"no\"},\"text\":\"yes\"}}", "delta", "text", OK, "yes"},
        {"{\"delta\":[{\"text\":\"no\"}],\"text\":\"no\"}", "delta", "text", ERR_NOT_FOUND, ""},
        {"{\"other\":{\"text\":\"no\"}}", "delta", "text", ERR_NOT_FOUND, ""},
        {"{\"delta\":{\"text\":7}}", "delta", "text", ERR_NOT_FOUND, ""},
        {"{\"d\\u0065lta\":{\"te\\u0078t\":\"yes\"}}", "delta", "text", OK, "yes"},
        /* the last of repeated members counts */
        {"{\"a\":\"1\",\"a\":\"2\"}", NULL, "a", OK, "2"},
        {"{\"a\":\"1\",\"a\":null}", NULL, "a", ERR_NOT_FOUND, ""},
        {"{\"o\":{\"a\":\"1\"},\"o\":{}}", "o", "a", ERR_NOT_FOUND, ""},
        {"[\"a\"]", NULL, "a", ERR_NOT_FOUND, ""},
        {"\"a\"", NULL, "a", ERR_NOT_FOUND, ""},
        /* not JSON, even behind the member */
        {"{\"a\":\"x\"", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"x\"}}", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"x\",\"b\":01}", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"x\",\"b\":1e999}", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"x\",\"b\":9223372036854775808}", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"tab\there\"}", NULL, "a", ERR_INVALID, ""},
        {"{\"a\":\"\\u0000\"}", NULL, "a", ERR_INVALID, ""},
        {"", NULL, "a", ERR_INVALID, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(100);
        assert_int_equal(json_scan_string(rows[i].text, strlen(rows[i].text), rows[i].outer,
                                          rows[i].inner, &out),
                         rows[i].err);
        assert_string_equal(buf_str(&out), rows[i].out);
        buf_free(&out);
    }
}

static void appends_and_keeps_what_was_there_when_too_big(void **state)
{
    (void)state;
    const char *text = "{\"a\":\"12\\n45\"}";
    struct buf out = BUF_INIT(7);
    assert_int_equal(buf_adds(&out, "ab"), OK);
    assert_int_equal(json_scan_string(text, strlen(text), NULL, "a", &out), OK);
    assert_string_equal(buf_str(&out), "ab12\n45");
    assert_int_equal(json_scan_string(text, strlen(text), NULL, "a", &out), ERR_TOO_BIG);
    assert_string_equal(buf_str(&out), "ab12\n45");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_member_that_a_tree_would_hold),
        cmocka_unit_test(appends_and_keeps_what_was_there_when_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
