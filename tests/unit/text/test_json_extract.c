/* In: what models write around JSON. Out: the JSON that json_extract() finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/json.h"

struct row {
    const char *in, *out; /* out NULL: nothing is found */
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *got = json_extract(rows[i].in, strlen(rows[i].in));
        if (rows[i].out == NULL)
            assert_null(got);
        else
            assert_string_equal(got, rows[i].out);
        free(got);
    }
}

static void finds_json_among_words_and_fences(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {"Here it is:\n```json\n{\"a\": [1, 2]}\n```\nEnjoy!", "{\"a\": [1, 2]}"},
        {"As [1] says, at [12:30]: {\"a\":1} and {\"b\":2}", "{\"a\":1}"},
        {"Use {braces} like so {\"a\":\"}\"}", "{\"a\":\"}\"}"},
        {"[\"x\", \"y\"] then", "[\"x\", \"y\"]"},
        {"only [1, 2] here", "[1, 2]"},
        {"the \"[\" sign: {\"a\":1}", "{\"a\":1}"},
        {"{{\"a\":1}}", "{\"a\":1}"},
        {"{\"a\":\"one\ntwo\"}", "{\"a\":\"one\\u000atwo\"}"},
        {"no JSON at all", NULL},
        {"", NULL},
        {"}][{", NULL},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void closes_what_a_cut_left_open(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1,\"b\":[{\"c\":2},{\"d\":\"cut he", "{\"a\":1,\"b\":[{\"c\":2}]}"},
        {"{\"a\":1,\"b\":[{\"c\":2,\"d\":\"cut he", "{\"a\":1,\"b\":[{\"c\":2}]}"},
        {"{\"a\":1,\"half", "{\"a\":1}"},
        {"{\"a\":1,\"half\":", "{\"a\":1}"},
        {"{\"a\":[true,fal", "{\"a\":[true]}"},
        {"{\"a\":[10,20", "{\"a\":[10]}"}, /* 20 may be the start of 2000 */
        {"{\"a\":\"x\\u00", NULL},
        {"{\"a\":[\"x\",\"\\ud83d", "{\"a\":[\"x\"]}"},
        {"{\"a\":\"whole\"", "{\"a\":\"whole\"}"},
        {"see [2]: {\"a\":1,\"b\":\"cu", "{\"a\":1}"},
        {"{\"a", NULL}, /* nothing complete */
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

/* Every prefix of a document either holds nothing or parses. */
static void every_prefix_is_closed_to_valid_json(void **state)
{
    (void)state;
    const char *whole = "```json\n{\"t\":\"a\\n\\u00e4\",\"n\":-1.5e3,\"l\":[[],{},[1,{\"x\":null}]"
                        ",\"z\"],\"b\":true}\n```";
    for (size_t n = 0; n <= strlen(whole); n++) {
        char *text = json_extract(whole, n);
        json_t *json = NULL;
        if (text != NULL)
            assert_int_equal(json_parse(text, strlen(text), 1000, &json, NULL), OK);
        json_decref(json);
        free(text);
    }
}

/* A square would need hours for this size. */
static void hostile_brackets_take_linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {"[", "{", "[\"", "{\"a\":", "[1,", "[\"[\",", "[[[[]]]"};
    size_t size = (size_t)1 << 20;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct buf text = BUF_INIT(size + 100);
        while (text.len < size)
            buf_puts(&text, units[i]);
        buf_puts(&text, "!");
        clock_t start = clock();
        free(json_extract(text.data, text.len));
        assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_json_among_words_and_fences),
        cmocka_unit_test(closes_what_a_cut_left_open),
        cmocka_unit_test(every_prefix_is_closed_to_valid_json),
        cmocka_unit_test(hostile_brackets_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
