/* In: --listen. Out: the address and port it means. */
#ifndef APP_LISTEN_H
#define APP_LISTEN_H

#include <stdint.h>

#include "app/command.h"

struct listen_address {
    char host[64];
    uint16_t port;
};

/* "127.0.0.1:8401", "localhost:8401", "[::1]:0". EXIT_DONE, or EXIT_USAGE after one line. */
int listen_parse(const struct invocation *inv, const char *text,
                 struct listen_address *ret_address);
/* Where a socket that was passed on listens; one that is a path: "localhost" and port 0. */
void listen_address_of(int fd, struct listen_address *ret_address);
/* Where one reaches, from this machine, who listens there: on all addresses is on loopback, too.
 * Owned. */
char *listen_url(const char *host, uint16_t port);

/* How many of `wanted` connections fit beside `others` descriptors into what the system lets this
 * process open; never less than 16. */
unsigned listen_room(unsigned wanted, size_t others);

#endif
