/* In: real HTTP to a simulator in this process. Out: are its answers, faults, limits and truth
 * ledger as promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "provider/sim/sim.h"
#include "text/json.h"

#define BODY_MAX    ((size_t)16 << 20)
#define DEADLINE_US (20 * USEC_PER_SEC)

static const char models[] = "default: claude-new-5-5\n"
                             "models:\n"
                             "  - id: claude-new-5-5\n    name: New\n    rate_class: new\n"
                             "    api_version: \"2026-10-21\"\n    sampling: false\n"
                             "    schema: true\n    context_tokens: 100000\n"
                             "    max_output_tokens: 8000\n"
                             "    prices:\n      - input: 1\n        output: 2\n";

struct rig {
    struct loop *loop;
    struct catalog *catalog;
    struct sim *sim;
    struct http_client *http;
};

static struct rig rig_up(const struct sim_config *change)
{
    struct rig r = {0};
    struct errmsg msg = {{0}};
    struct sim_config config = *change;
    config.host = "127.0.0.1";
    config.seed = 7;
    config.speed = config.speed > 0 ? config.speed : 200;
    assert_int_equal(loop_new(&r.loop), OK);
    assert_int_equal(catalog_parse(models, sizeof(models) - 1, "m", &r.catalog, &msg), OK);
    config.catalog = r.catalog;
    if (sim_new(r.loop, &config, &r.sim, &msg) != OK)
        fail_msg("%s", msg.text);
    struct http_client_config client = {.user_agent = "test"};
    assert_int_equal(http_client_new(r.loop, &client, &r.http, &msg), OK);
    return r;
}

static void rig_down(struct rig *r)
{
    http_client_free(r->http);
    sim_free(r->sim);
    loop_turn(r->loop, 0);
    loop_free(r->loop);
    catalog_free(r->catalog);
}

struct got { /* one call and what came of it */
    struct http_call *call;
    struct buf body;
    int status;
    char retry_after[32], request_id[64];
    bool done;
    enum err err;
};

static void on_headers(void *ctx, struct http_call *call, int status)
{
    struct got *g = ctx;
    const char *retry_after = http_header(call, "retry-after");
    const char *request_id = http_header(call, "request-id");
    g->status = status;
    snprintf(g->retry_after, sizeof(g->retry_after), "%s", retry_after ? retry_after : "");
    snprintf(g->request_id, sizeof(g->request_id), "%s", request_id ? request_id : "");
}

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct got *g = ctx;
    buf_put(&g->body, bytes, n);
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct got *g = ctx;
    g->err = end->err;
    g->done = true;
}

/* `got` must live until the call is over. */
static void start(struct rig *r, const char *method, const char *path, const char *header,
                  const char *body, struct got *got)
{
    static const struct http_handlers handlers = {on_headers, on_body, on_end};
    const char *headers[] = {"x-api-key: k", "anthropic-version: 2026-10-21",
                             "x-scriptorium-call: call-1", header, NULL};
    char *url = mem_printf("%s%s", sim_url(r->sim), path);
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .body = body,
                                   .body_len = body ? strlen(body) : 0};
    *got = (struct got){.body = BUF_INIT(BODY_MAX)};
    got->call = http_start(r->http, &request, &handlers, got);
    free(url);
}

static void until(struct rig *r, const bool *done)
{
    int64_t deadline = loop_now(r->loop) + DEADLINE_US;
    while (!*done) {
        loop_turn(r->loop, USEC_PER_SEC);
        if (loop_now(r->loop) > deadline)
            fail_msg("waited in vain");
    }
}

static struct got ask(struct rig *r, const char *method, const char *path, const char *header,
                      const char *body)
{
    struct got *g = mem_alloc(sizeof(*g)), copy;
    start(r, method, path, header, body, g);
    until(r, &g->done);
    copy = *g;
    free(g);
    return copy;
}

static json_t *ask_json(struct rig *r, const char *method, const char *path, const char *body)
{
    struct got g = ask(r, method, path, NULL, body);
    json_t *json = NULL;
    if (g.status != 200)
        fail_msg("%s: %d %s", path, g.status, buf_str(&g.body));
    assert_int_equal(json_parse(g.body.data, g.body.len, BODY_MAX, &json, NULL), OK);
    buf_free(&g.body);
    return json;
}

/* Waits until the ledger has seen `want` requests. */
static void arrived(struct rig *r, size_t want)
{
    int64_t deadline = loop_now(r->loop) + DEADLINE_US;
    for (size_t n = 0; n < want;) {
        json_t *list = ask_json(r, "GET", "/sim/ledger", NULL);
        n = json_array_size(list);
        json_decref(list);
        if (loop_now(r->loop) > deadline)
            fail_msg("only %zu requests arrived", n);
    }
}

/* Waits for the end of entry number `i` (from 0). Owned. */
static json_t *truth_at(struct rig *r, size_t i)
{
    int64_t deadline = loop_now(r->loop) + DEADLINE_US;
    for (;;) {
        json_t *list = ask_json(r, "GET", "/sim/ledger", NULL);
        json_t *e = json_array_get(list, i);
        if (e != NULL && !json_flag(e, "running", true)) {
            json_incref(e);
            json_decref(list);
            return e;
        }
        json_decref(list);
        if (loop_now(r->loop) > deadline)
            fail_msg("entry %zu never ended", i);
    }
}

#define STREAM                                                                                     \
    "{\"model\":\"claude-new-5-5\",\"max_tokens\":300,\"stream\":true,"                            \
    "\"messages\":[{\"role\":\"user\",\"content\":\"How do tides work?\"}]}"
#define WHOLE                                                                                      \
    "{\"model\":\"claude-new-5-5\",\"max_tokens\":300,"                                            \
    "\"messages\":[{\"role\":\"user\",\"content\":\"How do tides work?\"}]}"

static int occurrences(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void a_stream_is_delivered_and_recorded_to_the_token(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){0});
    struct got g = ask(&r, "POST", "/v1/messages", NULL, STREAM);
    assert_int_equal(g.err, OK);
    assert_int_equal(g.status, 200);
    assert_int_equal(occurrences(g.body.data, "event: message_stop\n"), 1);
    json_t *e = truth_at(&r, 0);
    assert_string_equal(json_str(e, "call"), "call-1");
    assert_string_equal(json_str(e, "request_id"), g.request_id);
    assert_true(json_flag(e, "completed", false));
    int64_t tokens = json_int(e, "generated_tokens", 0);
    assert_true(tokens > 0);
    assert_int_equal(json_int(e, "delivered_tokens", 0), tokens);
    char *usage = mem_printf("\"output_tokens\":%lld}}\n\nevent: message_stop", (long long)tokens);
    assert_non_null(strstr(g.body.data, usage));
    free(usage);
    json_decref(e);
    buf_free(&g.body);
    rig_down(&r);
}

struct fault_case {
    const char *fault;
    int status;
    bool body_ends; /* the answer ends in good order */
    int stops;      /* message_stop events */
    const char *says;
    int generated; /* -1 = all of it */
};

static void each_fault_does_what_it_says(void **state)
{
    (void)state;
    static const struct fault_case cases[] = {
        {"429;retry_after=400", 429, true, 0, "rate_limit_error", 0},
        {"ramp", 429, true, 0, "ramp_limit_exceeded", 0},
        {"spend", 429, true, 0, "enforced_spend_limit_reached", 0},
        {"500", 500, true, 0, "api_error", 0},
        {"529", 529, true, 0, "overloaded_error", 0},
        {"529-stream", 200, true, 0, "event: error\ndata: {\"type\":\"error\"", 0},
        {"error;after_tokens=40", 200, true, 0, "event: error\n", 40},
        {"cut;after_tokens=40", 200, false, 0, "text_delta", 40},
        {"fin;after_tokens=40", 200, true, 0, "text_delta", 40},
        {"no-message-stop;after_tokens=40", 200, true, 0, "\"stop_reason\":\"end_turn\"", 40},
        {"rst;after_tokens=40", 200, false, 0, "caf\xC3", 40},
        {"refusal;after_tokens=40", 200, true, 1, "\"stop_reason\":\"refusal\"", 40},
        {"think;seconds=60", 200, true, 1, "event: ping\n", -1},
    };
    struct rig r = rig_up(&(struct sim_config){0});
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fault_case *c = &cases[i];
        char *header = mem_printf("x-sim-fault: %s", c->fault);
        struct got g = ask(&r, "POST", "/v1/messages", header, STREAM);
        json_t *e = truth_at(&r, i);
        const char *body = buf_str(&g.body);
        if (g.status != c->status || (g.err == OK) != c->body_ends ||
            occurrences(body, "event: message_stop\n") != c->stops ||
            strstr(body, c->says) == NULL ||
            (c->generated >= 0 && json_int(e, "generated_tokens", -1) != c->generated))
            fail_msg("%s: %d, %s, %s", c->fault, g.status, err_name(g.err), body);
        assert_int_equal(json_flag(e, "completed", false), c->stops == 1);
        assert_false(json_flag(e, "aborted", true));
        json_decref(e);
        buf_free(&g.body);
        free(header);
    }
    rig_down(&r);
}

static void retry_after_is_divided_by_the_speed(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){.speed = 200});
    struct got g = ask(&r, "POST", "/v1/messages", "x-sim-fault: 429;retry_after=30", STREAM);
    assert_string_equal(g.retry_after, "0.150");
    buf_free(&g.body);
    g = ask(&r, "POST", "/v1/messages", "x-sim-fault: spend", STREAM);
    assert_string_equal(g.retry_after, "");
    buf_free(&g.body);
    rig_down(&r);
}

/* Silence cannot be waited for; what came before it can, and that nothing ends it. */
static void silent_faults_hold_until_the_client_goes(void **state)
{
    (void)state;
    static const struct {
        const char *header, *until_body;
        bool billed;
    } cases[] = {
        {"x-sim-fault: silent", NULL, false},
        {"x-sim-fault: stall", "message_start", true},
        {"x-sim-fault: pings", "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: ping", true}};
    struct rig r = rig_up(&(struct sim_config){0});
    for (size_t i = 0; i < 3; i++) {
        struct got g;
        start(&r, "POST", "/v1/messages", cases[i].header, STREAM, &g);
        const char *want = cases[i].until_body;
        while (want != NULL && strstr(buf_str(&g.body), want) == NULL)
            loop_turn(r.loop, USEC_PER_SEC);
        arrived(&r, i + 1);
        assert_false(g.done);
        http_abort(g.call);
        json_t *e = truth_at(&r, i);
        assert_true(json_flag(e, "aborted", false));
        assert_int_equal(json_int(e, "billed_input_tokens", 0) > 0, cases[i].billed);
        json_decref(e);
        buf_free(&g.body);
    }
    rig_down(&r);
}

static void generation_stops_when_the_client_goes(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){.speed = 20});
    static const char long_one[] =
        "{\"model\":\"claude-new-5-5\",\"max_tokens\":8000,\"stream\":true,\"messages\":[{\"role\":"
        "\"user\",\"content\":\"<request kind=\\\"chunk\\\" words=\\\"5000\\\" from=\\\"00:00\\\" "
        "to=\\\"40:00\\\">\\n</request>\"}]}";
    struct got g;
    start(&r, "POST", "/v1/messages", NULL, long_one, &g);
    while (strstr(buf_str(&g.body), "text_delta") == NULL)
        loop_turn(r.loop, USEC_PER_SEC);
    http_abort(g.call);
    json_t *e = truth_at(&r, 0);
    int64_t generated = json_int(e, "generated_tokens", 0);
    assert_true(json_flag(e, "aborted", false));
    assert_true(generated > 0 && generated < 8000);
    assert_int_equal(json_int(e, "billed_output_tokens", 0), generated);
    assert_true(json_int(e, "delivered_tokens", 0) <= generated);
    json_decref(e);
    buf_free(&g.body);
    rig_down(&r);
}

static void orders_by_number_come_from_the_control_route(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){0});
    json_decref(ask_json(&r, "POST", "/sim/faults", "[{\"nth\":2,\"fault\":\"500\"}]"));
    static const int expected[] = {200, 500, 200};
    for (size_t i = 0; i < 3; i++) {
        struct got g = ask(&r, "POST", "/v1/messages", NULL, WHOLE);
        assert_int_equal(g.status, expected[i]);
        buf_free(&g.body);
    }
    struct got g = ask(&r, "POST", "/sim/faults", NULL, "[{\"fault\":\"fire\"}]");
    assert_int_equal(g.status, 400);
    assert_non_null(strstr(g.body.data, "no such fault: fire"));
    buf_free(&g.body);
    rig_down(&r);
}

static void a_full_bucket_refuses_and_says_for_how_long(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){.speed = 1, .rpm = 12}); /* one at once */
    struct got first;
    start(&r, "POST", "/v1/messages", NULL, WHOLE, &first);
    arrived(&r, 1);
    struct got g = ask(&r, "POST", "/v1/messages", NULL, WHOLE);
    assert_int_equal(g.status, 429);
    assert_in_range(atoi(g.retry_after), 3, 5); /* one request takes 5 s to refill */
    buf_free(&g.body);
    json_t *e = truth_at(&r, 1);
    assert_int_equal(json_int(e, "status", 0), 429);
    assert_int_equal(json_int(e, "billed_input_tokens", -1), 0);
    json_decref(e);
    json_decref(ask_json(&r, "POST", "/sim/reset", "{\"speed\":200}")); /* and a full bucket */
    g = ask(&r, "POST", "/v1/messages", NULL, STREAM);
    assert_int_equal(g.status, 200);
    buf_free(&g.body);
    http_abort(first.done ? NULL : first.call);
    buf_free(&first.body);
    rig_down(&r);
}

static void open_streams_are_cut_when_the_simulator_ends(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){.speed = 5});
    struct got streams[3];
    for (size_t i = 0; i < 3; i++)
        start(&r, "POST", "/v1/messages", i == 1 ? "x-sim-fault: silent" : NULL, STREAM,
              &streams[i]);
    while (strstr(buf_str(&streams[0].body), "text_delta") == NULL)
        loop_turn(r.loop, USEC_PER_SEC);
    for (size_t i = 0; i < 3; i++)
        http_abort(streams[i].done ? NULL : streams[i].call);
    for (size_t i = 0; i < 3; i++)
        buf_free(&streams[i].body);
    rig_down(&r);
}

static void unknown_routes_and_bad_settings_are_refused(void **state)
{
    (void)state;
    struct rig r = rig_up(&(struct sim_config){.api_key = "k"});
    static const struct {
        const char *method, *path, *body;
        int status;
    } cases[] = {{"GET", "/v1/poems", NULL, 404},
                 {"GET", "/v1/messages", NULL, 404},
                 {"GET", "/sim/poems", NULL, 404},
                 {"POST", "/sim/reset", "{", 400},
                 {"POST", "/sim/reset", "{\"speed\":0}", 400},
                 {"GET", "/v1/models?limit=0", NULL, 400},
                 {"GET", "/v1/models", NULL, 200},
                 {"GET", "/sim/state", NULL, 200}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct got g = ask(&r, cases[i].method, cases[i].path, NULL, cases[i].body);
        if (g.status != cases[i].status)
            fail_msg("%s: %d %s", cases[i].path, g.status, buf_str(&g.body));
        buf_free(&g.body);
    }
    rig_down(&r);
    struct sim *sim;
    struct errmsg msg = {{0}};
    struct sim_config config = {.host = "127.0.0.1", .speed = 0};
    assert_int_equal(sim_new(NULL, &config, &sim, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "speed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_delivered_and_recorded_to_the_token),
        cmocka_unit_test(each_fault_does_what_it_says),
        cmocka_unit_test(retry_after_is_divided_by_the_speed),
        cmocka_unit_test(silent_faults_hold_until_the_client_goes),
        cmocka_unit_test(generation_stops_when_the_client_goes),
        cmocka_unit_test(orders_by_number_come_from_the_control_route),
        cmocka_unit_test(a_full_bucket_refuses_and_says_for_how_long),
        cmocka_unit_test(open_streams_are_cut_when_the_simulator_ends),
        cmocka_unit_test(unknown_routes_and_bad_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
