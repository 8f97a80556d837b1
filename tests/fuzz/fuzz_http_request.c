/* In: any bytes on a connection. Out: a request whose parts are what they should be, or a refusal;
 * and the connection's end, whatever came: nothing stays open. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/request.h"
#include "io/http_server.h"

#define BODY_MAX ((size_t)4096)
#define QUIET    20   /* turns of a millisecond at most: then no answer is to come */
#define TURNS    5000 /* the same, for a connection that has gone to be noticed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The query as the API reads it. */
static void read_query(const struct http_exchange *x)
{
    const char *limit = http_query(x, "limit"), *cursor = http_query(x, "cursor");
    int64_t n = 0;
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    if (limit != NULL && api_read_int(limit, 1, 1000, &n))
        must(n >= 1 && n <= 1000 && limit[strspn(limit, "0123456789")] == '\0');
    if (cursor != NULL && uuid_parse(cursor, strlen(cursor), &id) == OK)
        must(strlen(uuid_text(&id, text)) == UUID_TEXT_SIZE - 1);
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
