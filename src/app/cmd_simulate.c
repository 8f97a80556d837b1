/* In: an address. Out: the simulated provider, answering there until a signal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/cmd.h"
#include "app/listen.h"
#include "app/workshop.h"

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

#define SCRIPT_MAX ((size_t)1 << 20)

static int play_script(struct invocation *inv, struct sim *sim)
{
    const char *path = inv->set.script;
    char *text = NULL;
    size_t n = 0;
    struct errmsg why = {""};
    if (path == NULL)
        return EXIT_DONE;
    enum err e = settings_read_file(path, SCRIPT_MAX, &text, &n, &why);
    if (e != OK)
        return command_fail(inv, EXIT_USAGE, "--script: %s", why.text);
    e = sim_order_faults(sim, text, n, &why);
    free(text);
    return e == OK ? EXIT_DONE : command_fail(inv, EXIT_USAGE, "--script: %s: %s", path, why.text);
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
    struct listen_address address = {{0}};
    int code = listen_parse(inv, set->listen, &address);
    config.host = address.host;
    config.port = address.port;
    if (code == EXIT_DONE && sim_new(loop, &config, &sim, &msg) != OK)
        code = command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    if (code == EXIT_DONE)
        code = play_script(inv, sim);
    if (code == EXIT_DONE) {
        announce(inv, sim);
        loop_on_signal(loop, SIGINT, on_signal, loop);
        loop_on_signal(loop, SIGTERM, on_signal, loop);
        loop_run(loop);
    }
    sim_free(sim);
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
