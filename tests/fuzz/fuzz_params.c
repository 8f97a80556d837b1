/* In: any bytes as a request, perhaps an overlay behind a NUL. Out: params_normalise() gives an
 * object that it leaves alone when it sees it again, or an error with a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "job/params.h"

static const struct params_limits limits = {.duration_default_s = 600, .duration_max_s = 14400};

static void check_again(const struct params *p)
{
    struct params again;
    struct errmsg msg = {""};
    char *text = json_text(p->all);
    enum err e = params_normalise(text, strlen(text), NULL, &limits, &again, &msg);
    if (e == OK) {
        if (strcmp(again.topic, p->topic) != 0 || again.duration_s != p->duration_s ||
            again.variants != p->variants || again.deadline_us != p->deadline_us ||
            again.max_cost_udollar != p->max_cost_udollar)
            abort();
        params_free(&again);
    } else if (e != ERR_TOO_BIG) {
        abort();
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size == 0 ? "" : (const char *)data;
    const char *split = memchr(text, '\0', size);
    size_t n = split == NULL ? size : (size_t)(split - text);
    json_t *overlay = NULL;
    struct params p;
    struct errmsg msg = {""};
    if (split != NULL && json_parse(split + 1, size - n - 1, 65536, &overlay, NULL) != OK)
        overlay = NULL;
    if (params_normalise(text, n, overlay, &limits, &p, &msg) == OK) {
        if (p.topic == NULL || p.platform == NULL || p.duration_s < 15 || p.duration_s > 14400 ||
            p.variants < 1 || p.variants > 5 || p.max_cost_udollar < 0)
            abort();
        check_again(&p);
        params_free(&p);
    } else if (strchr(msg.text, ':') == NULL) {
        abort();
    }
    json_decref(overlay);
    return 0;
}
