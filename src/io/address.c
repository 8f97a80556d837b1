/* In: socket addresses; the operator's list of exceptions. Out: what they are, and who may be
 * connected to. */
#include "io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define V4_BITS    96 /* of the prefix ::ffff:0:0, under which IPv4 is kept here */
#define ENTRY_MAX  300
#define SEPARATORS ", \t\r\n"

struct network {
    uint8_t bytes[16];
    unsigned bits;
};

/* One entry of the list: a name, or a network. */
struct allowed {
    char *name; /* NULL: a network */
    struct network net;
    uint16_t port; /* 0 = any */
};

struct address_guard {
    struct allowed *items;
    size_t n;
};

/* ---- what an address is ---- */

static bool network_holds(const struct network *net, const uint8_t bytes[16])
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || ((net->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

/* False: not IP. IPv4 is kept as ::ffff:a.b.c.d, so that one list serves both. */
static bool read_address(const struct sockaddr *address, uint8_t out[16], bool *ret_v4,
                         uint16_t *ret_port)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memset(out, 0, 10);
        memset(out + 10, 0xff, 2);
        memcpy(out + 12, &in.sin_addr, 4);
        *ret_port = ntohs(in.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        memcpy(out, &in6.sin6_addr, 16);
        *ret_port = ntohs(in6.sin6_port);
    } else {
        return false;
    }
    *ret_v4 = address->sa_family == AF_INET;
    return true;
}

struct special {
    struct network net;
    enum address_kind kind;
};

#define V4(a, b, c, d, prefix, what)                                                               \
    {                                                                                              \
        {{[10] = 0xff, 0xff, a, b, c, d}, V4_BITS + (prefix)}, ADDRESS_##what                      \
    }

/* The first that holds decides. */
static const struct special specials4[] = {
    V4(168, 63, 129, 16, 32, METADATA), /* Azure's host */
    V4(0, 0, 0, 0, 8, RESERVED),        /* 0.0.0.0 reaches the machine itself */
    V4(10, 0, 0, 0, 8, PRIVATE),        V4(100, 64, 0, 0, 10, SHARED),
    V4(127, 0, 0, 0, 8, LOOPBACK),      V4(169, 254, 0, 0, 16, LINK_LOCAL),
    V4(172, 16, 0, 0, 12, PRIVATE),     V4(192, 0, 0, 0, 24, RESERVED),
    V4(192, 0, 2, 0, 24, RESERVED),     V4(192, 88, 99, 0, 24, RESERVED),
    V4(192, 168, 0, 0, 16, PRIVATE),    V4(198, 18, 0, 0, 15, RESERVED),
    V4(198, 51, 100, 0, 24, RESERVED),  V4(203, 0, 113, 0, 24, RESERVED),
    V4(224, 0, 0, 0, 4, MULTICAST),     V4(240, 0, 0, 0, 4, RESERVED),
};

/* What is in none of them and not in 2000::/3 is reserved. */
static const struct special specials6[] = {
    {{{[15] = 1}, 128}, ADDRESS_LOOPBACK},
    {{{[10] = 0xff, 0xff}, V4_BITS}, ADDRESS_TRANSLATED},             /* ::ffff:0:0/96 */
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, ADDRESS_TRANSLATED},             /* 64:ff9b::/96 */
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48}, ADDRESS_TRANSLATED}, /* 64:ff9b:1::/48 */
    {{{0x20, 0x01, 0x00, 0x00}, 32}, ADDRESS_TRANSLATED},             /* Teredo */
    {{{0x20, 0x01}, 23}, ADDRESS_RESERVED},                           /* protocols */
    {{{0x20, 0x01, 0x0d, 0xb8}, 32}, ADDRESS_RESERVED},               /* documentation */
    {{{0x20, 0x02}, 16}, ADDRESS_TRANSLATED},                         /* 6to4 */
    {{{0x3f, 0xff, 0x00}, 20}, ADDRESS_RESERVED},                     /* documentation */
    {{{0x20}, 3}, ADDRESS_PUBLIC},
    {{{0xfc}, 7}, ADDRESS_PRIVATE},
    {{{0xfe, 0x80}, 10}, ADDRESS_LINK_LOCAL},
    {{{0xfe, 0xc0}, 10}, ADDRESS_PRIVATE}, /* the old site-local */
    {{{0xff}, 8}, ADDRESS_MULTICAST},
};

static enum address_kind look_up(const struct special *list, size_t n, const uint8_t bytes[16],
                                 enum address_kind otherwise)
{
    for (size_t i = 0; i < n; i++) {
        if (network_holds(&list[i].net, bytes))
            return list[i].kind;
    }
    return otherwise;
}

enum address_kind address_kind_of(const struct sockaddr *address)
{
    uint8_t bytes[16];
    bool v4 = false;
    uint16_t port;
    if (!read_address(address, bytes, &v4, &port))
        return ADDRESS_OTHER;
    if (v4)
        return look_up(specials4, sizeof specials4 / sizeof specials4[0], bytes, ADDRESS_PUBLIC);
    return look_up(specials6, sizeof specials6 / sizeof specials6[0], bytes, ADDRESS_RESERVED);
}

const char *address_kind_name(enum address_kind kind)
{
    static const char *const names[ADDRESS_KIND_MAX] = {
        [ADDRESS_PUBLIC] = "public",         [ADDRESS_LOOPBACK] = "loopback",
        [ADDRESS_PRIVATE] = "private",       [ADDRESS_LINK_LOCAL] = "link-local",
        [ADDRESS_SHARED] = "carrier NAT",    [ADDRESS_MULTICAST] = "multicast",
        [ADDRESS_TRANSLATED] = "translated", [ADDRESS_METADATA] = "cloud metadata",
        [ADDRESS_RESERVED] = "reserved",     [ADDRESS_OTHER] = "not IP",
    };
    return (unsigned)kind < ADDRESS_KIND_MAX ? names[kind] : "unknown";
}

/* ---- the list ---- */

/* Digits only, up to `most`; -1: something else. */
static long read_number(const char *text, long most)
{
    long value = 0;
    if (text[0] == '\0' || strlen(text) > 5 || text[strspn(text, "0123456789")] != '\0')
        return -1;
    for (; *text != '\0'; text++)
        value = value * 10 + (*text - '0');
    return value <= most ? value : -1;
}

/* An address in text; a single one is a network of one. */
static bool read_network(const char *text, struct network *ret_net)
{
    struct network net = {.bytes = {[10] = 0xff, 0xff}, .bits = 128};
    if (inet_pton(AF_INET, text, net.bytes + 12) != 1 && inet_pton(AF_INET6, text, net.bytes) != 1)
        return false;
    *ret_net = net;
    return true;
}

static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_";
    return text[0] != '\0' && text[strspn(text, letters)] == '\0' && strlen(text) < 254;
}

/* NETWORK/BITS. `slash` is in `text`. */
static bool read_cidr(char *text, char *slash, struct allowed *item)
{
    *slash = '\0';
    bool v4 = strchr(text, ':') == NULL;
    long bits = read_number(slash + 1, v4 ? 32 : 128);
    if (bits < 0 || !read_network(text, &item->net))
        return false;
    item->net.bits = (unsigned)bits + (v4 ? V4_BITS : 0);
    return true;
}

/* ":PORT" or nothing. */
static bool read_port(const char *text, struct allowed *item)
{
    if (text[0] == '\0')
        return true;
    long port = text[0] == ':' ? read_number(text + 1, 65535) : -1;
    item->port = port > 0 ? (uint16_t)port : 0;
    return port > 0;
}

/* Writes into `text`. */
static bool read_entry(char *text, struct allowed *item)
{
    char *slash = strchr(text, '/'), *colon = strchr(text, ':'), *end = NULL;
    if (slash != NULL)
        return read_cidr(text, slash, item);
    if (text[0] == '[') { /* [IPv6] or [IPv6]:PORT */
        end = strchr(text, ']');
        if (end == NULL || !read_port(end + 1, item))
            return false;
        *end = '\0';
        return colon != NULL && colon < end && read_network(text + 1, &item->net);
    }
    if (colon != NULL && strchr(colon + 1, ':') != NULL) /* IPv6 by itself */
        return read_network(text, &item->net);
    if (colon != NULL) {
        if (!read_port(colon, item))
            return false;
        *colon = '\0';
    }
    if (read_network(text, &item->net))
        return true;
    if (!is_name(text))
        return false;
    item->name = mem_strdup(text);
    return true;
}

static enum err add_entry(struct address_guard *g, const char *text, size_t n, struct errmsg *msg)
{
    char entry[ENTRY_MAX];
    if (g->n == ADDRESS_ALLOW_MAX)
        return err_set(msg, ERR_INVALID, "more than %d entries; join networks", ADDRESS_ALLOW_MAX);
    bool good = n < sizeof entry;
    if (good) {
        memcpy(entry, text, n);
        entry[n] = '\0';
        good = read_entry(entry, &g->items[g->n]);
    }
    if (!good)
        return err_set(msg, ERR_INVALID,
                       "'%.*s' is no network (10.2.0.0/16), address (10.2.0.9, 10.2.0.9:8080, "
                       "[::1]:8080) or name (hooks.internal)",
                       n < 80 ? (int)n : 80, text);
    g->n++;
    return OK;
}

enum err address_guard_new(const char *allow, struct address_guard **ret_guard, struct errmsg *msg)
{
    struct address_guard *g = mem_alloc(sizeof *g);
    g->items = mem_array(ADDRESS_ALLOW_MAX, sizeof *g->items);
    enum err e = OK;
    const char *at = allow != NULL ? allow : "";
    for (at += strspn(at, SEPARATORS); e == OK && *at != '\0'; at += strspn(at, SEPARATORS)) {
        size_t n = strcspn(at, SEPARATORS);
        e = add_entry(g, at, n, msg);
        at += n;
    }
    if (e != OK) {
        address_guard_free(g);
        return e;
    }
    *ret_guard = g;
    return OK;
}

void address_guard_free(struct address_guard *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n; i++)
        free(g->items[i].name);
    free(g->items);
    free(g);
}

bool address_guard_permits(const struct address_guard *g, const char *host,
                           const struct sockaddr *address)
{
    uint8_t bytes[16];
    bool v4 = false;
    uint16_t port = 0;
    if (address_kind_of(address) == ADDRESS_PUBLIC)
        return true;
    if (!read_address(address, bytes, &v4, &port))
        return false;
    for (size_t i = 0; i < g->n; i++) {
        const struct allowed *item = &g->items[i];
        bool same = item->name != NULL ? strcasecmp(item->name, host) == 0
                                       : network_holds(&item->net, bytes);
        if (same && (item->port == 0 || item->port == port))
            return true;
    }
    return false;
}
