/* In: the metrics of the processes on one socket. Out: those of all, whichever of them is asked. */
#include <stdlib.h>

#include "api/metrics.h"
#include "base/clock.h"
#include "base/mem.h"

#define LEAVE_US (1 * USEC_PER_SEC)
#define STALE_US (10 * USEC_PER_SEC) /* it has ended, or hangs */

/* More than there is room for is left out, and whoever is asked itself tells it all the same. */
static void leave(void *ctx)
{
    struct api *api = ctx;
    struct buf text = BUF_INIT(METRICS_MAX);
    metrics_put_process(api, &text);
    (void)!shared_texts_put(api->crew, api->place, buf_str(&text), text.len, clock_mono());
    buf_free(&text);
    timer_set(api->loop, &api->crew_timer, loop_now(api->loop) + LEAVE_US, leave, api);
}

void metrics_crew_start(struct api *api)
{
    if (api->crew != NULL)
        leave(api);
}

void metrics_crew_stop(struct api *api)
{
    timer_stop(api->loop, &api->crew_timer);
}

void metrics_crew_put(const struct api *api, struct buf *out)
{
    size_t n = shared_texts_n(api->crew);
    int64_t since_us = clock_mono() - STALE_US;
    struct buf *bufs = mem_array(n, sizeof *bufs);
    const char **texts = mem_array(n, sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        bufs[i] = BUF_INIT(METRICS_MAX);
        if (i == api->place)
            metrics_put_process(api, &bufs[i]);
        else if (shared_texts_get(api->crew, i, since_us, &bufs[i]) != OK)
            continue;
        texts[i] = buf_str(&bufs[i]);
    }
    metrics_merge(texts, n, out);
    for (size_t i = 0; i < n; i++)
        buf_free(&bufs[i]);
    free((void *)texts);
    free(bufs);
}
