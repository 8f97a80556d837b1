/* In: a table's names and an object as forms wrote it. Out: the member, under either spelling. */
#include "job/shape_name.h"

#include <ctype.h>
#include <string.h>

#define SNAKE_MAX ((size_t)2 * SHAPE_NAME_MAX)

bool shape_next_name(const char **list, struct shape_name *ret)
{
    const char *s = *list;
    if (s == NULL || *s == '\0')
        return false;
    size_t n = strcspn(s, "|"), plain = strcspn(s, "=|"), outer = strcspn(s, ".=|");
    *ret =
        (struct shape_name){.equals = s + plain + 1, .equals_len = n > plain ? n - plain - 1 : 0};
    memcpy(ret->outer, s, outer);
    if (plain > outer)
        memcpy(ret->inner, s + outer + 1, plain - outer - 1);
    *list = s[n] == '|' ? s + n + 1 : s + n;
    return true;
}

static const char *snake_case(const char *camel, char *out)
{
    size_t n = 0;
    for (; *camel != '\0' && n + 3 < SNAKE_MAX; camel++) {
        if (isupper((unsigned char)*camel))
            out[n++] = '_';
        out[n++] = (char)tolower((unsigned char)*camel);
    }
    out[n] = '\0';
    return out;
}

static const json_t *get(const json_t *object, const char *name)
{
    char snake[SNAKE_MAX];
    const json_t *value = json_object_get(object, name);
    if (value == NULL || json_is_null(value))
        value = json_object_get(object, snake_case(name, snake));
    return json_is_null(value) ? NULL : value;
}

const json_t *shape_find(const json_t *object, const struct shape_name *name)
{
    const json_t *value = get(object, name->outer);
    if (name->inner[0] == '\0' || value == NULL)
        return value;
    return json_is_object(value) ? get(value, name->inner) : NULL;
}

void shape_remove(json_t *object, const struct shape_name *name)
{
    char snake[SNAKE_MAX];
    json_object_del(object, name->outer);
    json_object_del(object, snake_case(name->outer, snake));
}
