/* In: bytes as the body of POST /v1/scale, and as a preset. Out: nothing; what is accepted makes
 * sense. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/scale_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct store_scale_change c = {0};
    struct errmsg msg = {""};
    int workers = 0, concurrency = 0;
    if (scale_read_body((const char *)data, n, &c, &msg) == OK &&
        (c.workers < 0 || c.workers > STORE_SCALE_MAX || c.concurrency < 0 ||
         c.concurrency > STORE_SCALE_MAX || c.undo == (c.workers > 0 || c.concurrency > 0)))
        abort();
    if (scale_read_preset((const char *)data, n, &workers, &concurrency, &msg) == OK &&
        (workers < 1 || workers > STORE_SCALE_MAX || concurrency < 1 ||
         concurrency > STORE_SCALE_MAX))
        abort();
    return 0;
}
