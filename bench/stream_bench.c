/* In: how many streams, how often an event comes. Out: what one paced model stream costs this
 * process: microseconds of CPU per event, kilobytes of memory per stream. The source of the events
 * is a child process; only the reading side is measured. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/loop.h"
#include "provider/provider.h"

#define WARM_UP_US (2 * USEC_PER_SEC)

/* ---- the source: one event per stream and interval, until it is killed ---- */

struct source {
    struct loop *loop;
    int64_t interval_us;
};

struct stream {
    struct source *source;
    struct http_exchange *x;
    struct loop_timer timer;
};

static void source_event(void *ctx)
{
    static const char event[] =
        "event: content_block_delta\n"
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
        "\"text\":\"four or five tokens of \"}}\n\n";
    struct stream *s = ctx;
    timer_set(s->source->loop, &s->timer, loop_now(s->source->loop) + s->source->interval_us,
              source_event, s);
    if (http_stream_write(s->x, event, sizeof event - 1) != OK)
        timer_stop(s->source->loop, &s->timer);
}

static void source_gone(void *ctx, bool complete)
{
    struct stream *s = ctx;
    (void)complete;
    timer_stop(s->source->loop, &s->timer);
    free(s);
}

static void source_request(void *ctx, struct http_exchange *x)
{
    static const char start[] =
        "event: message_start\n"
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"bench\",\"content\":[],\"stop_reason\":null,"
        "\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n"
        "event: content_block_start\n"
        "data: {\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    struct source *source = ctx;
    struct stream *s = mem_alloc(sizeof *s);
    s->source = source;
    s->x = x;
    http_on_gone(x, source_gone, s);
    http_stream_begin(x, 200, "text/event-stream", NULL);
    if (http_stream_write(x, start, sizeof start - 1) == OK)
        timer_set(source->loop, &s->timer, loop_now(source->loop) + source->interval_us,
                  source_event, s);
}

static void run_source(int64_t interval_us, int port_fd)
{
    struct source source = {.interval_us = interval_us};
    struct http_server *server = NULL;
    struct errmsg msg = {0};
    struct http_server_config config = {.host = "127.0.0.1", .max_connections = 20000};
    if (loop_new(&source.loop) != OK ||
        http_server_new(source.loop, &config, source_request, &source, &server, &msg) != OK) {
        (void)fprintf(stderr, "source: %s\n", msg.text);
        _exit(1);
    }
    uint16_t port = http_server_port(server);
    if (write(port_fd, &port, sizeof port) != sizeof port)
        _exit(1);
    loop_run(source.loop);
    _exit(0);
}

/* ---- the reading side ---- */

struct bench {
    struct loop *loop;
    struct provider *provider;
    struct bench_out *out;
    struct model model;
    int streams, started, ended;
    int64_t seconds;
    uint64_t events;
    struct loop_timer timer;
    int64_t start_us;
    /* at the start of the measured time */
    uint64_t events0;
    double cpu0;
    long rss0;
};

static double cpu_seconds(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL) {
        if (fscanf(f, "%*d %ld", &pages) != 1)
            pages = 0;
        (void)fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void on_text(void *ctx, const char *text, size_t n)
{
    struct bench *b = ctx;
    (void)text;
    (void)n;
    b->events++;
}

static void on_start(void *ctx, const struct provider_begin *begin)
{
    struct bench *b = ctx;
    (void)begin;
    b->started++;
}

static void on_end(void *ctx, const struct provider_end *end)
{
    struct bench *b = ctx;
    if (b->ended++ == 0)
        (void)fprintf(stderr, "a stream ended: %s\n", end->error);
}

static void measured(void *ctx)
{
    struct bench *b = ctx;
    double cpu = cpu_seconds() - b->cpu0;
    double wall = (double)(clock_mono() - b->start_us) / 1e6;
    uint64_t events = b->events - b->events0;
    bench_at_most(b->out, "streams that ended early", b->ended, "", 0);
    bench_figure(b->out, "events", (double)events / wall, "a second");
    bench_at_most(b->out, "CPU", cpu * 1e6 / (double)events, "us an event", 12);
    bench_figure(b->out, "CPU of one core", cpu * 100 / wall, "%");
    bench_at_most(b->out, "memory", (double)(rss_kib() - b->rss0) / b->streams, "KiB a stream", 60);
    loop_stop(b->loop);
}

static void warmed_up(void *ctx)
{
    struct bench *b = ctx;
    if (b->started < b->streams && b->ended == 0) {
        timer_set(b->loop, &b->timer, loop_now(b->loop) + 100 * USEC_PER_MSEC, warmed_up, b);
        return;
    }
    b->events0 = b->events;
    b->cpu0 = cpu_seconds();
    b->start_us = clock_mono();
    timer_set(b->loop, &b->timer, loop_now(b->loop) + b->seconds * USEC_PER_SEC, measured, b);
}

static int run_reader(struct bench *b, uint16_t port, int64_t tick_us)
{
    static const struct provider_handlers handlers = {on_start, on_text, on_end};
    char url[64];
    struct errmsg msg = {0};
    struct http_client *http = NULL;
    struct http_client_config http_config = {.max_connections = 20000};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    struct messages_config config = {.base_url = url, .api_key = "k", .read_tick_us = tick_us};
    if (loop_new(&b->loop) != OK || http_client_new(b->loop, &http_config, &http, &msg) != OK ||
        provider_messages_new(b->loop, http, &config, &b->provider, &msg) != OK) {
        (void)fprintf(stderr, "reader: %s\n", msg.text);
        return 1;
    }
    b->model = (struct model){.id = "bench",
                              .rate_class = "bench",
                              .api_version = "2023-06-01",
                              .context_tokens = 200000,
                              .max_output_tokens = 8192};
    b->rss0 = rss_kib();
    struct provider_request request = {.model = &b->model, .user = "hello", .max_tokens = 8192};
    for (int i = 0; i < b->streams; i++)
        (void)provider_start(b->provider, &request, &handlers, b);
    timer_set(b->loop, &b->timer, loop_now(b->loop) + WARM_UP_US, warmed_up, b);
    loop_run(b->loop);
    provider_free(b->provider);
    http_client_free(http);
    loop_free(b->loop);
    return b->ended == 0 && b->started == b->streams ? 0 : 1;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int bench_streams(struct bench_out *out, int argc, char **argv)
{
    int streams = (int)bench_number(argc, argv, 0, 1000, 20000);
    int interval_ms = (int)bench_number(argc, argv, 1, 50, 60000);
    int tick_ms = (int)bench_number(argc, argv, 2, 0, 60000);
    int seconds = (int)bench_number(argc, argv, 3, 10, 3600);
    int fds[2];
    if (streams < 1 || interval_ms < 1 || tick_ms < 0 || seconds < 1 || argc > 4) {
        (void)fprintf(stderr, "streams takes: [STREAMS] [INTERVAL_MS] [TICK_MS, 0 = the default] "
                              "[SECONDS]\n");
        return 2;
    }
    if (pipe(fds) != 0)
        return 1;
    raise_file_limit();
    pid_t child = fork();
    if (child == 0)
        run_source(interval_ms * USEC_PER_MSEC, fds[1]);
    uint16_t port = 0;
    if (child < 0 || read(fds[0], &port, sizeof port) != sizeof port)
        return 1;
    char *conditions =
        mem_printf("%d streams, one event per %d ms each, read tick %d ms%s", streams, interval_ms,
                   tick_ms, tick_ms == 0 ? " (the default)" : "");
    bench_begin(out, "streams", conditions);
    free(conditions);
    struct bench b = {.out = out, .streams = streams, .seconds = seconds};
    int status = run_reader(&b, port, tick_ms * USEC_PER_MSEC);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
    bench_end(out);
    return status;
}
