/* In: models' outlines, good and bad. Out: whether the good ones are taken and the fault of the bad
 * ones is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "job/outline.h"

/* 25 minutes: two chunks. */
#define ONE(title)                                                                                 \
    "{\"chunkNumber\":1,\"theme\":\"Start\",\"sections\":[{\"timestamp\":\"00:00\","               \
    "\"title\":\"" title "\",\"content\":\"Say it.\",\"keyPoints\":[\"k\"]}],"                     \
    "\"transitionToNext\":\"But why?\"}"
#define TWO(title)   "{\"chunkNumber\":2,\"sections\":[{\"title\":\"" title "\"}]}"
#define WRAP(chunks) "{\"title\":\"T\",\"chunks\":[" chunks "]}"

static json_t *points(void)
{
    return json_pack("[{s:s}, {s:s}]", "title", "Alpha", "title", "Beta \"quoted\" <b>");
}

static const char good[] = WRAP(ONE("Alpha") "," TWO("Beta \\\"quoted\\\" <b>"));

static enum err parse(const char *text, json_t **ret, struct errmsg *msg)
{
    struct plan plan = plan_make(25 * 60, PLAN_WPM_DEFAULT);
    json_t *wanted = points();
    enum err e = outline_parse(text, strlen(text), &plan, wanted, ret, msg);
    json_decref(wanted);
    return e;
}

static void test_takes_the_json_out_of_what_is_around_it(void **state)
{
    (void)state;
    static const char *const around[][2] = {
        {"", ""}, {"Here is it:\n```json\n", "\n```\nEnjoy!"}, {"\n\n", "\n"}};
    for (size_t i = 0; i < 3; i++) {
        struct buf text = BUF_INIT(10000);
        struct errmsg msg = {0};
        json_t *outline = NULL;
        buf_putf(&text, "%s%s%s", around[i][0], good, around[i][1]);
        assert_int_equal(parse(buf_str(&text), &outline, &msg), OK);
        assert_string_equal(json_str(outline, "title"), "T");
        json_decref(outline);
        buf_free(&text);
    }
}

static void test_closes_what_a_cut_left_open(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(10000);
    struct errmsg msg = {0};
    json_t *outline = NULL;
    buf_puts(&text, good);
    text.data[text.len - 2] = '\0'; /* without ]} */
    assert_int_equal(parse(buf_str(&text), &outline, &msg), OK);
    json_decref(outline);
    buf_free(&text);
}

static void test_names_the_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "holds no JSON"},
        {"I cannot do that.", "holds no JSON"},
        {"[1]", "there are 0 chunks, 2 are asked for"},
        {WRAP(ONE("Alpha")), "there are 1 chunks, 2 are asked for"},
        {WRAP(ONE("Alpha") ",7"), "chunk 2 is not an object"},
        {WRAP(ONE("Alpha") ",{\"sections\":[]}"), "chunk 2 has no sections"},
        {WRAP(ONE("Alpha") ",{\"sections\":[{\"title\":\"\"}]}"),
         "section 1 of chunk 2 has no title"},
        {WRAP(TWO("Alpha") "," TWO("Beta")), "chunkNumber of chunk 1 is not 1"},
        {WRAP(ONE("Alpha") "," TWO("Beta quoted")), "no section has the content point \"Beta"},
        {WRAP(ONE("alpha") "," TWO("Beta \\\"quoted\\\" <b>")), "the content point \"Alpha\""},
        {"{\"chunks\":[" ONE("Alpha") ",{\"sections\":[{\"title\":\"Alpha\"},"
                                      "{\"title\":\"Beta \\\"quoted\\\" <b>\"}]}]}",
         "\"Alpha\" is in 2 chunks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct errmsg msg = {0};
        json_t *outline = NULL;
        assert_int_equal(parse(cases[i].text, &outline, &msg), ERR_INVALID);
        assert_null(outline);
        if (strstr(msg.text, cases[i].fault) == NULL)
            fail_msg("case %zu: %s", i, msg.text);
    }
}

static void test_a_key_point_will_do_where_no_section_has_the_title(void **state)
{
    (void)state;
    struct errmsg msg = {0};
    json_t *outline = NULL;
    /* "Alpha" is chunk 1's section; that it is a key point of chunk 2 too does no harm */
    const char *text = WRAP(ONE("Alpha") ",{\"sections\":[{\"title\":\"Other\",\"keyPoints\":["
                                         "\"Alpha\",\"Beta \\\"quoted\\\" <b>\"]}]}");
    assert_int_equal(parse(text, &outline, &msg), OK);
    assert_true(outline_has_point(outline, 1, "Alpha"));
    assert_false(outline_has_point(outline, 2, "Alpha"));
    assert_true(outline_has_point(outline, 2, "Beta \"quoted\" <b>"));
    assert_false(outline_has_point(outline, 1, "Gamma"));
    json_decref(outline);
}

static void test_renders_for_readers_and_for_prompts(void **state)
{
    (void)state;
    struct errmsg msg = {0};
    struct buf out = BUF_INIT(10000);
    json_t *outline = NULL;
    assert_int_equal(parse(good, &outline, &msg), OK);
    outline_markdown(outline, &out);
    assert_string_equal(buf_str(&out),
                        "# T\n\n## 1. Start\n\n### [00:00] Alpha\n\nSay it.\n\n- k\n\n"
                        "Transition: But why?\n\n## 2. Part\n\n"
                        "### Beta \"quoted\" <b>\n\n");
    buf_clear(&out);
    outline_chunk(outline, 1, &out);
    assert_string_equal(buf_str(&out), "Theme: Start\n- 00:00 Alpha: Say it.\n  - k\n"
                                       "Lead over to: But why?\n");
    buf_clear(&out);
    outline_before(outline, 2, &out);
    assert_string_equal(buf_str(&out), "- Part 1 (Start): Alpha\n");
    buf_free(&out);
    json_decref(outline);
}

static void test_the_schema_is_json_that_requires_what_is_checked(void **state)
{
    (void)state;
    json_t *schema = json_loads(outline_schema(), 0, NULL);
    assert_non_null(schema);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 5);
    assert_int_equal(json_object_size(json_obj(schema, "properties")), 5);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_the_json_out_of_what_is_around_it),
        cmocka_unit_test(test_closes_what_a_cut_left_open),
        cmocka_unit_test(test_names_the_fault),
        cmocka_unit_test(test_a_key_point_will_do_where_no_section_has_the_title),
        cmocka_unit_test(test_renders_for_readers_and_for_prompts),
        cmocka_unit_test(test_the_schema_is_json_that_requires_what_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
