/* In: real requests on the loopback, and an issuer that serves, lies or fails. Out: whose headers
 * count, and which documents become keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../io/peer.h"
#include "../text/jwt_sign.h"
#include "api/auth.h"
#include "api/jwks_http.h"
#include "base/clock.h"
#include "base/mem.h"

#define OPAQUE "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
#define SUB    "7c0e3a5e-0c5f-4a3b-9f7d-2f1d7e6b5a4c"

struct world {
    struct loop *loop;
    struct http_client *client;
    struct http_server *server;
    struct signer *ec;
    char *document;
    struct auth *auth; /* whom /who asks */
    int good, bad;     /* requests for /jwks.json, and for any other document */
};

static void reply(struct http_exchange *x, int status, const char *text)
{
    http_reply(x, status, "text/plain", NULL, text, strlen(text));
}

static void reply_who(struct world *w, struct http_exchange *x)
{
    static const char *const names[ROLE_MAX] = {"none", "user", "operator"};
    reply(x, 200, names[auth_check(w->auth, x, clock_wall()).role]);
}

/* One byte more than a set may have; what comes first would do. */
static void reply_huge(struct world *w, struct http_exchange *x)
{
    char *text = mem_alloc(JWK_SET_MAX + 2);
    memset(text, ' ', JWK_SET_MAX + 1);
    memcpy(text, w->document, strlen(w->document));
    http_reply(x, 200, "application/json", NULL, text, JWK_SET_MAX + 1);
    free(text);
}

static void handle(void *ctx, struct http_exchange *x)
{
    struct world *w = ctx;
    const char *path = http_path(x);
    static const char *const elsewhere[] = {"Location", "/jwks.json", NULL};
    if (strcmp(path, "/who") == 0) {
        reply_who(w, x);
    } else if (strcmp(path, "/jwks.json") == 0) {
        w->good++;
        reply(x, 200, w->document);
    } else {
        w->bad++;
        if (strcmp(path, "/moved") == 0)
            http_reply(x, 302, "application/json", elsewhere, w->document, strlen(w->document));
        else if (strcmp(path, "/huge") == 0)
            reply_huge(w, x);
        else if (strcmp(path, "/html") == 0)
            reply(x, 200, "<html>welcome</html>");
        else if (strcmp(path, "/cut") == 0)
            http_cut(x);
        else if (strcmp(path, "/heals") == 0 && w->bad > 1)
            reply(x, 200, w->document);
        else
            reply(x, 503, w->document);
    }
}

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct http_client_config client = {.user_agent = "test"};
    struct http_server_config server = {.host = "127.0.0.1"};
    w->loop = peer_loop();
    w->ec = signer_p256();
    char *jwk = signer_jwk(w->ec, ",\"kid\":\"e\"");
    w->document = mem_printf("{\"keys\":[%s]}", jwk);
    free(jwk);
    assert_int_equal(http_client_new(w->loop, &client, &w->client, NULL), OK);
    assert_int_equal(http_server_new(w->loop, &server, handle, w, &w->server, NULL), OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    auth_free(w->auth);
    http_client_free(w->client);
    http_server_free(w->server);
    loop_free(w->loop);
    signer_free(w->ec);
    free(w->document);
    free(w);
    return 0;
}

/* Turns the loop until the condition holds, for ten seconds at most. */
#define WAIT_FOR(w, condition)                                                                     \
    do {                                                                                           \
        int64_t end = clock_mono() + 10 * USEC_PER_SEC;                                            \
        while (!(condition)) {                                                                     \
            loop_turn((w)->loop, 20 * USEC_PER_MSEC);                                              \
            assert_true(clock_mono() < end);                                                       \
        }                                                                                          \
    } while (0)

/* ---- documents ---- */

struct feed {
    struct jwks_http *http;
    struct jwks *jwks;
};

static struct feed feed_new(struct world *w, const char *path)
{
    struct feed f;
    char *url = mem_printf("http://127.0.0.1:%u%s", http_server_port(w->server), path);
    f.http = jwks_http_new(w->client, url);
    struct jwks_source source = jwks_http_source(f.http);
    f.jwks = jwks_new(w->loop, &source, 1);
    free(url);
    return f;
}

static void feed_free(struct feed *f)
{
    jwks_free(f->jwks);
    jwks_http_free(f->http);
}

static void a_document_becomes_keys(void **state)
{
    struct world *w = *state;
    struct feed f = feed_new(w, "/jwks.json");
    WAIT_FOR(w, jwks_keys(f.jwks) != NULL);
    assert_int_equal(jwt_keys_count(jwks_keys(f.jwks)), 1);
    assert_int_equal(w->good, 1);
    feed_free(&f);
}

/* Each answer has good keys in it, or leads to them; the second attempt shows that the first was
 * judged. */
static void what_is_not_a_whole_small_200_is_no_document(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"/moved", "/huge", "/html", "/down", "/cut"};
    enum { N = sizeof paths / sizeof *paths };
    struct feed f[N];
    for (size_t i = 0; i < N; i++)
        f[i] = feed_new(w, paths[i]);
    WAIT_FOR(w, w->bad >= 2 * N);
    for (size_t i = 0; i < N; i++) {
        assert_null(jwks_keys(f[i].jwks));
        feed_free(&f[i]);
    }
    assert_int_equal(w->good, 0); /* no redirect was followed */
}

static void an_issuer_that_comes_back_is_heard(void **state)
{
    struct world *w = *state;
    struct feed f = feed_new(w, "/heals");
    WAIT_FOR(w, jwks_keys(f.jwks) != NULL);
    assert_int_equal(w->bad, 2);
    feed_free(&f);
}

static void a_fetch_can_be_given_up_at_any_moment(void **state)
{
    struct world *w = *state;
    for (int turns = 0; turns < 12; turns++) {
        struct feed f = feed_new(w, "/huge");
        for (int i = 0; i < turns; i++)
            loop_turn(w->loop, USEC_PER_MSEC);
        feed_free(&f);
    }
    loop_turn(w->loop, USEC_PER_MSEC);
}

/* ---- headers ---- */

struct asked {
    char role[32];
    size_t len;
    bool over;
};

static void on_body(void *ctx, const char *bytes, size_t n)
{
    struct asked *q = ctx;
    assert_true(q->len + n < sizeof q->role);
    memcpy(q->role + q->len, bytes, n);
    q->len += n;
}

static void on_end(void *ctx, const struct http_end *end)
{
    struct asked *q = ctx;
    assert_int_equal(end->err, OK);
    q->over = true;
}

static void assert_role(struct world *w, const char *one, const char *two, const char *role)
{
    static const struct http_handlers handlers = {NULL, on_body, on_end};
    const char *headers[] = {one, two, NULL};
    char *url = mem_printf("http://127.0.0.1:%u/who?apikey=" OPAQUE "&token=" OPAQUE,
                           http_server_port(w->server));
    struct http_request request = {.method = "GET", .url = url, .headers = headers};
    struct asked q = {.over = false};
    (void)http_start(w->client, &request, &handlers, &q);
    WAIT_FOR(w, q.over);
    if (strcmp(q.role, role) != 0)
        fail_msg("%s, %s: %s", one, two == NULL ? "" : two, q.role);
    free(url);
}

static void only_two_headers_carry_keys(void **state)
{
    struct world *w = *state;
    char *jwks = mem_printf("http://127.0.0.1:%u/jwks.json", http_server_port(w->server));
    struct auth_config config = {.service_key = OPAQUE, .jwks_url = jwks, .http = w->client};
    char *user = signer_token(w->ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}",
                              "{\"role\":\"authenticated\",\"sub\":\"" SUB "\"}");
    char *bearer = mem_printf("Authorization: Bearer %s", user);
    char *plain = mem_printf("apikey: %s", user);
    assert_int_equal(auth_new(w->loop, &config, &w->auth, NULL), OK);
    WAIT_FOR(w, auth_check_headers(w->auth, NULL, user, clock_wall()).role == ROLE_USER);
    assert_role(w, "Authorization: Bearer " OPAQUE, NULL, "operator");
    assert_role(w, "authorization: bearer " OPAQUE, "apikey: garbage", "operator");
    assert_role(w, "apikey: " OPAQUE, NULL, "operator");
    assert_role(w, "APIKEY: " OPAQUE, NULL, "operator");
    assert_role(w, bearer, "apikey: " OPAQUE, "user");
    assert_role(w, plain, NULL, "user");
    assert_role(w, "Authorization: Bearer garbage", "apikey: " OPAQUE, "none");
    static const char *const wrong[] = {
        "Authorization: " OPAQUE,
        "Authorization: Token " OPAQUE,
        "Proxy-Authorization: Bearer " OPAQUE,
        "X-Api-Key: " OPAQUE,
        "Api-Key: " OPAQUE,
        "X-Forwarded-Authorization: Bearer " OPAQUE,
        "Cookie: apikey=" OPAQUE "; sb-access-token=" OPAQUE,
        "x-supabase-caller: pg_cron",
        "x-supabase-caller: api",
        "x-supabase-caller: service_role",
        "x-worker-id: " OPAQUE,
        "X-Forwarded-For: 127.0.0.1",
        "x-client-info: " OPAQUE,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_role(w, wrong[i], NULL, "none");
    free(jwks);
    free(user);
    free(bearer);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_document_becomes_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_a_whole_small_200_is_no_document, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_issuer_that_comes_back_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fetch_can_be_given_up_at_any_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(only_two_headers_carry_keys, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
