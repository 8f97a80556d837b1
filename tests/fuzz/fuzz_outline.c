/* In: any bytes as a model's answers. Out: a crash when reading an outline, or putting additions
 * into a script, breaks a rule. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "job/check.h"
#include "job/outline.h"
#include "job/stitch.h"

static void require(int ok)
{
    if (!ok)
        abort();
}

static void read_outline(const char *text, size_t n)
{
    struct plan plan = plan_make(25 * 60, PLAN_WPM_DEFAULT);
    json_t *points = json_loads("[{\"title\":\"A\"}]", 0, NULL), *outline = NULL;
    struct errmsg msg = {0};
    enum err e = outline_parse(text, n, &plan, points, &outline, &msg);
    require(e == OK ? outline != NULL : outline == NULL && msg.text[0] != '\0');
    if (e == OK) {
        struct buf out = BUF_INIT(2 * OUTLINE_SIZE_MAX);
        require(outline_has_point(outline, 1, "A") != outline_has_point(outline, 2, "A"));
        outline_markdown(outline, &out);
        outline_chunk(outline, 2, &out);
        outline_before(outline, 2, &out);
        buf_free(&out);
    }
    json_decref(outline);
    json_decref(points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    read_outline(text, size);
    char *script = malloc(size / 2 + 1);
    require(script != NULL);
    memcpy(script, text, size / 2);
    script[size / 2] = '\0';
    size_t n = strlen(script);
    /* Scripts are strings: what the machine accepts holds no NUL. */
    char *merged =
        stitch_additions(script, n, text + size / 2, strnlen(text + size / 2, size - size / 2));
    require(words_count(merged, strlen(merged)) >= words_count(script, n));
    free(merged);
    const char *const chunks[] = {script, script};
    merged = stitch_chunks(chunks, 2);
    free(merged);
    free(script);
    return 0;
}
