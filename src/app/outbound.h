/* In: settings. Out: what webhooks need: a client of their own, which never takes the provider's
 * connections, and the guard that says where they may go. */
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
