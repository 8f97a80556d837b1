/* In: serve's settings. Out: the daemon, in this process or in several that share its socket. */
#include <stdio.h>
#include <string.h>

#include "app/cmd.h"
#include "app/daemon.h"
#include "app/notify.h"
#include "app/processes.h"
#include "base/log.h"
#include "io/http_server.h"

struct crew {
    struct invocation *inv;
    struct daemon_config config;
    char part[8]; /* a child's number */
};

static bool has_key(const struct settings *set)
{
    return set->service_key != NULL || set->jwt_secret != NULL || set->jwks_url != NULL;
}

static int check(const struct invocation *inv)
{
    const struct settings *set = &inv->set;
    if (set->processes > 1 && strncmp(set->database, "postgres", 8) != 0)
        return command_fail(inv, EXIT_USAGE,
                            "--processes needs PostgreSQL: an SQLite file has one engine; use "
                            "--concurrency for more at once, or --database postgres://...");
    if (set->processes > 1 && !has_key(set))
        return command_fail(inv, EXIT_USAGE,
                            "--processes needs a key that all of them know: set "
                            "SCRIPTORIUM_SERVICE_KEY");
    return EXIT_DONE;
}

static int run_child(void *ctx, int report_fd, size_t number, bool reload)
{
    struct crew *crew = ctx;
    (void)snprintf(crew->part, sizeof crew->part, "%zu", number);
    crew->inv->part = crew->part;
    crew->config.report_fd = report_fd;
    crew->config.number = number;
    crew->config.announces = number == 0;
    crew->config.reload = reload;
    return daemon_serve(crew->inv, &crew->config);
}

static int serve_many(struct crew *crew)
{
    struct invocation *inv = crew->inv;
    struct daemon_config *config = &crew->config;
    struct errmsg msg = {""};
    if (config->listener == 0 &&
        http_listen(config->address.host, config->address.port, &config->listener, &msg) != OK)
        return command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    if (shared_texts_new((size_t)inv->set.processes, &config->crew, &msg) != OK)
        return command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    struct processes_config processes = {
        .n = (size_t)inv->set.processes, .run = run_child, .ctx = crew};
    int code = processes_run(&processes);
    shared_texts_free(config->crew);
    return code;
}

int cmd_serve(struct invocation *inv)
{
    struct crew crew = {.inv = inv, .config = {.report_fd = -1, .announces = true}};
    struct errmsg msg = {""};
    int code = check(inv);
    if (code == EXIT_DONE)
        code = listen_parse(inv, inv->set.serve_listen, &crew.config.address);
    if (code != EXIT_DONE)
        return code;
    if (notify_take_listener(&crew.config.listener, &msg) != OK)
        return command_fail(inv, EXIT_USAGE, "%s", msg.text);
    if (crew.config.listener > 0)
        listen_address_of(crew.config.listener, &crew.config.address);
    daemon_set_log(&inv->set);
    return inv->set.processes > 1 ? serve_many(&crew) : daemon_serve(inv, &crew.config);
}
