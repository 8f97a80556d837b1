/* In: templates and values. Out: the filled text, or an error with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "text/template.h"

#define OUT_MAX 4096

static json_t *values_of(const char *text)
{
    json_t *json = NULL;
    assert_int_equal(json_parse(text, strlen(text), (size_t)1 << 20, &json, NULL), OK);
    return json;
}

static enum err fill(const char *text, const json_t *values, struct buf *out)
{
    struct template *t = NULL;
    assert_int_equal(template_parse(text, strlen(text), "t.md", &t, NULL), OK);
    enum err e = template_fill(t, values, out);
    template_free(t);
    return e;
}

struct row {
    const char *text, *values, *out;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf out = BUF_INIT(OUT_MAX);
        json_t *values = values_of(rows[i].values);
        assert_int_equal(fill(rows[i].text, values, &out), OK);
        assert_string_equal(buf_str(&out), rows[i].out);
        json_decref(values);
        buf_free(&out);
    }
}

static void inserts_values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Hi {{name}}!", "{\"name\":\"Ann\"}", "Hi Ann!"},
        {"{{ a.b }}/{{a.none}}/{{none.b}}/{{n}}", "{\"a\":{\"b\":\"x\"},\"n\":null}", "x///"},
        {"{{i}} {{r}} {{t}} {{l}} {{o}}",
         "{\"i\":-7,\"r\":0.1,\"t\":true,\"l\":[1,\"a\"],\"o\":{\"k\":1}}",
         "-7 0.1 true [1,\"a\"] {\"k\":1}"},
        /* a value is never parsed again */
        {"{{a}}", "{\"a\":\"{{b}}\",\"b\":\"no\"}", "{{b}}"},
        {"{\"a\":{\"b\":1}} } }} { {", "{}", "{\"a\":{\"b\":1}} } }} { {"},
        {"", "{}", ""},
        {"{{a-b_1}}", "{\"a-b_1\":\"x\"}", "x"},
        {"{{.}}{{@number}}", "{}", ""},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void sections_show_and_hide(void **state)
{
    (void)state;
    static const char *const empty[] = {"{}",         "{\"a\":null}", "{\"a\":\"\"}",
                                        "{\"a\":[]}", "{\"a\":{}}",   "{\"a\":false}",
                                        "{\"a\":0}",  "{\"a\":0.0}"};
    static const char *const full[] = {"{\"a\":\"x\"}", "{\"a\":1}", "{\"a\":true}",
                                       "{\"a\":{\"b\":null}}", "{\"a\":[null]}"};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        struct row row = {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", empty[i], "no"};
        check_rows(&row, 1);
    }
    for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
        struct row row = {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", full[i], "yes"};
        check_rows(&row, 1);
    }
}

static void sections_repeat_for_arrays(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{{#l}}{{@number}}={{.}};{{/l}}", "{\"l\":[\"a\",7,\"c\"]}", "1=a;2=7;3=c;"},
        {"{{#l}}{{t}}/{{u}};{{/l}}",
         "{\"l\":[{\"t\":\"1\"},{\"t\":\"2\",\"u\":\"in\"}],\"u\":"
         "\"out\"}",
         "1/out;2/in;"},
        /* a member that is null hides the outer one of the same name */
        {"{{#l}}[{{t}}]{{/l}}", "{\"l\":[{\"t\":null}],\"t\":\"out\"}", "[]"},
        {"{{#l}}{{@number}}:{{#m}}{{@number}}{{.}}{{/m}} {{/l}}",
         "{\"l\":[{\"m\":[\"a\",\"b\"]},{\"m\":[\"c\"]}]}", "1:1a2b 2:1c "},
        {"{{#o.l}}{{.}}{{/o.l}}", "{\"o\":{\"l\":[1,2]}}", "12"},
        /* an object shows its section and changes no look-up */
        {"{{#o}}{{o.t}}{{t}}{{/o}}", "{\"o\":{\"t\":\"in\"},\"t\":\"out\"}", "inout"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void lines_of_tags_alone_leave_no_line(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"one\n{{#a}}\ntwo\n{{/a}}\nthree\n", "{\"a\":1}", "one\ntwo\nthree\n"},
        {"one\n  {{#a}}  \ntwo\n\t{{/a}}\r\nthree", "{}", "one\nthree"},
        {"{{! a note }}\none\n", "{}", "one\n"},
        {"{{! over\ntwo lines }}\none\n", "{}", "one\n"},
        {"{{#a}}{{! both }}\nx\n{{/a}}", "{\"a\":1}", "x\n"},
        {"a {{! in a line }} b\n", "{}", "a  b\n"},
        {"- {{#a}}x{{/a}}\n", "{\"a\":1}", "- x\n"},
        {"{{#a}}x{{/a}}\n", "{}", "\n"},
        {"{{a}}\n", "{}", "\n"},
        {"{{#l}}\n- {{.}}\n{{/l}}\nend", "{\"l\":[\"a\",\"b\"]}", "- a\n- b\nend"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void refuses_bad_tags_and_names_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a\n{{b", "t.md:2: {{ is not closed"},
        {"{{#a}}\n{{#b}}\n{{/a}}", "t.md:3: {{/a}} closes {{#b}} of line 2"},
        {"a\n{{^a}}\n", "t.md:2: this section is never closed: a"},
        {"x\n\n{{/a}}", "t.md:3: nothing is open"},
        {"{{! one\ntwo }}\n{{a b}}", "t.md:3: {{...}} holds no name"},
        {"{{}}", "t.md:1: {{...}} holds no name"},
        {"{{a..b}}", "t.md:1: "},
        {"{{.a}}", "t.md:1: "},
        {"{{a.}}", "t.md:1: "},
        {"{{>a}}", "t.md:1: "},
        {"{{{a}}}", "t.md:1: "},
        {"{{a\n}}", "t.md:1: "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct template *t = NULL;
        struct errmsg msg = {""};
        assert_int_equal(template_parse(rows[i].text, strlen(rows[i].text), "t.md", &t, &msg),
                         ERR_INVALID);
        assert_null(t);
        if (strncmp(msg.text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("row %zu: %s", i, msg.text);
    }
}

static void sections_nest_to_the_limit(void **state)
{
    (void)state;
    for (int depth = 16; depth <= 17; depth++) {
        struct template *t = NULL;
        struct buf text = BUF_INIT(OUT_MAX);
        for (int i = 0; i < depth; i++)
            buf_puts(&text, "{{#a}}");
        for (int i = 0; i < depth; i++)
            buf_puts(&text, "{{/a}}");
        assert_int_equal(template_parse(text.data, text.len, "t.md", &t, NULL),
                         depth == 16 ? OK : ERR_INVALID);
        template_free(t);
        buf_free(&text);
    }
}

static void a_result_past_the_maximum_changes_nothing(void **state)
{
    (void)state;
    json_t *values = values_of("{\"a\":\"12345\"}");
    struct buf out = BUF_INIT(10);
    buf_puts(&out, "ab");
    assert_int_equal(fill("xyz{{a}}", values, &out), OK);
    assert_string_equal(buf_str(&out), "abxyz12345");
    buf_clear(&out);
    buf_puts(&out, "abc");
    assert_int_equal(fill("xyz{{a}}", values, &out), ERR_TOO_BIG);
    assert_string_equal(buf_str(&out), "abc");
    buf_free(&out);
    json_decref(values);
}

/* 100^16 turns; the fill gives up soon instead. */
static void nested_loops_over_long_arrays_end_soon(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(OUT_MAX), list = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX);
    buf_puts(&list, "{\"a\":[0");
    for (int i = 1; i < 100; i++)
        buf_puts(&list, ",0");
    buf_puts(&list, "]}");
    for (int i = 0; i < 16; i++)
        buf_puts(&text, "{{#a}}");
    for (int i = 0; i < 16; i++)
        buf_puts(&text, "{{/a}}");
    json_t *values = values_of(list.data);
    assert_int_equal(fill(text.data, values, &out), ERR_TOO_BIG);
    json_decref(values);
    buf_free(&text);
    buf_free(&list);
}

static void many_lines_parse_in_linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {"a line\n", "{{! n }}\n", "{{a}}", "{{#a}}x{{/a}}\n", "{"};
    size_t size = (size_t)2 << 20;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct buf text = BUF_INIT(size + 100);
        while (text.len < size)
            buf_puts(&text, units[i]);
        struct template *t = NULL;
        clock_t start = clock();
        enum err e = template_parse(text.data, text.len, "t.md", &t, NULL);
        assert_true(e == OK || i == 4);
        assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
        template_free(t);
        buf_free(&text);
    }
}

static void collect(void *ctx, const char *name, int line)
{
    struct buf *names = ctx;
    buf_putf(names, "%s:%d ", name, line);
}

static void tells_the_names_it_looks_up(void **state)
{
    (void)state;
    const char *text = "{{a}}\n{{#l}}\n{{.}}{{@number}}{{b.c}}\n{{/l}}\n{{! x }}{{^d}}{{/d}}";
    struct template *t = NULL;
    struct buf names = BUF_INIT(OUT_MAX);
    assert_int_equal(template_parse(text, strlen(text), "t.md", &t, NULL), OK);
    template_names(t, collect, &names);
    assert_string_equal(buf_str(&names), "a:1 l:2 b.c:3 d:5 ");
    template_free(t);
    buf_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts_values),
        cmocka_unit_test(sections_show_and_hide),
        cmocka_unit_test(sections_repeat_for_arrays),
        cmocka_unit_test(lines_of_tags_alone_leave_no_line),
        cmocka_unit_test(refuses_bad_tags_and_names_the_line),
        cmocka_unit_test(sections_nest_to_the_limit),
        cmocka_unit_test(a_result_past_the_maximum_changes_nothing),
        cmocka_unit_test(nested_loops_over_long_arrays_end_soon),
        cmocka_unit_test(many_lines_parse_in_linear_time),
        cmocka_unit_test(tells_the_names_it_looks_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
