/* In: settings. Out: what webhooks need, and the requests of SQL users share: a client that never
 * takes the provider's connections, and the guard that says where webhooks may go. */
#ifndef APP_OUTBOUND_H
#define APP_OUTBOUND_H

#include "app/context.h"
#include "io/http_client.h"

struct outbound {
    struct http_client *http;
    struct address_guard *guard;
};

/* EXIT_DONE, or another exit code after one line on standard error. */
int outbound_open(struct outbound *o, struct context *c);
void outbound_close(struct outbound *o); /* takes one that was not opened */

#endif
