/* In: any bytes. Out: yaml_parse() and yaml_bind() end with a tree or an error that names the
 * file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/yaml.h"

struct target {
    char *s;
    int64_t i, duration_us, bytes, udollar;
    double d;
    bool b;
    int e;
    struct yaml_strings list;
    const struct yaml *node;
};

static const char *const names[] = {"one", "two", NULL};
static const struct yaml_field fields[] = {
    {.name = "s", .type = YAML_F_STRING, .offset = offsetof(struct target, s)},
    {.name = "i", .type = YAML_F_INT, .offset = offsetof(struct target, i), .min = -9, .max = 9},
    {.name = "d", .type = YAML_F_DOUBLE, .offset = offsetof(struct target, d)},
    {.name = "b", .type = YAML_F_BOOL, .offset = offsetof(struct target, b)},
    {.name = "t", .type = YAML_F_DURATION, .offset = offsetof(struct target, duration_us)},
    {.name = "z", .type = YAML_F_SIZE, .offset = offsetof(struct target, bytes)},
    {.name = "m", .type = YAML_F_MONEY, .offset = offsetof(struct target, udollar)},
    {.name = "l", .type = YAML_F_STRINGS, .offset = offsetof(struct target, list)},
    {.name = "e", .type = YAML_F_ENUM, .offset = offsetof(struct target, e), .names = names},
    {.name = "n", .type = YAML_F_NODE, .offset = offsetof(struct target, node)},
    {.name = NULL}};

static void check(enum err e, const struct errmsg *msg)
{
    if (e != OK && strncmp(msg->text, "f.yaml:", 7) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml *root = NULL;
    struct errmsg msg = {""};
    struct target target = {.i = 0};
    enum err e = yaml_parse(size == 0 ? "" : (const char *)data, size, "f.yaml", &root, &msg);
    check(e, &msg);
    if (e != OK)
        return 0;
    e = yaml_bind(root, "f.yaml", fields, &target, &msg);
    check(e, &msg);
    if (target.i < -9 || target.i > 9 || target.duration_us < 0 || target.bytes < 0 ||
        target.udollar < 0)
        abort();
    free(target.s);
    yaml_strings_free(&target.list);
    yaml_free(root);
    return 0;
}
