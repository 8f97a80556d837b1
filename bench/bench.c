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

/* aim: NULL = none; "most" or "least". */
static void put(struct bench_out *out, const char *what, double value, const char *unit,
                const char *kind, double aim)
{
    bool ok = kind == NULL || (kind[0] == 'm' ? value <= aim : value >= aim);
    if (out->json)
        printf("%s{\"what\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"", out->n > 0 ? "," : "", what,
               value, unit);
    else
        printf("  %-46s %12.2f %-12s", what, value, unit);
    if (kind != NULL && out->json)
        printf(",\"at_%s\":%.3f,\"ok\":%s", kind, aim, ok ? "true" : "false");
    else if (kind != NULL)
        printf(" aim at %-5s %8.0f  %s", kind, aim, ok ? "ok" : "MISSED");
    printf("%s", out->json ? "}" : "\n");
    out->n++;
    (void)fflush(stdout);
}

void bench_figure(struct bench_out *out, const char *what, double value, const char *unit)
{
    put(out, what, value, unit, NULL, 0);
}

void bench_at_most(struct bench_out *out, const char *what, double value, const char *unit,
                   double aim)
{
    put(out, what, value, unit, "most", aim);
}

void bench_at_least(struct bench_out *out, const char *what, double value, const char *unit,
                    double aim)
{
    put(out, what, value, unit, "least", aim);
}

void bench_end(struct bench_out *out)
{
    if (out->json)
        printf("]}\n");
}
