/* In: settings. Out: clients for requests that leave this machine, and a guard for those to URLs
 * that somebody gave. */
#include "app/outbound.h"

#include <stdlib.h>
#include <string.h>

#include "io/address.h"

#define CONNECTIONS_MAX 128
#define CA_FILE_MAX     ((size_t)8 << 20)

/* Told now and by name, not at the first request as one of TLS's riddles. */
static enum err check_authorities(const char *path, struct errmsg *msg)
{
    char *text = NULL;
    size_t n = 0;
    if (path == NULL)
        return OK;
    struct errmsg why = {""};
    enum err e = settings_read_file(path, CA_FILE_MAX, &text, &n, &why);
    if (e != OK)
        return err_set(msg, e, "ca_file: %s", why.text);
    if (strstr(text, "-----BEGIN CERTIFICATE-----") == NULL &&
        strstr(text, "-----BEGIN TRUSTED CERTIFICATE-----") == NULL)
        e = err_set(msg, ERR_INVALID, "ca_file: %s: there is no certificate in PEM in it", path);
    free(text);
    return e;
}

enum err outbound_client(const struct context *c, size_t max_connections,
                         struct http_client **ret_client, struct errmsg *msg)
{
    struct http_client_config config = {.max_connections = max_connections,
                                        .user_agent = "scriptorium/" SCRIPTORIUM_VERSION,
                                        .ca_file = c->inv->set.ca_file};
    enum err e = check_authorities(config.ca_file, msg);
    return e == OK ? http_client_new(c->loop, &config, ret_client, msg) : e;
}

int outbound_open(struct outbound *o, struct context *c)
{
    struct errmsg msg = {""};
    *o = (struct outbound){NULL, NULL};
    if (address_guard_new(c->inv->set.webhook_allow, &o->guard, &msg) != OK)
        return command_fail(c->inv, EXIT_USAGE, "webhook_allow: %s", msg.text);
    if (outbound_client(c, CONNECTIONS_MAX, &o->http, &msg) != OK)
        return command_fail(c->inv, EXIT_WORK_FAILED, "%s", msg.text);
    return EXIT_DONE;
}

void outbound_close(struct outbound *o)
{
    http_client_free(o->http);
    address_guard_free(o->guard);
    *o = (struct outbound){NULL, NULL};
}
