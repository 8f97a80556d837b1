/* In: any bytes as a script. Out: a crash when the check reads wrong or breaks its bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "job/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char word[] = "delve", *words[] = {word};
    struct pipeline pipeline = {.forbidden = {.items = words, .n = 1}};
    struct params params = {
        .all = json_loads("{\"contentPoints\":[{\"title\":\"Shaping the loaf by hand\"},"
                          "{\"title\":\"Rest\"}],\"mustInclude\":[\"flour\"]}",
                          0, NULL)};
    struct plan plan = plan_make(25 * 60, PLAN_WPM_DEFAULT);
    struct report r;
    check_script((const char *)data, size, &plan, &params, &pipeline, &r);
    if (r.score < 0 || r.score > 100 || r.words < 0 || r.n > (size_t)13 * CHECK_LISTED_MAX)
        abort();
    report_free(&r);
    json_decref(params.all);
    return 0;
}
