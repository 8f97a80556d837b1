/* In: a template, a line break, "----", a line break, and values as JSON. Out: template_parse() and
 * template_fill() end, within the buffer's maximum. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/template.h"

#define OUT_MAX 65536

static const char separator[] = "\n----\n";

static void count(void *ctx, const char *name, int line)
{
    size_t *n = ctx;
    if (name[0] == '\0' || line < 1)
        abort();
    (*n)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size == 0 ? "" : (const char *)data;
    const char *values_text = memmem(text, size, separator, strlen(separator));
    size_t n = values_text == NULL ? size : (size_t)(values_text - text), names = 0;
    struct template *t = NULL;
    struct errmsg msg = {""};
    json_t *values = NULL;
    if (template_parse(text, n, "t.md", &t, &msg) != OK) {
        if (strncmp(msg.text, "t.md:", 5) != 0)
            abort();
        return 0;
    }
    if (values_text != NULL && json_parse(values_text + strlen(separator),
                                          size - n - strlen(separator), 65536, &values, NULL) != OK)
        values = NULL;
    struct buf out = BUF_INIT(OUT_MAX);
    if (template_fill(t, values, &out) != OK && out.len != 0)
        abort();
    template_names(t, count, &names);
    buf_free(&out);
    json_decref(values);
    template_free(t);
    return 0;
}
