/* In: HTTP exchanges. Out: each on its route when it may use it, or refused. */
#include "api/api.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/answer.h"
#include "api/impl.h"
#include "api/metrics.h"
#include "api/request.h"
#include "api/streams.h"
#include "base/mem.h"

#define HOST_MAX                 255
#define CONCURRENT_LIMIT_DEFAULT 3

/* ---- loopback ---- */

static bool address_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool socket_is_loopback(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof a;
    char text[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return false;
    if (a.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&a)->sin_addr, text, sizeof text);
    else if (a.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)&a)->sin6_addr, text,
                        sizeof text);
    return a.ss_family == AF_UNIX || address_is_loopback(text);
}

/* A page of another site can make a browser on this machine ask us under its own name (DNS
 * rebinding); it cannot make the browser say "localhost". */
static bool host_is_local(const char *host)
{
    char name[HOST_MAX + 1];
    bool brackets = host[0] == '[';
    const char *from = host + brackets;
    size_t n = strcspn(from, brackets ? "]" : ":");
    if (n > HOST_MAX || (brackets && from[n] != ']'))
        return false;
    memcpy(name, from, n);
    name[n] = '\0';
    const char *port = from + n + brackets;
    if (*port != '\0' && (*port != ':' || port[1 + strspn(port + 1, "0123456789")] != '\0'))
        return false;
    bool v6 = strchr(name, ':') != NULL;
    return v6 == brackets && (strcasecmp(name, "localhost") == 0 || address_is_loopback(name));
}

/* ---- one request ---- */

static void on_gone(void *ctx, bool complete)
{
    (void)complete;
    api_request_end(ctx);
}

/* Work that is asked for while the process ends would be lost or late. */
static bool refused_by_drain(const struct api_request *rq)
{
    const char *method = rq->match.route->method;
    return rq->api->draining && strcmp(method, "GET") != 0;
}

static void dispatch(struct api_request *rq)
{
    const struct route *route = rq->match.route;
    if (route->access != ROUTE_OPEN) {
        rq->who = auth_check(rq->api->auth, rq->x, loop_wall(rq->api->loop));
        bool user = rq->who.role == ROLE_USER;
        if (rq->who.role == ROLE_NONE || (user && route->access == ROUTE_FUNCTION)) {
            api_answer_error(rq, 401, "Unauthorized", NULL);
            return;
        }
    }
    if (route->access == ROUTE_OPERATOR && rq->who.role != ROLE_OPERATOR)
        api_answer_error(rq, 403, "Forbidden", "this is for the operator");
    else if (refused_by_drain(rq))
        api_answer_error(rq, 503, "Service unavailable", "the server is about to end");
    else
        route->handle(rq);
}

static void on_request(void *ctx, struct http_exchange *x)
{
    struct api *api = ctx;
    struct api_request *rq = api_request_new(api, x);
    http_on_gone(x, on_gone, rq);
    const char *method = http_method(x), *host = http_request_header(x, "Host");
    if (api->local && (host == NULL || !host_is_local(host))) {
        api_answer_error(rq, 403, "Forbidden",
                         "without a configured key this server answers under localhost only");
        return;
    }
    route_find(route_table, route_count, method, http_path(x), &rq->match);
    if (rq->match.allow[0] == '\0')
        api_answer_error(rq, 404, "Not found", "there is no such address; see /openapi.json");
    else if (strcmp(method, "OPTIONS") == 0)
        api_answer_options(rq);
    else if (rq->match.route == NULL)
        api_answer_not_allowed(rq);
    else
        dispatch(rq);
}

/* A stranger is refused whatever the body says: it would only take memory, on each connection. */
static bool keeps_body(void *ctx, const struct http_exchange *x)
{
    const struct api *api = ctx;
    return auth_check(api->auth, x, loop_wall(api->loop)).role != ROLE_NONE;
}

/* ---- life ---- */

static bool has_key(const struct auth_config *config)
{
    return config->service_key != NULL || config->jwt_secret != NULL || config->jwks_url != NULL;
}

static enum err check_reach(const struct api_config *config, struct errmsg *msg)
{
    bool loopback = config->listener > 0 ? socket_is_loopback(config->listener)
                                         : address_is_loopback(config->host);
    if (loopback || has_key(&config->auth))
        return OK;
    return err_set(msg, ERR_INVALID,
                   "%s can be reached from other machines and no key is configured; set "
                   "SCRIPTORIUM_SERVICE_KEY, or listen on 127.0.0.1",
                   config->listener > 0 ? "the given socket" : config->host);
}

static void make_link(struct api *api, const struct api_config *config)
{
    const char *token = auth_operator_token(api->auth), *host = config->host;
    if (token == NULL)
        return;
    bool brackets = strchr(host, ':') != NULL;
    char port[16] = ""; /* a socket that is a path has none */
    if (api_port(api) > 0)
        (void)snprintf(port, sizeof port, ":%u", api_port(api));
    /* A fragment stays in the browser: it is in no request line and in no log. */
    api->link = mem_printf("http://%s%s%s%s/#token=%s", brackets ? "[" : "", host,
                           brackets ? "]" : "", port, token);
}

enum err api_new(struct loop *loop, struct store *store, struct engine *engine,
                 const struct api_config *config, struct api **ret_api, struct errmsg *msg)
{
    struct api *api = mem_alloc(sizeof *api);
    *api = (struct api){.loop = loop,
                        .store = store,
                        .engine = engine,
                        .version = mem_strdup(config->version),
                        .catalog = config->catalog,
                        .limits = config->limits,
                        .local = !has_key(&config->auth),
                        .slots = config->slots,
                        .invoker = config->invoker,
                        .ceiling = {.catalog = config->catalog,
                                    .priority = config->user_priority_max,
                                    .duration_s = config->job_duration_max_s},
                        .shared = config->listener > 0,
                        .started_us = loop_wall(loop),
                        .crew = config->crew,
                        .place = config->place};
    api->metrics = metrics_new(metric_table, METRIC_ID_MAX);
    api_limit(api, config->concurrent_limit);
    struct http_server_config http = {.host = config->host,
                                      .port = config->port,
                                      .listener = config->listener,
                                      .max_connections = config->max_connections,
                                      .keeps_body = keeps_body,
                                      .refusal_body = api_refusal_body,
                                      .refusal_headers = api_refusal_headers()};
    enum err e = check_reach(config, msg);
    if (e == OK)
        e = auth_new(loop, &config->auth, &api->auth, msg);
    if (e == OK)
        e = http_server_new(loop, &http, on_request, api, &api->server, msg);
    if (e != OK) {
        api_free(api);
        return e;
    }
    api->streams = streams_new(api, config->max_streams);
    api_metrics_start(api);
    make_link(api, config);
    *ret_api = api;
    return OK;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    api_metrics_stop(api);
    http_server_free(api->server);
    streams_free(api->streams);
    figures_end(api);
    looks_end(api);
    functions_end(api);
    auth_free(api->auth);
    metrics_free(api->metrics);
    free(api->version);
    free(api->link);
    free(api);
}

uint16_t api_port(const struct api *api)
{
    return http_server_port(api->server);
}

const char *api_operator_link(const struct api *api)
{
    return api->link;
}

size_t api_slots(const struct api *api)
{
    return api->engine != NULL ? engine_slots(api->engine) : api->slots;
}

void api_hears(struct api *api, bool hears)
{
    api->deaf = !hears;
}

size_t api_waiting(const struct api *api)
{
    return api->requests;
}

void api_watch_webhooks(struct api *api, const struct webhooks *webhooks)
{
    api->webhooks = webhooks;
}

void api_limit(struct api *api, int concurrent_limit)
{
    api->concurrent_limit = concurrent_limit > 0 ? concurrent_limit : CONCURRENT_LIMIT_DEFAULT;
    if (api->invoker != NULL)
        invoker_limit(api->invoker, api->concurrent_limit);
}

void api_drain(struct api *api)
{
    api->draining = true;
    streams_drain(api->streams);
    if (api->shared)
        http_server_stop_listening(api->server);
}

enum err api_reload(struct api *api, const struct auth_config *auth, struct errmsg *msg)
{
    if (has_key(auth) == api->local)
        return err_set(msg, ERR_UNSUPPORTED,
                       "the first key, or the last one taken away, needs a restart");
    enum err e = auth_reload(api->auth, auth, msg);
    if (e == OK)
        streams_check_keys(api->streams);
    return e;
}

static void count_event(struct api *api, const struct engine_event *event)
{
    static const struct {
        enum engine_event_kind kind;
        enum metric_job_event as;
    } counted[] = {
        {ENGINE_JOB_CLAIMED, JOB_EVENT_CLAIMED},      {ENGINE_JOB_COMPLETED, JOB_EVENT_COMPLETED},
        {ENGINE_JOB_RETRY, JOB_EVENT_RETRIED},        {ENGINE_JOB_FAILED, JOB_EVENT_FAILED},
        {ENGINE_JOB_RELEASED, JOB_EVENT_HANDED_BACK}, {ENGINE_JOB_LOST, JOB_EVENT_LOST}};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        if (counted[i].kind == event->kind)
            metrics_add(api->metrics, METRIC_JOB_EVENTS, counted[i].as, 1);
    }
    if (event->kind == ENGINE_JOB_FAILED || event->kind == ENGINE_JOB_RETRY)
        metrics_add(api->metrics, METRIC_JOB_FAILURES, event->failure, 1);
    if (event->kind == ENGINE_TROUBLE)
        metrics_add(api->metrics, METRIC_TROUBLES, 0, 1);
}

void api_engine_event(struct api *api, const struct engine_event *event)
{
    count_event(api, event);
    streams_event(api->streams, event);
    if (event->kind == ENGINE_JOB_COMPLETED)
        figures_learn(&api->figures, event->worked_us);
}
