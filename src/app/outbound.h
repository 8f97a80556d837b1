/* In: settings. Out: clients for requests that leave this machine; and what webhooks need, and the
 * requests of SQL users share: one that never takes the provider's connections, and the guard that
 * says where webhooks may go. */
#ifndef APP_OUTBOUND_H
#define APP_OUTBOUND_H

#include "app/context.h"
#include "io/http_client.h"

/* Knows the authorities that are configured. max_connections: 0 = the client's own maximum. */
enum err outbound_client(const struct context *c, size_t max_connections,
                         struct http_client **ret_client, struct errmsg *msg) MUST_CHECK;

struct outbound {
    struct http_client *http;
    struct address_guard *guard;
};

/* EXIT_DONE, or another exit code after one line on standard error. */
int outbound_open(struct outbound *o, struct context *c);
void outbound_close(struct outbound *o); /* takes one that was not opened */

#endif
