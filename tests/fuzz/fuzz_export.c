/* In: any bytes as a script. Out: text that is not longer, and JSON that is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "job/export.h"
#include "text/json.h"

#define OUT_MAX ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *script = size > 0 ? (const char *)data : "";
    struct buf out = BUF_INIT(OUT_MAX);
    json_t *json = NULL;
    export_text(script, size, &out);
    if (out.len > size + 1)
        abort();
    buf_clear(&out);
    export_json(script, size, &out);
    enum err e = json_parse(buf_str(&out), out.len, OUT_MAX, &json, NULL);
    /* A NUL in a string is JSON, which our own reader refuses. */
    if (e != OK && memchr(script, '\0', size) == NULL)
        abort();
    json_decref(json);
    buf_free(&out);
    return 0;
}
