/* In: HTTP requests. Out: the Messages API's answers to them: who may ask, what is asked, what
 * becomes of it; sim_stream.c then speaks. */
#include "provider/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/sim/sim_core.h"
#include "provider/sim/sim_request.h"

#define CONNECTIONS_MAX 16384u
#define BODY_TIMEOUT_US (60 * USEC_PER_SEC) /* 32 MB take a while */
#define BODY_SLACK      ((size_t)1 << 20) /* past the maximum, so that the refusal is ours, in full */
#define SCRATCH_MAX     ((size_t)64 << 20)
#define MODELS_PAGE     20
#define MODELS_PAGE_MAX 1000

static void refuse(struct sim *sim, struct http_exchange *x, uint64_t n,
                   const struct sim_refusal *refusal)
{
    struct truth_entry *e = truth_find(sim->truth, n);
    if (e != NULL) {
        e->status = refusal->status;
        e->ended_us = loop_wall(sim->loop);
    }
    struct sim_error error = {.status = refusal->status,
                              .type = refusal->type,
                              .message = refusal->message,
                              .retry_after_s = -1,
                              .should_retry = -1};
    sim_reply_error(sim, x, n, &error, NULL, NULL);
}

static struct sim_headers headers_of(const struct http_exchange *x)
{
    return (struct sim_headers){.api_key = http_request_header(x, "x-api-key"),
                                .authorization = http_request_header(x, "authorization"),
                                .version = http_request_header(x, "anthropic-version")};
}

/* ---- POST /v1/messages ---- */

static void end_entry(struct sim *sim, uint64_t n, int status)
{
    struct truth_entry *e = truth_find(sim->truth, n);
    e->status = status;
    e->ended_us = loop_wall(sim->loop);
}

/* Faults that are a plain HTTP answer. False: the fate is another. */
static bool fail_at_once(struct sim *sim, struct http_exchange *x, uint64_t n,
                         const struct model *model, const struct fate *fate, bool stream)
{
    struct sim_error error = {
        .retry_after_s = fate->retry_after_s < 0 ? -1 : fate->retry_after_s / sim->latency.speed,
        .should_retry = fate->should_retry};
    switch (fate->fault) {
    case FAULT_429:
        error.status = 429;
        error.message = "This request would exceed your organization's rate limit.";
        break;
    case FAULT_RAMP:
        error.status = 429;
        error.message = "Your usage has risen too fast; please increase it gradually.";
        error.code = "ramp_limit_exceeded";
        break;
    case FAULT_SPEND:
        error.status = 429;
        error.message = "Your organization has reached its spend limit.";
        error.code = "enforced_spend_limit_reached";
        break;
    case FAULT_500:
        error.status = 500;
        error.message = "Internal server error";
        break;
    case FAULT_529_STREAM:
        if (stream)
            return false;
        __attribute__((fallthrough));
    case FAULT_529:
        error.status = 529;
        error.message = "Overloaded";
        break;
    default:
        return false;
    }
    end_entry(sim, n, error.status);
    sim_reply_error(sim, x, n, &error, error.status == 429 ? model->rate_class : NULL, NULL);
    return true;
}

/* Takes a request and its input from the buckets, or refuses it. */
static bool admit(struct sim *sim, struct http_exchange *x, uint64_t n, const struct sim_message *m)
{
    static const char *const units[LIMITS_FAMILY_MAX] = {[LIMITS_REQUESTS] = "requests",
                                                         [LIMITS_INPUT] = "input tokens",
                                                         [LIMITS_OUTPUT] = "output tokens"};
    struct limits_refusal refused;
    if (limits_admit(sim->limits, m->model->rate_class, m->input_tokens, loop_now(sim->loop),
                     &refused))
        return true;
    char message[160];
    snprintf(message, sizeof(message),
             "This request would exceed your organization's rate limit of %s per minute.",
             units[refused.family]);
    struct sim_error error = {.status = 429,
                              .message = message,
                              .retry_after_s = (double)refused.wait_us / 1e6,
                              .should_retry = -1};
    end_entry(sim, n, 429);
    sim_reply_error(sim, x, n, &error, m->model->rate_class, &refused);
    return false;
}

static void answer(struct sim *sim, struct http_exchange *x, uint64_t n,
                   const struct sim_message *m)
{
    struct errmsg msg = {{0}};
    struct sim_answering a = {
        .n = n, .model = m->model, .stream = m->stream, .input_tokens = m->input_tokens};
    if (fates_next(sim->fates, http_request_header(x, "x-sim-fault"), &a.fate, &msg) != OK) {
        struct sim_refusal refusal = {.status = 400, .type = sim_error_type(400)};
        snprintf(refusal.message, sizeof(refusal.message), "%.300s", msg.text);
        refuse(sim, x, n, &refusal);
        return;
    }
    truth_find(sim->truth, n)->fault = fault_name(a.fate.fault);
    if (fail_at_once(sim, x, n, m->model, &a.fate, m->stream) || !admit(sim, x, n, m))
        return;
    sim_answer_make(m, sim->seed ^ m->hash, &a.answer);
    sim_stream_start(sim, x, &a);
}

static void post_messages(struct sim *sim, struct http_exchange *x)
{
    struct truth_entry *e = truth_begin(sim->truth, loop_wall(sim->loop));
    const char *call = http_request_header(x, "x-scriptorium-call");
    snprintf(e->call, sizeof(e->call), "%s", call ? call : "");
    struct sim_headers headers = headers_of(x);
    struct sim_refusal refusal;
    struct sim_message m = {0};
    size_t len;
    const char *body = http_body(x, &len);
    uint64_t n = e->n;
    if (!sim_auth_check(&headers, sim->api_key, &refusal) ||
        !sim_request_read(sim->catalog, &headers, body, len, false, &m, &refusal)) {
        refuse(sim, x, n, &refusal);
        return;
    }
    e->model = m.model->id;
    e->stream = m.stream;
    e->input_tokens = m.input_tokens;
    answer(sim, x, n, &m);
    sim_message_free(&m);
}

/* ---- the other routes; the caller is known ---- */

static void post_count_tokens(struct sim *sim, struct http_exchange *x)
{
    struct sim_headers headers = headers_of(x);
    struct sim_refusal refusal;
    struct sim_message m = {0};
    size_t len;
    const char *body = http_body(x, &len);
    if (!sim_request_read(sim->catalog, &headers, body, len, true, &m, &refusal)) {
        refuse(sim, x, 0, &refusal);
        return;
    }
    char text[64];
    int n = snprintf(text, sizeof(text), "{\"input_tokens\":%lld}", (long long)m.input_tokens);
    sim_reply_json(sim, x, 0, NULL, text, (size_t)n);
    sim_message_free(&m);
}

static json_t *model_json(const struct model *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "type", "model", "id", m->id, "display_name",
                     m->name, "created_at", "2026-01-01T00:00:00Z", "max_input_tokens",
                     (json_int_t)m->context_tokens, "max_tokens", (json_int_t)m->max_output_tokens);
}

static void reply_value(struct sim *sim, struct http_exchange *x, json_t *value)
{
    char *text = json_text(value);
    sim_reply_json(sim, x, 0, NULL, text, strlen(text));
    free(text);
    json_decref(value);
}

/* The catalogue in pages: ?limit=, ?after_id=. */
static void get_models(struct sim *sim, struct http_exchange *x)
{
    const char *limit_text = http_query(x, "limit"), *after = http_query(x, "after_id");
    long limit = limit_text ? strtol(limit_text, NULL, 10) : MODELS_PAGE;
    if (limit < 1 || limit > MODELS_PAGE_MAX) {
        struct sim_refusal refusal = {
            .status = 400, .type = sim_error_type(400), .message = "limit: 1 to 1000"};
        refuse(sim, x, 0, &refusal);
        return;
    }
    json_t *data = json_array();
    const struct model *m;
    size_t i = 0;
    if (after != NULL) {
        while ((m = catalog_at(sim->catalog, i)) != NULL && strcmp(m->id, after) != 0)
            i++;
        i += m != NULL;
    }
    for (; (m = catalog_at(sim->catalog, i)) != NULL && (long)json_array_size(data) < limit; i++)
        json_array_append_new(data, model_json(m));
    size_t n = json_array_size(data);
    const char *first = json_str(json_array_get(data, 0), "id");
    const char *last = n > 0 ? json_str(json_array_get(data, n - 1), "id") : NULL;
    json_t *page =
        json_pack("{s:b, s:s?, s:s?}", "has_more", m != NULL, "first_id", first, "last_id", last);
    json_object_set_new(page, "data", data);
    reply_value(sim, x, page);
}

static void get_model(struct sim *sim, struct http_exchange *x)
{
    const char *id = http_path(x) + strlen("/v1/models/");
    const struct model *m = sim_model(sim->catalog, id);
    if (m != NULL) {
        reply_value(sim, x, model_json(m));
        return;
    }
    struct sim_refusal refusal = {.status = 404, .type = sim_error_type(404)};
    snprintf(refusal.message, sizeof(refusal.message), "model: %.200s", id);
    refuse(sim, x, 0, &refusal);
}

static void handle_api(struct sim *sim, struct http_exchange *x)
{
    const char *path = http_path(x), *method = http_method(x);
    bool post = strcmp(method, "POST") == 0, get = strcmp(method, "GET") == 0;
    struct sim_headers headers = headers_of(x);
    struct sim_refusal refusal;
    if (post && strcmp(path, "/v1/messages") == 0) {
        post_messages(sim, x);
        return;
    }
    if (!sim_auth_check(&headers, sim->api_key, &refusal)) {
        refuse(sim, x, 0, &refusal);
    } else if (post && strcmp(path, "/v1/messages/count_tokens") == 0) {
        post_count_tokens(sim, x);
    } else if (get && strcmp(path, "/v1/models") == 0) {
        get_models(sim, x);
    } else if (get && strncmp(path, "/v1/models/", strlen("/v1/models/")) == 0) {
        get_model(sim, x);
    } else {
        refusal = (struct sim_refusal){
            .status = 404, .type = sim_error_type(404), .message = "Not found"};
        refuse(sim, x, 0, &refusal);
    }
}

static void handle(void *ctx, struct http_exchange *x)
{
    struct sim *sim = ctx;
    if (strncmp(http_path(x), "/sim/", 5) == 0)
        sim_control_handle(sim, x);
    else
        handle_api(sim, x);
}

/* ---- its life ---- */

static char *refusal_body(void *ctx, int status)
{
    (void)ctx;
    return sim_error_body(sim_error_type(status),
                          status == 413 ? "Request exceeds the maximum size" : "Invalid request",
                          NULL, NULL);
}

static double or_else(double given, double fallback)
{
    return given > 0 ? given : fallback;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static struct sim *sim_alloc(struct loop *loop, const struct sim_config *config)
{
    struct sim *sim = mem_alloc(sizeof(*sim));
    sim->loop = loop;
    sim->catalog = config->catalog;
    sim->api_key = mem_strdup(config->api_key);
    sim->loopback = is_loopback(config->host);
    sim->seed = config->seed;
    sim->latency = (struct latency_config){.ttft_median_s = or_else(config->ttft_median_s, 0.94),
                                           .ttft_p95_s = or_else(config->ttft_p95_s, 2.9),
                                           .tps_median = or_else(config->tps_median, 80),
                                           .tps_cv = or_else(config->tps_cv, 0.25),
                                           .speed = config->speed};
    sim->limits_config = (struct limits_config){.per_minute = {[LIMITS_REQUESTS] = config->rpm,
                                                               [LIMITS_INPUT] = config->itpm,
                                                               [LIMITS_OUTPUT] = config->otpm},
                                                .burst_us = config->burst_us,
                                                .speed = config->speed};
    sim->limits = limits_new(&sim->limits_config);
    sim->truth = truth_new();
    sim->fates = fates_new();
    sim->scratch = BUF_INIT(SCRATCH_MAX);
    return sim;
}

enum err sim_new(struct loop *loop, const struct sim_config *config, struct sim **ret_sim,
                 struct errmsg *msg)
{
    if (!(config->speed >= 0.01))
        return err_set(msg, ERR_INVALID, "the simulator's speed must be at least 0.01");
    struct sim *sim = sim_alloc(loop, config);
    struct http_server_config server = {.host = config->host,
                                        .port = config->port,
                                        .max_body = SIM_BODY_MAX + BODY_SLACK,
                                        .header_timeout_us = BODY_TIMEOUT_US,
                                        .max_connections = CONNECTIONS_MAX,
                                        .refusal_body = refusal_body};
    enum err e = http_server_new(loop, &server, handle, sim, &sim->server, msg);
    if (e != OK) {
        sim_free(sim);
        return e;
    }
    bool v6 = strchr(config->host, ':') != NULL;
    sim->url = mem_printf("http://%s%s%s:%u", v6 ? "[" : "", config->host, v6 ? "]" : "",
                          http_server_port(sim->server));
    *ret_sim = sim;
    return OK;
}

void sim_free(struct sim *sim)
{
    if (sim == NULL)
        return;
    http_server_free(sim->server);
    sim_stream_free_all(sim);
    limits_free(sim->limits);
    truth_free(sim->truth);
    fates_free(sim->fates);
    buf_free(&sim->scratch);
    free(sim->api_key);
    free(sim->url);
    free(sim);
}

const char *sim_url(const struct sim *sim)
{
    return sim->url;
}
