/* In: figures, one by one. Out: lines for people, or one JSON object. */
#include "bench.h"

#include <stdio.h>

void bench_begin(struct bench_out *out, const char *name, const char *conditions)
{
    out->n = 0;
    if (out->json)
        printf("{\"bench\":\"%s\",\"conditions\":\"%s\",\"figures\":[", name, conditions);
    else
        printf("%s: %s\n", name, conditions);
    (void)fflush(stdout);
}

void bench_figure(struct bench_out *out, const char *what, double value, const char *unit)
{
    if (out->json)
        printf("%s{\"what\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}", out->n > 0 ? "," : "", what,
               value, unit);
    else
        printf("  %-46s %12.2f %s\n", what, value, unit);
    out->n++;
    (void)fflush(stdout);
}

void bench_end(struct bench_out *out)
{
    if (out->json)
        printf("]}\n");
}
