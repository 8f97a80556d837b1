/* In: figures, one by one. Out: lines for people, or one JSON object. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

long bench_number(int argc, char **argv, int at, long fallback, long most)
{
    if (at >= argc)
        return fallback;
    char *end = NULL;
    long n = strtol(argv[at], &end, 10);
    return end != argv[at] && *end == '\0' && n >= 0 && n <= most ? n : -1;
}

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
