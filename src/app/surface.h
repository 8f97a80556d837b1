/* In: settings, and where this daemon answers. Out: the SQL surface served (cron.job,
 * net.http_post), when the store is PostgreSQL. */
#ifndef APP_SURFACE_H
#define APP_SURFACE_H

#include <stddef.h>
#include <stdint.h>

#include "app/context.h"
#include "app/listen.h"

struct http_client;
struct address_guard;
struct pg_surface;

struct surface {
    struct address_guard *guard;
    struct pg_surface *pg; /* NULL: an embedded store */
};

/* EXIT_DONE, or another exit code after one line on standard error. Borrows http. */
int surface_open(struct surface *s, struct context *c, struct http_client *http, const char *host,
                 uint16_t port);
void surface_stop(struct surface *s);         /* begins nothing new */
void surface_cut(struct surface *s);          /* and ends what is under way */
size_t surface_busy(const struct surface *s); /* what is under way */
void surface_close(struct surface *s);        /* takes one that was not opened */

#endif
