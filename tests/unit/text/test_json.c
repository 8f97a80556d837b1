/* In: JSON texts, good and bad. Out: what json_parse() and the getters make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/json.h"
#include "text/utf8.h"

static enum err parse(const char *text, json_t **ret, struct errmsg *msg)
{
    return json_parse(text, strlen(text), 1000, ret, msg);
}

static void keeps_key_order_and_text(void **state)
{
    (void)state;
    json_t *json = NULL;
    assert_int_equal(parse("{\"z\": 1, \"a\": [true, null, 0.1, \"\\u00e4\"]}", &json, NULL), OK);
    char *text = json_text(json);
    assert_string_equal(text, "{\"z\":1,\"a\":[true,null,0.1,\"\xC3\xA4\"]}");
    free(text);
    json_decref(json);
}

static void refuses_bad_texts_and_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{\"a\":1,\n \"a\":2}", "line 2"},       /* repeated key */
        {"{\"a\":1,}", "line 1"},                 /* comma before the end */
        {"", "line 1"},                           /* nothing */
        {"\"a\\u0000b\"", "line 1"},              /* NUL in a string */
        {"[1] 2", "line 1"},                      /* more than one value */
        {"\"\xC0\xAF\"", "line 1"},               /* overlong UTF-8 */
        {"\"\\ud800\"", "line 1"},                /* half a surrogate pair */
        {"[\n\n123456789012345678901]", "line 3"} /* past int64 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct errmsg msg = {""};
        json_t *json = NULL;
        assert_int_equal(parse(rows[i].text, &json, &msg), ERR_INVALID);
        assert_null(json);
        assert_non_null(strstr(msg.text, rows[i].message));
    }
}

/* As jsonb writes 1e20; in a string, a key and a fraction digits are just digits. */
static void takes_integers_past_64_bits_for_reals(void **state)
{
    (void)state;
    static const char text[] =
        "{\"z\":100000000000000000000,\"n\":-99999999999999999999,\"top\":9223372036854775807,"
        "\"s\":\"\\\"100000000000000000000\",\"100000000000000000000\":[100000000000000000000],"
        "\"f\":0.12345678901234567890123,\"e\":123456789012345678901E2}";
    json_t *json = NULL;
    struct errmsg msg = {""};
    assert_int_equal(json_parse_wide(text, sizeof text - 1, 1000, &json, &msg), OK);
    assert_true(json_real_value(json_object_get(json, "z")) == 1e20);
    assert_true(json_real_value(json_object_get(json, "n")) == -99999999999999999999.0);
    assert_true(json_integer_value(json_object_get(json, "top")) == INT64_MAX ||
                json_is_real(json_object_get(json, "top")));
    assert_string_equal(json_string_value(json_object_get(json, "s")), "\"100000000000000000000");
    const json_t *list = json_object_get(json, "100000000000000000000");
    assert_true(json_real_value(json_array_get(list, 0)) == 1e20);
    assert_true(json_real_value(json_object_get(json, "f")) == 0.12345678901234567890123);
    assert_true(json_real_value(json_object_get(json, "e")) == 123456789012345678901e2);
    json_decref(json);
    assert_int_equal(json_parse_wide("[1e400]", 7, 1000, &json, &msg), ERR_INVALID);
}

static void refuses_depth_past_the_limit(void **state)
{
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    json_t *json = NULL;
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        assert_int_equal(parse(text, &json, NULL), depth == JSON_DEPTH_MAX ? OK : ERR_INVALID);
    }
    json_decref(json);
    /* brackets inside strings do not count */
    memset(text, '[', sizeof(text));
    text[0] = '"';
    text[sizeof(text) - 2] = '"';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(parse(text, &json, NULL), OK);
    json_decref(json);
}

static void refuses_nul_bytes_and_size_past_the_limit(void **state)
{
    (void)state;
    json_t *json = NULL;
    assert_int_equal(json_parse("true\0x", 6, 100, &json, NULL), ERR_INVALID);
    assert_int_equal(json_parse("[1,2]", 5, 4, &json, NULL), ERR_TOO_BIG);
    assert_int_equal(json_parse("[1,2]", 5, 5, &json, NULL), OK);
    json_decref(json);
}

static void getters_fall_back_on_absent_null_and_other_types(void **state)
{
    (void)state;
    json_t *json = NULL;
    assert_int_equal(parse("{\"s\":\"x\",\"i\":7,\"r\":1.5,\"b\":false,\"n\":null,\"l\":[],"
                           "\"o\":{}}",
                           &json, NULL),
                     OK);
    assert_string_equal(json_str(json, "s"), "x");
    assert_null(json_str(json, "i"));
    assert_null(json_str(json, "n"));
    assert_null(json_str(NULL, "s"));
    assert_int_equal(json_int(json, "i", 1), 7);
    assert_int_equal(json_int(json, "r", 1), 1);
    assert_int_equal(json_int(json, "none", 1), 1);
    assert_true(json_num(json, "r", 0) == 1.5);
    assert_true(json_num(json, "i", 0) == 7);
    assert_true(json_num(json, "s", 2) == 2);
    assert_false(json_flag(json, "b", true));
    assert_true(json_flag(json, "n", true));
    assert_non_null(json_arr(json, "l"));
    assert_null(json_arr(json, "o"));
    assert_non_null(json_obj(json, "o"));
    assert_null(json_obj(json, "l"));
    json_decref(json);
}

static void null_json_is_the_text_null(void **state)
{
    (void)state;
    char *text = json_text(NULL);
    assert_string_equal(text, "null");
    free(text);
}

static void put_string_escapes_and_mends(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } rows[] = {
        {"", 0, "\"\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t\x01\x1f", 7, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xC3\xA4\xF0\x9F\x98\x80", 6, "\"\xC3\xA4\xF0\x9F\x98\x80\""},
        {"x\xFFy\xC3", 4, "\"x\xEF\xBF\xBDy\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* a surrogate */
        {"/\x7f", 2, "\"/\x7f\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT(200);
        json_put_string(&b, rows[i].in, rows[i].n);
        assert_string_equal(buf_str(&b), rows[i].out);
        buf_free(&b);
    }
}

static void a_member_is_text_or_null(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    json_put_member(&b, "a", "say \"x\"");
    json_put_member(&b, "b", NULL);
    json_put_member(&b, "c", "");
    assert_string_equal(buf_str(&b), ",\"a\":\"say \\\"x\\\"\",\"b\":null,\"c\":\"\"");
    buf_free(&b);
}

static void a_label_is_short_well_formed_and_of_one_line(void **state)
{
    (void)state;
    assert_true(utf8_is_label("", 3));
    assert_true(utf8_is_label("abc", 3));
    assert_false(utf8_is_label("abcd", 3));
    assert_true(utf8_is_label("\xc3\xa9t", 3));
    assert_false(utf8_is_label("\xc3", 3));
    assert_false(utf8_is_label("a\nb", 3));
    assert_false(utf8_is_label("\xf0\x9f\x98\x80", 3)); /* four bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_text_or_null),
        cmocka_unit_test(a_label_is_short_well_formed_and_of_one_line),
        cmocka_unit_test(keeps_key_order_and_text),
        cmocka_unit_test(refuses_bad_texts_and_says_where),
        cmocka_unit_test(takes_integers_past_64_bits_for_reals),
        cmocka_unit_test(refuses_depth_past_the_limit),
        cmocka_unit_test(refuses_nul_bytes_and_size_past_the_limit),
        cmocka_unit_test(getters_fall_back_on_absent_null_and_other_types),
        cmocka_unit_test(null_json_is_the_text_null),
        cmocka_unit_test(put_string_escapes_and_mends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
