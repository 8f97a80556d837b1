/* In: settings. Out: a client and a guard for requests to URLs of other people's. */
#include "app/outbound.h"

#include "io/address.h"

#define CONNECTIONS_MAX 128

int outbound_open(struct outbound *o, struct context *c)
{
    struct http_client_config config = {.max_connections = CONNECTIONS_MAX,
                                        .user_agent = "scriptorium/" SCRIPTORIUM_VERSION};
    struct errmsg msg = {""};
    *o = (struct outbound){NULL, NULL};
    if (address_guard_new(c->inv->set.webhook_allow, &o->guard, &msg) != OK)
        return command_fail(c->inv, EXIT_USAGE, "webhook_allow: %s", msg.text);
    if (http_client_new(c->loop, &config, &o->http, &msg) != OK)
        return command_fail(c->inv, EXIT_WORK_FAILED, "%s", msg.text);
    return EXIT_DONE;
}

void outbound_close(struct outbound *o)
{
    http_client_free(o->http);
    address_guard_free(o->guard);
    *o = (struct outbound){NULL, NULL};
}
