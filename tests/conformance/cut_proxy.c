/* In: a port on this machine. Out: another port that leads there, until it is told to cut. */
#include "cut_proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define PAIRS_MAX 64

struct cut_proxy {
    pid_t pid;
    uint16_t port;
    int control;
};

struct relay {
    int listener, control;
    uint16_t to_port;
    bool swallow, lose;      /* everything; the next piece */
    int pairs[PAIRS_MAX][2]; /* client, server; -1 = free */
};

static struct sockaddr_in local(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void hang_up(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
    pair[0] = pair[1] = -1;
}

static void accept_one(struct relay *r)
{
    struct sockaddr_in to = local(r->to_port);
    int client = accept(r->listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < PAIRS_MAX; i++) {
        if (r->pairs[i][0] != -1)
            continue;
        r->pairs[i][0] = client;
        r->pairs[i][1] = server;
        if (connect(server, (struct sockaddr *)&to, sizeof to) != 0)
            hang_up(r->pairs[i]);
        return;
    }
    close(client);
    close(server);
}

/* False: one side has ended. */
static bool pass_on(struct relay *r, int from, int to, bool answer)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n <= 0)
        return false;
    bool swallow = answer && (r->swallow || r->lose);
    if (r->lose && answer) {
        r->lose = false;
        if (write(r->control, "L", 1) != 1)
            _exit(1);
    }
    for (ssize_t done = 0; done < n && !swallow;) {
        ssize_t w = write(to, bytes + done, (size_t)(n - done));
        if (w <= 0)
            return false;
        done += w;
    }
    return true;
}

static void obey(struct relay *r)
{
    char order;
    if (read(r->control, &order, 1) != 1)
        _exit(0);
    r->swallow = order == 's';
    r->lose = order == 'l';
    for (int i = 0; i < PAIRS_MAX && order == 'c'; i++) {
        if (r->pairs[i][0] != -1)
            hang_up(r->pairs[i]);
    }
    if (write(r->control, &order, 1) != 1)
        _exit(1);
}

static void relay(struct relay *r)
{
    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {{.fd = r->listener, .events = POLLIN},
                                                {.fd = r->control, .events = POLLIN}};
        for (int i = 0; i < PAIRS_MAX; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = r->pairs[i][0], .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = r->pairs[i][1], .events = POLLIN};
        }
        if (poll(fds, 2 + 2 * PAIRS_MAX, -1) < 0)
            _exit(1);
        if (fds[1].revents != 0) {
            obey(r);
            continue; /* the descriptors may be others now */
        }
        for (int i = 0; i < PAIRS_MAX; i++) {
            int *pair = r->pairs[i];
            bool ok = pair[0] == -1 ||
                      ((fds[2 + 2 * i].revents == 0 || pass_on(r, pair[0], pair[1], false)) &&
                       (fds[3 + 2 * i].revents == 0 || pass_on(r, pair[1], pair[0], true)));
            if (!ok)
                hang_up(pair);
        }
        if (fds[0].revents != 0)
            accept_one(r);
    }
}

struct cut_proxy *cut_proxy_start(uint16_t to_port)
{
    struct cut_proxy *p = mem_alloc(sizeof *p);
    struct sockaddr_in at = local(0);
    socklen_t size = sizeof at;
    int control[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0)
        abort();
    p->port = ntohs(at.sin_port);
    p->control = control[0];
    p->pid = fork();
    if (p->pid == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        close(control[0]);
        struct relay r = {.listener = listener, .control = control[1], .to_port = to_port};
        for (int i = 0; i < PAIRS_MAX; i++)
            r.pairs[i][0] = r.pairs[i][1] = -1;
        relay(&r);
    }
    close(listener);
    close(control[1]);
    return p;
}

static void order(struct cut_proxy *p, char what)
{
    if (write(p->control, &what, 1) != 1 || read(p->control, &what, 1) != 1)
        abort();
}

void cut_proxy_swallow(struct cut_proxy *p)
{
    order(p, 's');
}

void cut_proxy_lose_one(struct cut_proxy *p)
{
    order(p, 'l');
}

void cut_proxy_wait_lost(struct cut_proxy *p)
{
    char what;
    if (read(p->control, &what, 1) != 1)
        abort();
}

void cut_proxy_cut(struct cut_proxy *p)
{
    order(p, 'c');
}

uint16_t cut_proxy_port(const struct cut_proxy *p)
{
    return p->port;
}

void cut_proxy_stop(struct cut_proxy *p)
{
    close(p->control);
    (void)waitpid(p->pid, NULL, 0);
    free(p);
}
