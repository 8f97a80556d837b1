/* In: the name of a benchmark that needs nothing but this program. Out: its figures. */
#include <stdio.h>
#include <string.h>

#include "app/cmd.h"
#include "bench.h"

static const struct {
    const char *name;
    int (*run)(struct bench_out *out, int argc, char **argv);
} benches[] = {{"store", bench_store}, {"streams", bench_streams}};

int cmd_bench(struct invocation *inv)
{
    struct bench_out out = {.json = inv->set.json};
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(benches[i].name, inv->args[0]) == 0)
            return benches[i].run(&out, (int)inv->n_args - 1, inv->args + 1);
    }
    return command_fail(inv, EXIT_USAGE, "no benchmark '%.40s'; there are: store, streams",
                        inv->args[0]);
}
