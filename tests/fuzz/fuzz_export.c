/* In: any bytes as a script. Out: text that is not longer, JSON that is JSON, subtitles whose times
 * rise. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/export.h"
#include "text/json.h"

#define OUT_MAX ((size_t)1 << 26)

static void check_json(const char *script, size_t size, const struct buf *out)
{
    json_t *json = NULL;
    enum err e = json_parse(buf_str(out), out->len, OUT_MAX, &json, NULL);
    /* A NUL in a string is JSON, which our own reader refuses. */
    if (e != OK && memchr(script, '\0', size) == NULL)
        abort();
    json_decref(json);
}

/* Each "-->" stands between two times; a cue begins where the one before ended, or later. */
static void check_cues(const struct buf *out)
{
    long long last = 0;
    for (const char *at = buf_str(out); (at = strstr(at, "-->")) != NULL; at += 3) {
        unsigned h[2], m[2], s[2], ms[2];
        if (at - buf_str(out) < 13 ||
            sscanf(at - 13, "%u:%u:%u%*1[.,]%u --> %u:%u:%u%*1[.,]%u", &h[0], &m[0], &s[0], &ms[0],
                   &h[1], &m[1], &s[1], &ms[1]) != 8)
            abort();
        long long from = ((h[0] * 60LL + m[0]) * 60 + s[0]) * 1000 + ms[0];
        long long to = ((h[1] * 60LL + m[1]) * 60 + s[1]) * 1000 + ms[1];
        if (from < last || to <= from)
            abort();
        last = to;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *script = size > 0 ? (const char *)data : "";
    for (size_t i = 0; i < export_format_count; i++) {
        const struct export_format *f = &export_formats[i];
        struct buf out = BUF_INIT(OUT_MAX);
        f->put(script, size, 130, &out);
        if (strcmp(f->name, "txt") == 0 && out.len > size + 1)
            abort();
        if (strcmp(f->name, "json") == 0)
            check_json(script, size, &out);
        if (strcmp(f->name, "srt") == 0 || strcmp(f->name, "vtt") == 0)
            check_cues(&out);
        buf_free(&out);
    }
    return 0;
}
