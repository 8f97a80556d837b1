/* In: socket addresses; the operator's list of exceptions. Out: whether a request for a URL that
 * somebody else gave may connect there. Give the guard to http_start() (io/http_client.h). */
#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sockaddr;

/* After the special-purpose registries of IANA; everything that is not plain public unicast has a
 * name of its own. */
enum address_kind {
    ADDRESS_PUBLIC,
    ADDRESS_LOOPBACK,
    ADDRESS_PRIVATE,    /* RFC 1918, unique local */
    ADDRESS_LINK_LOCAL, /* most clouds' metadata too */
    ADDRESS_SHARED,     /* carrier NAT */
    ADDRESS_MULTICAST,
    ADDRESS_TRANSLATED, /* IPv6 that carries IPv4: mapped, NAT64, 6to4, Teredo */
    ADDRESS_METADATA,   /* a cloud's own service at an address that looks public */
    ADDRESS_RESERVED,   /* unspecified, broadcast, documentation, benchmarks, unassigned */
    ADDRESS_OTHER,      /* not IP at all */
    ADDRESS_KIND_MAX
};

enum address_kind address_kind_of(const struct sockaddr *address);
const char *address_kind_name(enum address_kind kind); /* "link-local" */

struct address_guard;

#define ADDRESS_ALLOW_MAX 256 /* entries of a list */

/* `allow`: what is permitted besides public addresses, separated by commas or spaces: networks
 * (10.2.0.0/16, fd00:8::/32), addresses (127.0.0.1, ::1) and names as they stand in the URL
 * (hooks.internal), the last two also for one port (127.0.0.1:9000, [::1]:9000). A name permits
 * whatever it resolves to. NULL or "" = nothing. ERR_INVALID says which entry. */
enum err address_guard_new(const char *allow, struct address_guard **ret_guard,
                           struct errmsg *msg) MUST_CHECK;
void address_guard_free(struct address_guard *guard); /* takes NULL */

/* May a request whose URL names `host` connect to `address`? */
bool address_guard_permits(const struct address_guard *guard, const char *host,
                           const struct sockaddr *address);

#endif
