/* In: YAML maps and option texts with a table of members. Out: the struct, or an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/yaml.h"

struct config {
    char *name;
    int64_t count, wait_us, size, cost_udollar;
    double ratio;
    bool on;
    int level;
    struct yaml_strings list;
    const struct yaml *node;
};

static const char *const levels[] = {"low", "high", NULL};
static const struct yaml_field fields[] = {
    {.name = "name", .type = YAML_F_STRING, .offset = offsetof(struct config, name)},
    {.name = "count",
     .type = YAML_F_INT,
     .offset = offsetof(struct config, count),
     .min = -5,
     .max = 100},
    {.name = "ratio",
     .type = YAML_F_DOUBLE,
     .offset = offsetof(struct config, ratio),
     .min = 0,
     .max = 2},
    {.name = "on", .type = YAML_F_BOOL, .offset = offsetof(struct config, on)},
    {.name = "wait",
     .type = YAML_F_DURATION,
     .offset = offsetof(struct config, wait_us),
     .min = 0,
     .max = INT64_C(864000000000)},
    {.name = "size", .type = YAML_F_SIZE, .offset = offsetof(struct config, size)},
    {.name = "cost", .type = YAML_F_MONEY, .offset = offsetof(struct config, cost_udollar)},
    {.name = "list", .type = YAML_F_STRINGS, .offset = offsetof(struct config, list)},
    {.name = "level",
     .type = YAML_F_ENUM,
     .offset = offsetof(struct config, level),
     .names = levels},
    {.name = "node", .type = YAML_F_NODE, .offset = offsetof(struct config, node)},
    {.name = NULL}};

static enum err bind(const char *text, struct config *config, struct errmsg *msg)
{
    struct yaml *root = NULL;
    assert_int_equal(yaml_parse(text, strlen(text), "c.yaml", &root, msg), OK);
    enum err e = yaml_bind(root, "c.yaml", fields, config, msg);
    yaml_free(root);
    config->node = NULL;
    return e;
}

static void config_free(struct config *c)
{
    free(c->name);
    yaml_strings_free(&c->list);
}

static void fills_every_type(void **state)
{
    (void)state;
    struct config c = {.name = mem_strdup("old")};
    assert_int_equal(bind("name: 1.0\ncount: -5\nratio: 1.25\non: yes\nwait: 5m\nsize: 4KiB\n"
                          "cost: 0.25\nlist: [a, 'b c']\nlevel: high\n",
                          &c, NULL),
                     OK);
    assert_string_equal(c.name, "1.0");
    assert_int_equal(c.count, -5);
    assert_true(c.ratio == 1.25);
    assert_true(c.on);
    assert_int_equal(c.wait_us, INT64_C(300000000));
    assert_int_equal(c.size, 4096);
    assert_int_equal(c.cost_udollar, 250000);
    assert_int_equal(c.list.n, 2);
    assert_string_equal(c.list.items[1], "b c");
    assert_int_equal(c.level, 1);
    config_free(&c);
}

static void absent_members_keep_their_value(void **state)
{
    (void)state;
    struct config c = {.count = 42, .name = mem_strdup("old")};
    assert_int_equal(bind("on: true\n", &c, NULL), OK);
    assert_int_equal(c.count, 42);
    assert_string_equal(c.name, "old");
    config_free(&c);
}

static void a_failed_map_changes_nothing(void **state)
{
    (void)state;
    struct config c = {.count = 42};
    assert_int_equal(bind("count: 1\nname: x\nratio: nonsense\n", &c, NULL), ERR_INVALID);
    assert_int_equal(c.count, 42);
    assert_null(c.name);
}

static void conversions_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wait_us, size, cost_udollar;
    } rows[] = {
        {"wait: 500ms", 500000, 0, 0},
        {"wait: 10s", 10000000, 0, 0},
        {"wait: 1.5h", INT64_C(5400000000), 0, 0},
        {"wait: 0.001ms", 1, 0, 0},
        {"wait: 1d", INT64_C(86400000000), 0, 0},
        {"wait: 0", 0, 0, 0},
        {"size: 10", 0, 10, 0},
        {"size: 1.25KiB", 0, 1280, 0},
        {"size: 3GiB", 0, INT64_C(3221225472), 0},
        {"cost: 3", 0, 0, 3000000},
        {"cost: 0.000001", 0, 0, 1},
        {"cost: 0.1000000", 0, 0, 100000},
        {"cost: 9007199254.740993", 0, 0, INT64_C(9007199254740993)}, /* not a double */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config c = {0};
        assert_int_equal(bind(rows[i].text, &c, NULL), OK);
        assert_int_equal(c.wait_us, rows[i].wait_us);
        assert_int_equal(c.size, rows[i].size);
        assert_int_equal(c.cost_udollar, rows[i].cost_udollar);
    }
}

static void refuses_wrong_values_with_file_and_line(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "count: x",
        "count: 1.5",
        "count: '1'",
        "count: 101",
        "count: -6",
        "count:",
        "count: [1]",
        "count: 1e3",
        "count: 99999999999999999999",
        "ratio: 2.1",
        "ratio: nan",
        "ratio: 0x1",
        "on: 1",
        "on: 'yes'",
        "wait: 10",
        "wait: s",
        "wait: 1.s",
        "wait: -1s",
        "wait: 11d",
        "wait: 0.0001ms",
        "wait: 10 s",
        "wait: 1w",
        "size: 1kb",
        "size: 1.5",
        "size: 99999999999GiB",
        "cost: 0.0000001",
        "cost: $1",
        "cost: -1",
        "cost: 1e2",
        "cost: 99999999999999",
        "list: a",
        "list: [[a]]",
        "level: medium",
        "level: [low]",
        "name: [x]",
        "name: {a: 1}",
        "nmae: x",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config c = {0};
        struct errmsg msg = {""};
        char *text = mem_printf("\n%s\n", rows[i]);
        if (bind(text, &c, &msg) != ERR_INVALID)
            fail_msg("taken: %s", rows[i]);
        assert_ptr_equal(strstr(msg.text, "c.yaml:2: "), msg.text);
        free(text);
        config_free(&c);
    }
}

static void messages_help(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"nmae: x", "c.yaml:1: unknown member 'nmae'; did you mean 'name'?"},
        {"colour: x", "c.yaml:1: unknown member 'colour'; known are: name, count, ratio, on, wait, "
                      "size, cost, list, level, node"},
        {"level: medium", "c.yaml:1: 'level' wants one of low, high, not 'medium'"},
        {"wait: 11d", "c.yaml:1: 'wait' must be between 0s and 864000s, not '11d'"},
        {"count: '1'", "c.yaml:1: 'count' wants a whole number, not the text '1'"},
        {"count:", "c.yaml:1: 'count' has no value; it wants a whole number"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config c = {0};
        struct errmsg msg = {""};
        assert_int_equal(bind(rows[i].text, &c, &msg), ERR_INVALID);
        assert_string_equal(msg.text, rows[i].message);
    }
}

static void a_required_member_must_be_there(void **state)
{
    (void)state;
    static const struct yaml_field required[] = {
        {.name = "name", .type = YAML_F_STRING, .required = true}, {.name = NULL}};
    struct yaml *root = NULL;
    struct errmsg msg = {""};
    char *name = NULL;
    assert_int_equal(yaml_parse("{}", 2, "c.yaml", &root, NULL), OK);
    assert_int_equal(yaml_bind(root, "c.yaml", required, &name, &msg), ERR_INVALID);
    assert_string_equal(msg.text, "c.yaml:1: 'name' is missing");
    yaml_free(root);
}

static void options_use_the_same_conversions(void **state)
{
    (void)state;
    struct config c = {0};
    struct errmsg msg = {""};
    assert_int_equal(yaml_bind_text("90s", "--wait", &fields[4], &c, NULL), OK);
    assert_int_equal(c.wait_us, 90000000);
    assert_int_equal(yaml_bind_text(" md, txt,,srt ", "--list", &fields[7], &c, NULL), OK);
    assert_int_equal(c.list.n, 3);
    assert_string_equal(c.list.items[0], "md");
    assert_string_equal(c.list.items[2], "srt");
    assert_int_equal(yaml_bind_text("ten", "--count", &fields[1], &c, &msg), ERR_INVALID);
    assert_string_equal(msg.text, "--count wants a whole number, not 'ten'");
    assert_int_equal(yaml_bind_text("x", "--node", &fields[9], &c, NULL), ERR_UNSUPPORTED);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_every_type),
        cmocka_unit_test(absent_members_keep_their_value),
        cmocka_unit_test(a_failed_map_changes_nothing),
        cmocka_unit_test(conversions_are_exact),
        cmocka_unit_test(refuses_wrong_values_with_file_and_line),
        cmocka_unit_test(messages_help),
        cmocka_unit_test(a_required_member_must_be_there),
        cmocka_unit_test(options_use_the_same_conversions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
