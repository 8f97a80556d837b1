/* In: requests under /sim/. Out: the truth ledger, the state, orders for faults. */
#include <stdlib.h>
#include <string.h>

#include "provider/sim/sim_core.h"
#include "provider/sim/sim_request.h"

#define LEDGER_PAGE 100000
#define STATE_MAX   ((size_t)512 << 20)
#define ORDERS_MAX  ((size_t)1 << 20)

static void reply_text(struct http_exchange *x, int status, const char *type, const char *text)
{
    http_reply(x, status, type, NULL, text, strlen(text));
}

static void reply_problem(struct http_exchange *x, int status, const char *message)
{
    char *body = sim_error_body(sim_error_type(status), message, NULL, NULL);
    reply_text(x, status, "application/json", body);
    free(body);
}

static uint64_t query_number(const struct http_exchange *x, const char *name, uint64_t fallback)
{
    const char *text = http_query(x, name);
    return text != NULL && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : fallback;
}

/* A JSON array, or one object a line when ?after=N says where the reader stands. */
static void get_ledger(struct sim *sim, struct http_exchange *x)
{
    bool lines = http_query(x, "after") != NULL;
    uint64_t limit = query_number(x, "limit", LEDGER_PAGE);
    struct buf out = BUF_INIT(STATE_MAX);
    truth_put(sim->truth, query_number(x, "after", 0), limit < LEDGER_PAGE ? limit : LEDGER_PAGE,
              lines, sim->seed, &out);
    http_reply(x, 200, lines ? "application/x-ndjson" : "application/json", NULL, buf_str(&out),
               out.len);
    buf_free(&out);
}

static void get_state(struct sim *sim, struct http_exchange *x)
{
    struct truth_sums s = truth_sum(sim->truth);
    json_t *state = json_pack(
        "{s:I, s:f, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "seed", (json_int_t)sim->seed,
        "speed", sim->latency.speed, "ledger", "requests", (json_int_t)s.requests, "completed",
        (json_int_t)s.completed, "aborted", (json_int_t)s.aborted, "refused", (json_int_t)s.refused,
        "running", (json_int_t)s.running, "billed_input_tokens", (json_int_t)s.input_tokens,
        "billed_output_tokens", (json_int_t)s.output_tokens, "limits",
        limits_state(sim->limits, loop_now(sim->loop)));
    char *text = json_text(state);
    reply_text(x, 200, "application/json", text);
    free(text);
    json_decref(state);
}

void sim_set_speed(struct sim *sim, double speed)
{
    sim->latency.speed = speed;
    sim->limits_config.speed = speed;
    limits_free(sim->limits);
    sim->limits = limits_new(&sim->limits_config);
}

static void set_limits(struct sim *sim, const json_t *settings)
{
    static const char *const names[LIMITS_FAMILY_MAX] = {
        [LIMITS_REQUESTS] = "rpm", [LIMITS_INPUT] = "itpm", [LIMITS_OUTPUT] = "otpm"};
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++)
        sim->limits_config.per_minute[f] =
            json_int(settings, names[f], sim->limits_config.per_minute[f]);
}

/* Full buckets, an empty ledger, no faults; {"seed": N, "speed": X, "rpm": N, ...} where they
 * change. */
static void post_reset(struct sim *sim, struct http_exchange *x)
{
    size_t n;
    const char *body = http_body(x, &n);
    json_t *settings = NULL;
    struct errmsg msg = {{0}};
    if (n > 0 && json_parse(body, n, ORDERS_MAX, &settings, &msg) != OK) {
        reply_problem(x, 400, msg.text);
        return;
    }
    double speed = json_num(settings, "speed", sim->latency.speed);
    if (speed < 0.01) {
        reply_problem(x, 400, "speed: at least 0.01");
    } else {
        sim->seed = (uint64_t)json_int(settings, "seed", (int64_t)sim->seed);
        set_limits(sim, settings);
        sim_set_speed(sim, speed);
        truth_reset(sim->truth);
        fates_reset(sim->fates);
        reply_text(x, 200, "application/json", "{\"reset\":true}");
    }
    json_decref(settings);
}

enum err sim_order_faults(struct sim *sim, const char *json, size_t n, struct errmsg *msg)
{
    json_t *orders = NULL;
    enum err e = json_parse(json, n, ORDERS_MAX, &orders, msg);
    if (e == OK)
        e = fates_order(sim->fates, orders, msg);
    json_decref(orders);
    return e;
}

static void post_faults(struct sim *sim, struct http_exchange *x)
{
    size_t n;
    const char *body = http_body(x, &n);
    struct errmsg msg = {{0}};
    if (sim_order_faults(sim, body, n, &msg) != OK)
        reply_problem(x, 400, msg.text);
    else
        reply_text(x, 200, "application/json", "{\"ordered\":true}");
}

/* Anyone on this machine may look; from elsewhere it takes the key. */
static bool may_control(const struct sim *sim, const struct http_exchange *x)
{
    struct sim_headers headers = {.api_key = http_request_header(x, "x-api-key"),
                                  .authorization = http_request_header(x, "authorization")};
    struct sim_refusal refusal;
    return sim->loopback ||
           (sim->api_key != NULL && sim_auth_check(&headers, sim->api_key, &refusal));
}

void sim_control_handle(struct sim *sim, struct http_exchange *x)
{
    static const struct {
        const char *method, *path;
        void (*fn)(struct sim *sim, struct http_exchange *x);
    } routes[] = {{"GET", "/sim/ledger", get_ledger},
                  {"GET", "/sim/state", get_state},
                  {"POST", "/sim/reset", post_reset},
                  {"POST", "/sim/faults", post_faults}};
    if (!may_control(sim, x)) {
        reply_problem(x, 401, "/sim needs the API key when it is not served on loopback");
        return;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(http_path(x), routes[i].path) == 0 &&
            strcmp(http_method(x), routes[i].method) == 0) {
            routes[i].fn(sim, x);
            return;
        }
    }
    reply_problem(x, 404, "Not found");
}
