/* In: arguments. Out: one benchmark (BENCH, by the build), as a program of its own. */
#include "bench.h"

int main(int argc, char **argv)
{
    struct bench_out out = {.json = false};
    return BENCH(&out, argc - 1, argv + 1);
}
