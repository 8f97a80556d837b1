/* In: --listen. Out: the address and port it means. */
#include "app/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/mem.h"

#define ROOM_MIN 16u

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int listen_parse(const struct invocation *inv, const char *text, struct listen_address *ret_address)
{
    const char *colon = strrchr(text, ':'), *from = text;
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;
    char *end = NULL;
    long port = -1;
    errno = 0;
    if (n > 0 && colon[1] >= '0' && colon[1] <= '9')
        port = strtol(colon + 1, &end, 10);
    if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
        from++;
        n -= 2;
    }
    if (port < 0 || port > UINT16_MAX || errno != 0 || *end != '\0' ||
        n >= sizeof ret_address->host)
        return command_fail(inv, EXIT_USAGE,
                            "--listen: '%.60s' is no ADDRESS:PORT such as 127.0.0.1:8401", text);
    memcpy(ret_address->host, from, n);
    ret_address->host[n] = '\0';
    ret_address->port = (uint16_t)port;
    if (strcasecmp(ret_address->host, "localhost") == 0) /* whatever a hosts file makes of it */
        memcpy(ret_address->host, "127.0.0.1", sizeof "127.0.0.1");
    if (is_address(ret_address->host))
        return EXIT_DONE;
    return command_fail(inv, EXIT_USAGE,
                        "--listen: '%s' is no IPv4 or IPv6 address, such as 127.0.0.1 for this "
                        "machine alone or 0.0.0.0 for all networks",
                        ret_address->host);
}

void listen_address_of(int fd, struct listen_address *ret_address)
{
    struct sockaddr_storage a = {0};
    const struct sockaddr_in *v4 = (const void *)&a;
    const struct sockaddr_in6 *v6 = (const void *)&a;
    socklen_t size = sizeof a;
    *ret_address = (struct listen_address){.host = "localhost"};
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return;
    bool six = a.ss_family == AF_INET6;
    if (six || a.ss_family == AF_INET) {
        (void)inet_ntop(a.ss_family,
                        six ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
                        ret_address->host, sizeof ret_address->host);
        ret_address->port = ntohs(six ? v6->sin6_port : v4->sin_port);
    }
}

unsigned listen_room(unsigned wanted, size_t others)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= wanted + others)
        return wanted;
    size_t room = limit.rlim_cur > others ? (size_t)limit.rlim_cur - others : 0;
    return room > ROOM_MIN ? (unsigned)room : ROOM_MIN;
}

char *listen_url(const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;
    const char *reached = strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1"
                          : strcmp(host, "::") == 0    ? "::1"
                                                       : host;
    return mem_printf("http://%s%s%s:%u", v6 ? "[" : "", reached, v6 ? "]" : "", port);
}
