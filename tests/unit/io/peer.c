/* In: see peer.h. Out: the same, with plain system calls. */
#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PATIENCE (10 * USEC_PER_SEC)

struct loop *peer_loop(void)
{
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), OK);
    return loop;
}

void peer_wait(struct loop *loop, const bool *flag)
{
    int64_t end = clock_mono() + PATIENCE;
    while (!*flag) {
        loop_turn(loop, 100 * USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
}

void peer_turns(struct loop *loop, int64_t us)
{
    int64_t end = clock_mono() + us;
    for (int64_t left; (left = end - clock_mono()) > 0;)
        loop_turn(loop, left);
}

static struct sockaddr_in address(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int peer_listen(uint16_t *ret_port)
{
    struct sockaddr_in a = address(0);
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

int peer_accept(struct loop *loop, int listener)
{
    int64_t end = clock_mono() + PATIENCE;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0)
            return fd;
        assert_true(clock_mono() < end);
        loop_turn(loop, USEC_PER_MSEC);
    }
}

int peer_connect(struct loop *loop, uint16_t port)
{
    struct sockaddr_in a = address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    loop_turn(loop, 0);
    return fd;
}

void peer_send(struct loop *loop, int fd, const char *bytes, size_t n)
{
    int64_t end = clock_mono() + PATIENCE;
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, bytes + at, n - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (errno != EAGAIN)
            return; /* the other side closed: for the test to notice */
        assert_true(clock_mono() < end);
        loop_turn(loop, 0);
    }
}

void peer_says(struct loop *loop, int fd, const char *text)
{
    peer_send(loop, fd, text, strlen(text));
}

bool peer_hears(struct loop *loop, int fd, const char *text, char *out, size_t size)
{
    int64_t end = clock_mono() + PATIENCE;
    size_t len = 0;
    out[0] = '\0';
    while (strstr(out, text) == NULL) {
        assert_true(len + 1 < size);
        ssize_t n = recv(fd, out + len, size - len - 1, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
        assert_true(clock_mono() < end);
        if (n < 0)
            loop_turn(loop, USEC_PER_MSEC);
    }
    return true;
}

bool peer_hears_end(struct loop *loop, int fd)
{
    char drop[4096];
    int64_t end = clock_mono() + PATIENCE;
    while (clock_mono() < end) {
        ssize_t n = recv(fd, drop, sizeof(drop), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        if (n < 0)
            loop_turn(loop, USEC_PER_MSEC);
    }
    return false;
}

void peer_reset(int fd)
{
    struct linger l = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    assert_int_equal(close(fd), 0);
}
