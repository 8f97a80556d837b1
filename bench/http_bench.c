/* In: a daemon's address, a rate, jobs' paths (one a line on stdin), streams of their events to
 * hold open. Out: the latency of GETs at that rate, measured from the moment each was due, so that
 * a daemon that stalls cannot hide what it did not answer; and how much the streams brought. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define PATHS_MAX  10000
#define PATH_MAX_  512
#define READ_BYTES ((size_t)256 * 1024)
#define WARM_UP_US (2 * USEC_PER_SEC)
#define WAIT_MS    1
#define GRACE_US   (10 * USEC_PER_SEC) /* for the last answers */

struct conn {
    int fd;
    bool stream, busy;
    int64_t due_us;
    char head[4096]; /* of the answer, until its length is known */
    size_t head_len;
    size_t left; /* bytes of the body */
    bool in_body;
    struct conn *next_idle;
};

struct bench {
    struct sockaddr_in to;
    const char *key;
    char *paths[PATHS_MAX];
    size_t n_paths, n_conns, n_streams;
    int64_t rate, seconds;
    int epoll;
    struct conn *conns, *idle, **idle_end; /* each in its turn: none rests until it is closed */
    int64_t *latency_us;
    size_t sent, done, failed, wanted;
    uint64_t stream_bytes, streams_cut;
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_http: %s: %s\n", what, why);
    exit(1);
}

/* ---- connections ---- */

static void open_conn(struct bench *b, struct conn *c, bool stream)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&b->to, sizeof b->to) < 0)
        die("connect", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->stream = stream;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll", strerror(errno));
}

static void ask(struct bench *b, struct conn *c, const char *path)
{
    char text[PATH_MAX_ + 4096];
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", path,
                     b->key);
    if (n < 0 || (size_t)n >= sizeof text || write(c->fd, text, (size_t)n) != n)
        die("write", "a request did not fit into an idle connection");
}

static void put_idle(struct bench *b, struct conn *c)
{
    c->busy = false;
    c->head_len = 0;
    c->in_body = false;
    c->next_idle = NULL;
    *b->idle_end = c;
    b->idle_end = &c->next_idle;
}

static void finish(struct bench *b, struct conn *c)
{
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0)
        b->failed++;
    b->latency_us[b->done++] = clock_mono() - c->due_us;
    put_idle(b, c);
}

static void take_head(struct conn *c, const char **bytes, size_t *n)
{
    size_t room = sizeof c->head - 1 - c->head_len, take = *n < room ? *n : room;
    memcpy(c->head + c->head_len, *bytes, take);
    c->head[c->head_len + take] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL && take == room)
        die("answer", "headers without an end");
    size_t used = end == NULL ? take : (size_t)(end + 4 - c->head) - c->head_len;
    c->head_len += used;
    *bytes += used;
    *n -= used;
    if (end == NULL)
        return;
    const char *length = strcasestr(c->head, "\r\nContent-Length:");
    if (length == NULL)
        die("answer", "no Content-Length");
    c->left = strtoul(length + 17, NULL, 10);
    c->in_body = true;
}

static void take(struct bench *b, struct conn *c, const char *bytes, size_t n)
{
    if (c->stream) {
        b->stream_bytes += n;
        return;
    }
    while (c->busy && n > 0) {
        if (!c->in_body)
            take_head(c, &bytes, &n);
        size_t part = c->in_body && n < c->left ? n : c->left;
        if (!c->in_body)
            continue;
        c->left -= part;
        bytes += part;
        n -= part;
        if (c->left == 0)
            finish(b, c);
    }
}

static void on_readable(struct bench *b, struct conn *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = read(c->fd, bytes, sizeof bytes);
    if (n > 0) {
        take(b, c, bytes, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        if (!c->stream)
            die("answer", "the daemon closed a connection");
        b->streams_cut++;
        (void)close(c->fd);
    }
}

/* ---- the run ---- */

static void poll_once(struct bench *b)
{
    struct epoll_event events[256];
    int n = epoll_wait(b->epoll, events, 256, WAIT_MS);
    for (int i = 0; i < n; i++)
        on_readable(b, events[i].data.ptr);
}

static void send_due(struct bench *b, int64_t start_us)
{
    int64_t now = clock_mono();
    while (b->idle != NULL && b->sent < b->wanted) {
        int64_t due = start_us + (int64_t)b->sent * USEC_PER_SEC / b->rate;
        if (due > now)
            return;
        struct conn *c = b->idle;
        b->idle = c->next_idle;
        if (b->idle == NULL)
            b->idle_end = &b->idle;
        c->busy = true;
        c->due_us = due;
        ask(b, c, b->paths[b->sent++ % b->n_paths]);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double at(const struct bench *b, double part)
{
    size_t i = (size_t)(part * (double)b->done);
    return (double)b->latency_us[i < b->done ? i : b->done - 1] / 1000.0;
}

static void print(struct bench *b, int64_t took_us)
{
    qsort(b->latency_us, b->done, sizeof *b->latency_us, by_value);
    printf("GETs: %zu answered of %zu due, %zu not 200, %.0f a second on %zu connections\n",
           b->done, b->wanted, b->failed, (double)b->done * 1e6 / (double)took_us, b->n_conns);
    printf("latency: p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, longest %.1f ms\n",
           at(b, 0.5), at(b, 0.9), at(b, 0.99), at(b, 0.999), at(b, 1));
    if (b->n_streams > 0)
        printf("streams: %zu, of which %" PRIu64 " were cut; %.1f KiB/s together\n", b->n_streams,
               b->streams_cut, (double)b->stream_bytes * 1e6 / (double)took_us / 1024);
    struct bench_out out = {0};
    bench_at_most(&out, "GET /v1/jobs/{id}, p99", at(b, 0.99), "ms", 50);
    bench_at_most(&out, "not answered, or not with 200", (double)(b->wanted - b->done + b->failed),
                  "requests", 0);
    if (b->n_streams > 0)
        bench_at_most(&out, "streams cut", (double)b->streams_cut, "", 0);
}

/* Each follows a job of its own, as a user's page does. */
static void ask_stream(struct bench *b, struct conn *c, size_t i)
{
    char *path = mem_printf("%s/events", b->paths[i % b->n_paths]);
    ask(b, c, path);
    free(path);
}

static void run(struct bench *b)
{
    size_t all = b->n_conns + b->n_streams;
    b->idle_end = &b->idle;
    b->conns = mem_array(all, sizeof *b->conns);
    b->wanted = (size_t)(b->rate * b->seconds);
    b->latency_us = mem_array(b->wanted, sizeof *b->latency_us);
    for (size_t i = 0; i < all; i++) {
        open_conn(b, &b->conns[i], i >= b->n_conns);
        if (i < b->n_conns)
            put_idle(b, &b->conns[i]);
        else
            ask_stream(b, &b->conns[i], i);
    }
    int64_t start = clock_mono() + WARM_UP_US;
    while (clock_mono() < start)
        poll_once(b);
    b->stream_bytes = 0;
    int64_t end = start + b->seconds * USEC_PER_SEC + GRACE_US;
    while (b->done < b->wanted && clock_mono() < end) {
        send_due(b, start);
        poll_once(b);
    }
    print(b, clock_mono() - start);
}

static void read_paths(struct bench *b)
{
    char line[PATH_MAX_];
    while (b->n_paths < PATHS_MAX && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '/')
            b->paths[b->n_paths++] = mem_strdup(line);
    }
    if (b->n_paths == 0)
        die("stdin", "no paths");
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        (void)fprintf(stderr, "usage: bench_http PORT RATE SECONDS CONNECTIONS STREAMS < PATHS; "
                              "the key in SCRIPTORIUM_SERVICE_KEY\n");
        return 2;
    }
    const char *key = getenv("SCRIPTORIUM_SERVICE_KEY");
    struct bench *b = mem_alloc(sizeof *b);
    struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
    *b = (struct bench){.key = key == NULL ? "" : key,
                        .rate = strtol(argv[2], NULL, 10),
                        .seconds = strtol(argv[3], NULL, 10),
                        .n_conns = strtoul(argv[4], NULL, 10),
                        .n_streams = strtoul(argv[5], NULL, 10),
                        .epoll = epoll_create1(EPOLL_CLOEXEC)};
    b->to = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (b->rate <= 0 || b->seconds <= 0 || b->n_conns == 0)
        die("usage", "rate, seconds and connections are numbers above 0");
    (void)setrlimit(RLIMIT_NOFILE, &files);
    read_paths(b);
    run(b);
    return b->done == b->wanted && b->failed == 0 ? 0 : 1;
}
