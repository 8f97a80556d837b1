/* In: an address. Out: the simulated provider, answering there until a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd.h"
#include "app/workshop.h"
#include "base/mem.h"

/* "127.0.0.1:8401", "[::1]:0"; host is cut out of the owned copy. */
static int read_address(const struct invocation *inv, char *copy, const char **ret_host,
                        uint16_t *ret_port)
{
    char *colon = strrchr(copy, ':'), *end = NULL;
    long port = -1;
    if (colon != NULL && colon != copy && colon[1] >= '0' && colon[1] <= '9') {
        errno = 0;
        port = strtol(colon + 1, &end, 10);
    }
    if (port < 0 || port > UINT16_MAX || errno != 0 || *end != '\0')
        return command_fail(inv, EXIT_USAGE,
                            "--listen: '%.60s' is no ADDRESS:PORT such as "
                            "127.0.0.1:8401",
                            inv->set.listen);
    *colon = '\0';
    size_t n = strlen(copy);
    if (copy[0] == '[' && copy[n - 1] == ']') {
        copy[n - 1] = '\0';
        copy++;
    }
    *ret_host = copy;
    *ret_port = (uint16_t)port;
    return EXIT_DONE;
}

static void on_signal(void *ctx, int signo)
{
    (void)signo;
    loop_stop(ctx);
}

static void announce(const struct invocation *inv, const struct sim *sim)
{
    if (inv->set.json) {
        (void)printf("{\"url\":\"%s\"}\n", sim_url(sim));
    } else {
        (void)printf("The simulated provider answers at %s, at speed %g.\n", sim_url(sim),
                     inv->set.speed);
        (void)printf("Use it: ANTHROPIC_BASE_URL=%s ANTHROPIC_API_KEY=%s scriptorium run ...\n",
                     sim_url(sim), inv->set.sim_key != NULL ? "..." : "any");
    }
    (void)fflush(stdout);
}

static int serve(struct invocation *inv, struct loop *loop, const struct catalog *catalog)
{
    const struct settings *set = &inv->set;
    struct sim_config config = {.seed = (uint64_t)set->seed,
                                .speed = set->speed,
                                .api_key = set->sim_key,
                                .catalog = catalog};
    struct sim *sim = NULL;
    struct errmsg msg = {""};
    char *copy = mem_strdup(set->listen);
    int code = read_address(inv, copy, &config.host, &config.port);
    if (code == EXIT_DONE && sim_new(loop, &config, &sim, &msg) != OK)
        code = command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    if (code == EXIT_DONE) {
        announce(inv, sim);
        loop_on_signal(loop, SIGINT, on_signal, loop);
        loop_on_signal(loop, SIGTERM, on_signal, loop);
        loop_run(loop);
    }
    sim_free(sim);
    free(copy);
    return code;
}

int cmd_simulate(struct invocation *inv)
{
    struct loop *loop = NULL;
    struct catalog *catalog = NULL;
    int code = workshop_catalog(inv, &catalog);
    if (code == EXIT_DONE && loop_new(&loop) != OK)
        code = command_fail(inv, EXIT_WORK_FAILED, "the event loop cannot be started");
    if (code == EXIT_DONE)
        code = serve(inv, loop, catalog);
    loop_free(loop);
    catalog_free(catalog);
    return code;
}
