/* In: settings, and where this daemon answers. Out: the SQL surface served. */
#include "app/surface.h"

#include <stdlib.h>
#include <string.h>

#include "app/listen.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/address.h"
#include "store/pg/pg_surface.h"

static void on_told(void *ctx, const char *message)
{
    (void)ctx;
    log_warn(NULL, "%s", message);
}

int surface_open(struct surface *s, struct context *c, struct http_client *http, const char *host,
                 uint16_t port)
{
    const struct settings *set = &c->inv->set;
    struct errmsg msg = {""};
    memset(s, 0, sizeof *s);
    if (!c->shared)
        return EXIT_DONE;
    enum err e = address_guard_new(set->net_allow, &s->guard, &msg);
    char *self = listen_url(host, port);
    struct pg_surface_config config = {.url = set->database,
                                       .users = set->cron_users,
                                       .commands = (int)set->cron_commands,
                                       .command_us = set->cron_timeout_us,
                                       .keep_runs = set->cron_keep_runs,
                                       .http = http,
                                       .guard = s->guard,
                                       .public_urls = set->public_urls,
                                       .self_url = self,
                                       .told = on_told};
    if (e == OK)
        e = pg_surface_new(c->loop, &config, &s->pg, &msg);
    free(self);
    if (e == OK)
        return EXIT_DONE;
    surface_close(s);
    return command_fail(c->inv, EXIT_USAGE, "%s", msg.text);
}

void surface_stop(struct surface *s)
{
    pg_surface_stop(s->pg);
}

void surface_cut(struct surface *s)
{
    pg_surface_cut(s->pg);
}

size_t surface_busy(const struct surface *s)
{
    return pg_surface_busy(s->pg);
}

void surface_close(struct surface *s)
{
    pg_surface_free(s->pg);
    address_guard_free(s->guard);
    memset(s, 0, sizeof *s);
}
