/* In: any bytes on a connection. Out: a request whose parts are what they should be, or a refusal;
 * and the connection's end, whatever came: nothing stays open. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/job_json.h"
#include "api/request.h"
#include "io/http_server.h"
#include "job/export.h"
#include "job/forecast.h"
#include "job/state.h"

#define BODY_MAX ((size_t)4096)
#define QUIET    20   /* turns of a millisecond at most: then no answer is to come */
#define TURNS    5000 /* the same, for a connection that has gone to be noticed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void try_int(const char *text, int64_t min, int64_t max)
{
    int64_t n = min - 1;
    size_t digits = strspn(text, "0123456789");
    bool read = api_read_int(text, min, max, &n);
    must(read == (n >= min && n <= max));
    if (digits > 0 && digits < 10 && text[digits] == '\0') { /* it cannot overflow */
        long long value = strtoll(text, NULL, 10);
        must(read == (value >= min && value <= max) && (!read || n == value));
    }
}

static void try_number(const char *text, double min, double max)
{
    double n = min - 1;
    bool read = api_read_number(text, min, max, &n);
    must(read == (n >= min && n <= max)); /* no NaN either */
}

static void try_id(const char *text)
{
    struct uuid id;
    char shown[UUID_TEXT_SIZE];
    if (uuid_parse(text, strlen(text), &id) == OK)
        must(strcasecmp(uuid_text(&id, shown), text) == 0);
}

static void try_flag(const char *text)
{
    bool flag = false;
    must(api_read_flag(text, &flag) == (strcmp(text, "true") == 0 || strcmp(text, "false") == 0));
    must(flag == (strcmp(text, "true") == 0));
}

static void try_status(const char *text)
{
    enum job_status status = JOB_STATUS_MAX;
    if (job_status_parse(text, &status) == OK)
        must(strcmp(job_status_name(status), text) == 0);
    else
        must(status == JOB_STATUS_MAX);
}

static void try_format(const char *text)
{
    const struct export_format *format = export_find(text, strlen(text));
    must(format == NULL || strcmp(format->name, text) == 0);
}

static void try_tier(const char *text)
{
    struct capacity_limits limits = {0};
    if (forecast_tier(text, &limits))
        must(text[0] != '\0' && strstr(forecast_tiers, text) != NULL);
}

static void try_steps(const char *text)
{
    struct forecast_input in = {0};
    struct errmsg msg;
    if (forecast_read_steps(&in, text, &msg) == OK)
        must(in.n_given > 0 && in.n_given <= FORECAST_STEPS_MAX);
}

static void try_cursor(const char *text)
{
    struct store_filter filter = {.after_at = -1};
    char again[64], shown[UUID_TEXT_SIZE];
    if (job_cursor_parse(text, &filter) != OK) {
        must(filter.after_at == -1 && uuid_is_nil(&filter.after));
        return;
    }
    (void)snprintf(again, sizeof again, ".%s", uuid_text(&filter.after, shown));
    must(filter.after_at >= 0 && strlen(text) > strlen(again));
    must(strcasecmp(text + strlen(text) - strlen(again), again) == 0);
}

/* Text that has a form of its own. */
static const struct {
    const char *name;
    void (*fn)(const char *text);
} texts[] = {
    {"status", try_status}, {"format", try_format},      {"tier", try_tier},
    {"cursor", try_cursor}, {"step_seconds", try_steps},
};

static void try_text(const char *name, const char *text)
{
    size_t i = 0;
    while (i < sizeof texts / sizeof *texts && strcmp(texts[i].name, name) != 0)
        i++;
    must(i < sizeof texts / sizeof *texts); /* a new one belongs above */
    if (text != NULL)
        texts[i].fn(text);
}

static void try_field(const struct http_exchange *x, const struct route_field *field)
{
    const char *text = http_query(x, field->name), *type = field->type;
    if (strcmp(type, "string") == 0) {
        try_text(field->name, text);
    } else if (text == NULL) {
        return;
    } else if (strcmp(type, "integer") == 0) {
        try_int(text, 1, 1000);
        try_int(text, 0, INT64_MAX);
    } else if (strcmp(type, "number") == 0) {
        try_number(text, 0.0001, 1440);
    } else if (strcmp(type, "uuid") == 0) {
        try_id(text);
    } else {
        must(strcmp(type, "boolean") == 0);
        try_flag(text);
    }
}

/* The query as the API reads it: each name of each route, by what the route's table says it is. */
static void read_query(const struct http_exchange *x)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct route_field *field = route_table[i].query;
        for (; field != NULL && field->name != NULL; field++)
            try_field(x, field);
    }
}

static void handle(void *ctx, struct http_exchange *x)
{
    int *open = ctx;
    size_t n = 0;
    struct route_match m;
    (void)http_body(x, &n);
    must(n <= BODY_MAX && http_path(x) != NULL && http_method(x)[0] != '\0');
    must(http_request_header(x, "X-Stranger") == NULL || n == 0);
    route_find(route_table, route_count, http_method(x), http_path(x), &m);
    read_query(x);
    (*open)++;
    http_reply(x, m.route != NULL ? 200 : 404, "text/plain", NULL, "seen", 4);
}

static bool keeps_body(void *ctx, const struct http_exchange *x)
{
    (void)ctx;
    return http_request_header(x, "X-Stranger") == NULL;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) == 0);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    static struct http_server *server;
    static int handled;
    char heard[4096];
    if (server == NULL) {
        struct http_server_config config = {.host = "127.0.0.1",
                                            .max_body = BODY_MAX,
                                            .max_headers = 2048,
                                            .keeps_body = keeps_body};
        must(loop_new(&loop) == OK);
        must(http_server_new(loop, &config, handle, &handled, &server, NULL) == OK);
    }
    int fd = connect_to(http_server_port(server));
    size_t most = size < 65536 ? size : 65536; /* what the socket takes without a reader */
    (void)send(fd, data, most, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    ssize_t heard_n = -1;
    for (int i = 0; i < QUIET && heard_n < 0; i++) {
        loop_turn(loop, 1000);
        heard_n = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
    }
    must(heard_n < 5 || memcmp(heard, "HTTP/", 5) == 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                     sizeof(struct linger));
    (void)close(fd);
    for (int i = 0; i < TURNS && http_server_open(server) > 0; i++)
        loop_turn(loop, 1000);
    must(http_server_open(server) == 0);
    return 0;
}
