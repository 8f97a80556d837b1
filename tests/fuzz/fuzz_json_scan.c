/* In: any bytes. Out: json_scan_string() and jansson agree on what is JSON and on the member. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"

#define OUT_MAX ((size_t)1 << 20)

static int depth_of(const json_t *json)
{
    int deepest = 0;
    const char *key;
    json_t *value;
    size_t i;
    json_array_foreach (json, i, value) {
        int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
        int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_array(json) || json_is_object(json) ? deepest + 1 : 0;
}

/* The scanner refuses numbers that are too long to tell their range. */
static bool has_long_number(const char *text, size_t n)
{
    size_t run = 0;
    for (size_t i = 0; i < n; i++) {
        run = text[i] != '\0' && strchr("0123456789.eE+-", text[i]) != NULL ? run + 1 : 0;
        if (run > 128)
            return true;
    }
    return false;
}

static void compare(const char *text, size_t n, const char *outer, const char *inner)
{
    struct buf out = BUF_INIT(OUT_MAX);
    enum err e = json_scan_string(text, n, outer, inner, &out);
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    const json_t *object = outer == NULL ? json : json_object_get(json, outer);
    const json_t *wanted = json_object_get(object, inner);
    bool nul = memchr(text, '\0', n) != NULL; /* jansson takes one behind the value for the end */
    if (json == NULL || nul || depth_of(json) > JSON_DEPTH_MAX) {
        if (e != ERR_INVALID)
            abort();
    } else if (e == ERR_INVALID) {
        if (!has_long_number(text, n))
            abort();
    } else if (json_is_string(wanted)) {
        if (e != OK || out.len != json_string_length(wanted) ||
            memcmp(buf_str(&out), json_string_value(wanted), out.len) != 0)
            abort();
    } else if (e != ERR_NOT_FOUND) {
        abort();
    }
    json_decref(json);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size == 0 ? "" : (const char *)data;
    if (size > OUT_MAX)
        return 0;
    compare(text, size, NULL, "a");
    compare(text, size, "a", "b");
    compare(text, size, "delta", "text");
    return 0;
}
