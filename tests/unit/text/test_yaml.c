/* In: YAML files. Out: the tree, or an error with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "text/yaml.h"

static enum err parse(const char *text, struct yaml **ret, struct errmsg *msg)
{
    return yaml_parse(text, strlen(text), "f.yaml", ret, msg);
}

static void builds_a_tree_with_lines(void **state)
{
    (void)state;
    struct yaml *root = NULL;
    assert_int_equal(parse("# a note\n"
                           "name: first\n"
                           "\n"
                           "list:\n"
                           "  - one\n"
                           "  - {a: 1, b: '2'}\n"
                           "empty:\n"
                           "text: |\n"
                           "  line 1\n"
                           "  line 2\n"
                           "last: ~\n",
                           &root, NULL),
                     OK);
    assert_int_equal(root->kind, YAML_MAP);
    const struct yaml *name = yaml_get(root, "name"), *list = yaml_get(root, "list");
    assert_string_equal(name->text, "first");
    assert_int_equal(name->line, 2);
    assert_false(name->quoted);
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->line, 4);
    assert_string_equal(list->child->text, "one");
    assert_int_equal(list->child->line, 5);
    const struct yaml *map = list->child->next;
    assert_int_equal(map->line, 6);
    assert_true(yaml_get(map, "b")->quoted);
    assert_null(map->next);
    assert_int_equal(yaml_get(root, "empty")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "empty")->line, 7);
    assert_string_equal(yaml_get(root, "text")->text, "line 1\nline 2\n");
    assert_true(yaml_get(root, "text")->quoted);
    assert_int_equal(yaml_get(root, "last")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "last")->line, 11);
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(list, "name"));
    yaml_free(root);
}

static void an_empty_document_is_an_empty_map(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# only a note\n", "---\n", "~\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct yaml *root = NULL;
        assert_int_equal(parse(texts[i], &root, NULL), OK);
        assert_int_equal(root->kind, YAML_MAP);
        assert_null(root->child);
        yaml_free(root);
    }
}

static void refuses_and_names_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "f.yaml:3: 'a' is given twice"},
        {"x:\n  k: 1\n  k: 2\n", "f.yaml:3: 'k' is given twice"},
        {"a: &x 1\n", "f.yaml:1: anchors"},
        {"a: 1\nb: *x\n", "f.yaml:2: aliases"},
        {"a: !!str 1\n", "f.yaml:1: tags"},
        {"a: !!map {}\n", "f.yaml:1: tags"},
        {"a: 1\n---\nb: 2\n", "f.yaml:2: a second document"},
        {"a: 1\n? [x]\n: 2\n", "f.yaml:2: the name of a member"},
        {"a: \"x\\0y\"\n", "f.yaml:1: a NUL"},
        {"a: 1\nb: [1, 2\nc: 3\n", "f.yaml:3: "},
        {"a: 1\n\tb: 2\n", "f.yaml:2: "},
        {"a: b: c\n", "f.yaml:1: "},
        {"a: \xFF\n", "f.yaml: "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct yaml *root = NULL;
        struct errmsg msg = {""};
        assert_int_equal(parse(rows[i].text, &root, &msg), ERR_INVALID);
        assert_null(root);
        if (strncmp(msg.text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("row %zu: %s", i, msg.text);
    }
}

static void refuses_what_passes_the_limits(void **state)
{
    (void)state;
    struct yaml *root = NULL;
    struct buf text = BUF_INIT(YAML_SIZE_MAX + 10);
    for (int i = 0; i < YAML_DEPTH_MAX + 1; i++)
        buf_puts(&text, "[");
    for (int i = 0; i < YAML_DEPTH_MAX + 1; i++)
        buf_puts(&text, "]");
    assert_int_equal(yaml_parse(text.data, text.len, "f", &root, NULL), ERR_TOO_BIG);
    assert_int_equal(yaml_parse(text.data + 1, text.len - 2, "f", &root, NULL), OK);
    yaml_free(root);
    while (text.len <= YAML_SIZE_MAX)
        buf_puts(&text, "#");
    assert_int_equal(yaml_parse(text.data, text.len, "f", &root, NULL), ERR_TOO_BIG);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_a_tree_with_lines),
        cmocka_unit_test(an_empty_document_is_an_empty_map),
        cmocka_unit_test(refuses_and_names_the_line),
        cmocka_unit_test(refuses_what_passes_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
