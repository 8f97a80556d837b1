/* In: an address, or a descriptor that somebody passed on. Out: a socket that listens, or one line
 * that says why not. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/http_conn.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_size)
{
    union address a = {0};
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        *ret_size = sizeof(a.v4);
    } else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        *ret_size = sizeof(a.v6);
    } else {
        return false;
    }
    *ret = a;
    return true;
}

enum err http_listen(const char *host, uint16_t port, int *ret_fd, struct errmsg *msg)
{
    union address a;
    socklen_t size;
    int one = 1;
    if (!parse_address(host, port, &a, &size))
        return err_set(msg, ERR_INVALID, "%s: not an IPv4 or IPv6 address to listen on", host);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(msg, ERR_IO, "cannot open a socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &a.any, size) < 0 || listen(fd, SOMAXCONN) < 0) {
        int why = errno;
        (void)close(fd);
        return err_set(msg,
                       why == EADDRINUSE ? ERR_BUSY
                       : why == EACCES   ? ERR_PERMISSION
                                         : ERR_IO,
                       "cannot listen on %s port %u: %s", host, port, strerror(why));
    }
    *ret_fd = fd;
    return OK;
}

enum err listen_adopt(int fd, uint16_t *ret_port, struct errmsg *msg)
{
    union address a = {0};
    socklen_t size = sizeof(a);
    int flags = fcntl(fd, F_GETFL), listening = 0;
    socklen_t n = sizeof(listening);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0 || !listening ||
        getsockname(fd, &a.any, &size) < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(msg, ERR_INVALID, "descriptor %d is no listening socket", fd);
    *ret_port = 0;
    if (a.any.sa_family == AF_INET || a.any.sa_family == AF_INET6)
        *ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return OK;
}
