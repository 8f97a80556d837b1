/* In: two lines as the retry-after-ms and retry-after headers. Out: an abort when the wait is
 * neither "none" nor inside its limits, or when an absent header changes what the other says. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/retry.h"

#define NOW_US ((int64_t)1795392000 * 1000000) /* 23 November 2026 */

static int64_t parse_checked(const char *ms, const char *seconds)
{
    int64_t us = retry_after_parse(ms, seconds, NOW_US);
    if (us < -1 || us > RETRY_AFTER_MAX_US)
        abort();
    return us;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    const char *text = (const char *)data;
    const uint8_t *newline = memchr(data, '\n', n);
    size_t first = newline != NULL ? (size_t)(newline - data) : 0;
    size_t rest = newline != NULL ? first + 1 : 0;
    char *ms = mem_strndup(text, first), *seconds = mem_strndup(text + rest, n - rest);
    int64_t both = parse_checked(ms, seconds), ms_alone = parse_checked(ms, NULL);
    int64_t seconds_alone = parse_checked(NULL, seconds);
    if (both != (ms_alone >= 0 ? ms_alone : seconds_alone))
        abort();
    free(ms);
    free(seconds);
    return 0;
}
