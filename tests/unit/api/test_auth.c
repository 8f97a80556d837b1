/* In: every kind of credential, in every place, for every role, under every configuration of keys.
 * Out: who is let in. The key sets come from a script, on a clock that stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/jwt_sign.h"
#include "api/auth.h"
#include "api/jwks_http.h"
#include "base/clock.h"
#include "base/mem.h"

#define SEC     USEC_PER_SEC
#define NOW_S   1800000000
#define OPAQUE  "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
#define SECRET  "super-secret-jwt-token-with-at-least-32-characters"
#define SUB     "7c0e3a5e-0c5f-4a3b-9f7d-2f1d7e6b5a4c"
#define SUB_NIL "00000000-0000-0000-0000-000000000000"
#define ISSUER  "https://project.example/auth/v1"

/* ---- a source of key sets that the test plays ---- */

struct jwks_http {
    char *url;
};

static struct {
    struct jwks *asking; /* who waits for a document */
    int starts, alive;
} issuer;

static void issuer_start(void *ctx, struct jwks *jwks)
{
    (void)ctx;
    issuer.asking = jwks;
    issuer.starts++;
}

static void issuer_stop(void *ctx)
{
    (void)ctx;
    issuer.asking = NULL;
}

static void issuer_says(const char *text)
{
    struct jwks *jwks = issuer.asking;
    assert_non_null(jwks);
    issuer.asking = NULL;
    jwks_arrived(jwks, OK, text, strlen(text), NULL);
}

struct jwks_http *jwks_http_new(struct http_client *client, const char *url)
{
    struct jwks_http *h = mem_alloc(sizeof *h);
    (void)client;
    h->url = mem_strdup(url);
    issuer.alive++;
    return h;
}

void jwks_http_free(struct jwks_http *h)
{
    if (h == NULL)
        return;
    free(h->url);
    free(h);
    issuer.alive--;
}

struct jwks_source jwks_http_source(struct jwks_http *h)
{
    return (struct jwks_source){issuer_start, issuer_stop, h};
}

const char *jwks_http_url(const struct jwks_http *h)
{
    return h->url;
}

/* ---- the world: signers, their published keys, configurations ---- */

enum config { NO_KEY, OPAQUE_KEY, LEGACY_KEY, SECRET_ONLY, JWKS_ONLY, ALL_KEYS, CONFIG_MAX };
static const char *const config_names[] = {"no key",      "opaque key", "legacy key",
                                           "secret only", "JWKS only",  "all keys"};

struct world {
    struct loop *loop;
    struct signer *secret, *stranger, *rsa, *ec, *next_ec;
    char *published, *rotated; /* JWK sets: rsa "r" and ec "e"; next_ec "e2" */
    char *legacy;              /* a service_role JWT of the secret, long expired */
    struct auth *auth[CONFIG_MAX];
};

static struct auth_config config_of(const struct world *w, enum config c)
{
    static int client;
    bool secret = c == LEGACY_KEY || c == SECRET_ONLY || c == ALL_KEYS;
    bool jwks = c == JWKS_ONLY || c == ALL_KEYS;
    return (struct auth_config){.service_key = c == OPAQUE_KEY || c == ALL_KEYS ? OPAQUE
                                               : c == LEGACY_KEY                ? w->legacy
                                                                                : NULL,
                                .jwt_secret = secret ? SECRET : NULL,
                                .jwks_url = jwks ? "https://project.example/jwks.json" : NULL,
                                .http = jwks ? (struct http_client *)(void *)&client : NULL};
}

/* Away from the others' refreshes. */
static struct loop *own_loop(void)
{
    return loop_new_manual(1000 * SEC, NOW_S * SEC);
}

static struct auth *make(struct loop *loop, const struct auth_config *config)
{
    struct auth *a = NULL;
    struct errmsg msg = {{0}};
    if (auth_new(loop, config, &a, &msg) != OK)
        fail_msg("%s", msg.text);
    return a;
}

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    w->loop = loop_new_manual(1000 * SEC, NOW_S * SEC);
    w->secret = signer_secret(SECRET);
    w->stranger = signer_secret("another secret, also of more than 32 bytes");
    w->rsa = signer_rsa(2048);
    w->ec = signer_p256();
    w->next_ec = signer_p256();
    char *r = signer_jwk(w->rsa, ",\"kid\":\"r\""), *e = signer_jwk(w->ec, ",\"kid\":\"e\"");
    char *e2 = signer_jwk(w->next_ec, ",\"kid\":\"e2\"");
    w->published = mem_printf("{\"keys\":[%s,%s]}", r, e);
    w->rotated = mem_printf("{\"keys\":[%s]}", e2);
    free(r);
    free(e);
    free(e2);
    w->legacy = signer_token(w->secret, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
                             "{\"role\":\"service_role\",\"iss\":\"supabase\",\"exp\":1}");
    for (int c = 0; c < CONFIG_MAX; c++) {
        struct auth_config config = config_of(w, (enum config)c);
        w->auth[c] = make(w->loop, &config);
        if (config.jwks_url != NULL)
            issuer_says(w->published);
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (int c = 0; c < CONFIG_MAX; c++)
        auth_free(w->auth[c]);
    signer_free(w->secret);
    signer_free(w->stranger);
    signer_free(w->rsa);
    signer_free(w->ec);
    signer_free(w->next_ec);
    loop_free(w->loop);
    free(w->published);
    free(w->rotated);
    free(w->legacy);
    free(w);
    assert_int_equal(issuer.alive, 0);
    return 0;
}

static struct principal ask(struct auth *a, const char *authorization, const char *apikey)
{
    return auth_check_headers(a, authorization, apikey, NOW_S * SEC);
}

static struct principal bear(struct auth *a, const char *token)
{
    char *header = mem_printf("Bearer %s", token);
    struct principal who = ask(a, header, NULL);
    free(header);
    return who;
}

static bool is_sub(struct principal who)
{
    char text[UUID_TEXT_SIZE];
    return strcmp(uuid_text(&who.user_id, text), SUB) == 0;
}

/* ---- the matrix of tokens: their state x their role x the configuration ---- */

enum by { BY_SECRET, BY_RSA, BY_EC };

static const struct role_case {
    const char *claims;
    enum auth_role role; /* if all else is right */
} roles[] = {
    {"\"role\":\"service_role\"", ROLE_OPERATOR},
    {"\"role\":\"service_role\",\"sub\":\"" SUB "\"", ROLE_OPERATOR},
    {"\"role\":\"authenticated\",\"sub\":\"" SUB "\"", ROLE_USER},
    {"\"role\":\"authenticated\"", ROLE_NONE},
    {"\"role\":\"authenticated\",\"sub\":\"alice\"", ROLE_NONE},
    {"\"role\":\"authenticated\",\"sub\":\"" SUB_NIL "\"", ROLE_NONE},
    {"\"role\":\"anon\",\"sub\":\"" SUB "\"", ROLE_NONE},
    {"\"role\":\"Service_Role\"", ROLE_NONE},
    {"\"role\":\"service_role \"", ROLE_NONE},
    {"\"role\":\"postgres\"", ROLE_NONE},
    {"\"role\":\"\"", ROLE_NONE},
    {"\"role\":null,\"sub\":\"" SUB "\"", ROLE_NONE},
    {"\"role\":[\"service_role\"]", ROLE_NONE},
    {"\"sub\":\"" SUB "\"", ROLE_NONE},
    {"\"app_metadata\":{\"role\":\"service_role\"},\"sub\":\"" SUB "\"", ROLE_NONE},
};

static const struct state_case {
    const char *name;
    enum by by;
    const char *header, *claims;
    bool stranger; /* signed with another key than the name says */
    bool good;
} states[] = {
    {"right, HS256", BY_SECRET, "{\"alg\":\"HS256\"}", "\"exp\":1800003600", false, true},
    {"right, RS256", BY_RSA, "{\"alg\":\"RS256\",\"kid\":\"r\"}", "\"exp\":1800003600", false,
     true},
    {"right, ES256", BY_EC, "{\"alg\":\"ES256\",\"kid\":\"e\"}", "\"exp\":1800003600", false, true},
    {"no kid, RS256", BY_RSA, "{\"alg\":\"RS256\"}", "\"exp\":1800003600", false, true},
    {"no kid, ES256", BY_EC, "{\"alg\":\"ES256\"}", "\"exp\":1800003600", false, true},
    {"just not expired", BY_EC, "{\"alg\":\"ES256\"}", "\"exp\":1799999941", false, true},
    {"expired", BY_EC, "{\"alg\":\"ES256\"}", "\"exp\":1799999940", false, false},
    {"expired, HS256", BY_SECRET, "{\"alg\":\"HS256\"}", "\"exp\":1799999940", false, false},
    {"not yet", BY_EC, "{\"alg\":\"ES256\"}", "\"nbf\":1800000061", false, false},
    {"not yet, HS256", BY_SECRET, "{\"alg\":\"HS256\"}", "\"nbf\":1800000061", false, false},
    {"none", BY_SECRET, "{\"alg\":\"none\"}", "\"exp\":1800003600", false, false},
    {"nOnE", BY_SECRET, "{\"alg\":\"nOnE\"}", "\"exp\":1800003600", false, false},
    {"HS512", BY_SECRET, "{\"alg\":\"HS512\"}", "\"exp\":1800003600", false, false},
    {"an RS256 key as HS256", BY_RSA, "{\"alg\":\"HS256\",\"kid\":\"r\"}", "\"a\":1", false, false},
    {"the secret as RS256", BY_SECRET, "{\"alg\":\"RS256\",\"kid\":\"r\"}", "\"a\":1", false,
     false},
    {"RS256 for the EC key", BY_RSA, "{\"alg\":\"RS256\",\"kid\":\"e\"}", "\"a\":1", false, false},
    {"another secret", BY_SECRET, "{\"alg\":\"HS256\"}", "\"exp\":1800003600", true, false},
    {"another EC key", BY_EC, "{\"alg\":\"ES256\",\"kid\":\"e\"}", "\"a\":1", true, false},
    {"another EC key, no kid", BY_EC, "{\"alg\":\"ES256\"}", "\"a\":1", true, false},
    {"unknown kid", BY_EC, "{\"alg\":\"ES256\",\"kid\":\"x\"}", "\"a\":1", true, false},
    {"known key, wrong kid", BY_EC, "{\"alg\":\"ES256\",\"kid\":\"x\"}", "\"a\":1", false, false},
    {"a key of its own", BY_EC,
     "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"},\"jku\":\"https://evil.example/jwks.json\"}",
     "\"a\":1", true, false},
    {"critical extension", BY_SECRET, "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "\"a\":1", false,
     false},
};

static const struct signer *signer_of(const struct world *w, const struct state_case *s)
{
    switch (s->by) {
    case BY_SECRET:
        return s->stranger ? w->stranger : w->secret;
    case BY_RSA:
        return w->rsa;
    default:
        return s->stranger ? w->next_ec : w->ec;
    }
}

static bool has_key_for(enum config c, enum by by)
{
    if (by == BY_SECRET)
        return c == LEGACY_KEY || c == SECRET_ONLY || c == ALL_KEYS;
    return c == JWKS_ONLY || c == ALL_KEYS;
}

static void a_token_is_worth_what_its_state_role_and_key_say(void **state)
{
    struct world *w = *state;
    for (size_t s = 0; s < sizeof states / sizeof *states; s++) {
        for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
            char *claims = mem_printf("{%s,%s}", states[s].claims, roles[r].claims);
            char *token = signer_token(signer_of(w, &states[s]), states[s].header, claims);
            for (int c = 0; c < CONFIG_MAX; c++) {
                bool good = states[s].good && has_key_for((enum config)c, states[s].by);
                enum auth_role expected = good ? roles[r].role : ROLE_NONE;
                struct principal who = bear(w->auth[c], token), also = ask(w->auth[c], NULL, token);
                if (who.role != expected || also.role != expected ||
                    (expected == ROLE_USER && !(is_sub(who) && is_sub(also))))
                    fail_msg("%s, %s, %s: %d and %d", states[s].name, claims, config_names[c],
                             (int)who.role, (int)also.role);
            }
            free(token);
            free(claims);
        }
    }
}

/* ---- keys ---- */

static void a_service_key_is_the_operators_where_it_is_configured(void **state)
{
    struct world *w = *state;
    char *cut = mem_strndup(OPAQUE, strlen(OPAQUE) - 1), *more = mem_printf("%sx", OPAQUE);
    char *wrong = mem_strdup(OPAQUE), *upper = mem_strdup(OPAQUE), *last = mem_strdup(OPAQUE);
    wrong[0] = 't';
    upper[10] = 'n';
    last[strlen(last) - 1] = 'y';
    const char *bad[] = {cut,
                         more,
                         wrong,
                         upper,
                         last,
                         "",
                         "null",
                         "undefined",
                         SECRET,
                         "sb_secret_",
                         OPAQUE "," OPAQUE,
                         OPAQUE " " OPAQUE,
                         "\"" OPAQUE "\""};
    for (int c = 0; c < CONFIG_MAX; c++) {
        bool opaque = c == OPAQUE_KEY || c == ALL_KEYS;
        assert_int_equal(bear(w->auth[c], OPAQUE).role, opaque ? ROLE_OPERATOR : ROLE_NONE);
        assert_int_equal(ask(w->auth[c], NULL, OPAQUE).role, opaque ? ROLE_OPERATOR : ROLE_NONE);
        /* the legacy key counts as it is, though as a JWT it is long over */
        assert_int_equal(bear(w->auth[c], w->legacy).role,
                         c == LEGACY_KEY ? ROLE_OPERATOR : ROLE_NONE);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            assert_int_equal(bear(w->auth[c], bad[i]).role, ROLE_NONE);
    }
    free(cut);
    free(more);
    free(wrong);
    free(upper);
    free(last);
}

static void the_bearer_decides_when_there_is_one(void **state)
{
    struct world *w = *state;
    struct auth *a = w->auth[ALL_KEYS];
    char *user = signer_token(w->ec, "{\"alg\":\"ES256\"}",
                              "{\"role\":\"authenticated\",\"sub\":\"" SUB "\"}");
    char *anon = signer_token(w->secret, "{\"alg\":\"HS256\"}", "{\"role\":\"anon\"}");
    char *bear_user = mem_printf("Bearer %s", user), *bear_anon = mem_printf("Bearer %s", anon);
    const struct {
        const char *authorization, *apikey;
        enum auth_role role;
    } each[] = {
        {NULL, NULL, ROLE_NONE},
        {bear_user, NULL, ROLE_USER},
        {bear_user, anon, ROLE_USER}, /* as browser clients send */
        {bear_user, OPAQUE, ROLE_USER},
        {bear_user, "garbage", ROLE_USER},
        {bear_anon, anon, ROLE_NONE},
        {bear_anon, OPAQUE, ROLE_NONE},
        {bear_anon, user, ROLE_NONE},
        {"Bearer " OPAQUE, anon, ROLE_OPERATOR},
        {"Bearer garbage", OPAQUE, ROLE_NONE},
        {"Bearer null", OPAQUE, ROLE_NONE},
        {"Bearer", OPAQUE, ROLE_NONE},
        {"Bearer ", OPAQUE, ROLE_NONE},
        {NULL, OPAQUE, ROLE_OPERATOR},
        {NULL, user, ROLE_USER},
        {NULL, anon, ROLE_NONE},
        {NULL, "", ROLE_NONE},
        {NULL, "Bearer " OPAQUE, ROLE_NONE},
        {"bearer " OPAQUE, NULL, ROLE_OPERATOR}, /* RFC 9110, 11.1: any case */
        {"BEARER   " OPAQUE "  ", NULL, ROLE_OPERATOR},
        {OPAQUE, NULL, ROLE_NONE},
        {"Bearer" OPAQUE, NULL, ROLE_NONE},
        {"Bearer: " OPAQUE, NULL, ROLE_NONE},
        {"Basic " OPAQUE, NULL, ROLE_NONE},
        {"Basic dXNlcjpwYXNz", OPAQUE, ROLE_OPERATOR}, /* a proxy's own; no bearer */
        {"", OPAQUE, ROLE_OPERATOR},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        if (ask(a, each[i].authorization, each[i].apikey).role != each[i].role)
            fail_msg("line %zu of the table", i);
    }
    free(user);
    free(anon);
    free(bear_user);
    free(bear_anon);
}

static void garbage_and_oversized_tokens_are_nobody(void **state)
{
    struct world *w = *state;
    char *huge = mem_alloc(40001);
    for (int c = 0; c < CONFIG_MAX; c++) {
        static const char *const fill[] = {"a", ".", "a.", "e30.", "\xff", " ", "="};
        for (size_t f = 0; f < sizeof fill / sizeof *fill; f++) {
            for (size_t i = 0; i < 40000; i++)
                huge[i] = fill[f][i % strlen(fill[f])];
            assert_int_equal(bear(w->auth[c], huge).role, ROLE_NONE);
            assert_int_equal(ask(w->auth[c], huge, huge).role, ROLE_NONE);
        }
    }
    free(huge);
}

static void without_a_key_a_random_token_is_the_only_credential(void **state)
{
    struct world *w = *state;
    struct auth_config config = {.service_key = NULL};
    struct auth *other = make(w->loop, &config);
    const char *token = auth_operator_token(w->auth[NO_KEY]);
    for (int c = 1; c < CONFIG_MAX; c++)
        assert_null(auth_operator_token(w->auth[c]));
    assert_int_equal(strlen(token), 43); /* 256 bits of base64url */
    assert_int_equal(
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    assert_string_not_equal(token, auth_operator_token(other));
    assert_int_equal(bear(w->auth[NO_KEY], token).role, ROLE_OPERATOR);
    assert_int_equal(ask(w->auth[NO_KEY], NULL, token).role, ROLE_OPERATOR);
    assert_int_equal(bear(other, token).role, ROLE_NONE);
    assert_int_equal(bear(w->auth[ALL_KEYS], token).role, ROLE_NONE);
    assert_int_equal(ask(w->auth[NO_KEY], NULL, NULL).role, ROLE_NONE);
    auth_free(other);
}

/* ---- key sets come and go ---- */

static void a_rotated_key_is_fetched_when_its_first_token_comes(void **state)
{
    struct world *w = *state;
    struct loop *loop = own_loop();
    struct auth_config config = config_of(w, JWKS_ONLY);
    const char *claims = "{\"role\":\"authenticated\",\"sub\":\"" SUB "\"}";
    char *old = signer_token(w->ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", claims);
    char *fresh = signer_token(w->next_ec, "{\"alg\":\"ES256\",\"kid\":\"e2\"}", claims);
    int starts = issuer.starts;
    struct auth *a = make(loop, &config);
    assert_int_equal(bear(a, old).role, ROLE_NONE); /* the keys are not here yet */
    issuer_says(w->published);
    assert_int_equal(bear(a, old).role, ROLE_USER);
    loop_advance(loop, 120 * SEC);
    assert_int_equal(issuer.starts, starts + 1);
    assert_int_equal(bear(a, fresh).role, ROLE_NONE);
    loop_advance(loop, 0);
    assert_int_equal(issuer.starts, starts + 2);
    issuer_says(w->rotated);
    assert_int_equal(bear(a, fresh).role, ROLE_USER);
    assert_int_equal(bear(a, old).role, ROLE_NONE);
    auth_free(a);
    loop_free(loop);
    free(old);
    free(fresh);
}

/* What no key set could ever help must not make us ask for one. */
static void only_an_unknown_key_asks_for_keys(void **state)
{
    struct world *w = *state;
    struct loop *loop = own_loop();
    struct auth_config config = config_of(w, JWKS_ONLY);
    struct auth *a = make(loop, &config);
    issuer_says(w->published);
    loop_advance(loop, 120 * SEC);
    int starts = issuer.starts;
    char *hs = signer_token(w->secret, "{\"alg\":\"HS256\"}", "{\"role\":\"anon\"}");
    char *over = signer_token(w->ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", "{\"exp\":1}");
    char *forged = signer_token(w->next_ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", "{}");
    const char *each[] = {hs, over, forged, "garbage", OPAQUE, "", "e30.e30.e30"};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        assert_int_equal(bear(a, each[i]).role, ROLE_NONE);
    loop_advance(loop, 60 * SEC);
    assert_int_equal(issuer.starts, starts);
    auth_free(a);
    loop_free(loop);
    free(hs);
    free(over);
    free(forged);
}

static void issuer_and_audience_bind_tokens_but_not_the_service_key(void **state)
{
    struct world *w = *state;
    struct auth_config config = config_of(w, ALL_KEYS);
    config.issuer = ISSUER;
    config.audience = "authenticated";
    struct auth *a = make(w->loop, &config);
    issuer_says(w->published);
    const struct {
        const char *claims;
        enum auth_role role;
    } each[] = {
        {"\"iss\":\"" ISSUER "\",\"aud\":\"authenticated\"", ROLE_USER},
        {"\"iss\":\"" ISSUER "\",\"aud\":[\"other\",\"authenticated\"]", ROLE_USER},
        {"\"iss\":\"" ISSUER "/\",\"aud\":\"authenticated\"", ROLE_NONE},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"other\"", ROLE_NONE},
        {"\"aud\":\"authenticated\"", ROLE_NONE},
        {"\"iss\":\"" ISSUER "\"", ROLE_NONE},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        char *claims =
            mem_printf("{\"role\":\"authenticated\",\"sub\":\"" SUB "\",%s}", each[i].claims);
        char *token = signer_token(w->ec, "{\"alg\":\"ES256\"}", claims);
        assert_int_equal(bear(a, token).role, each[i].role);
        free(token);
        free(claims);
    }
    assert_int_equal(bear(a, OPAQUE).role, ROLE_OPERATOR);
    auth_free(a);
}

/* ---- reload ---- */

static void a_reload_replaces_every_key_at_once(void **state)
{
    struct world *w = *state;
    struct loop *loop = own_loop();
    struct auth_config config = config_of(w, ALL_KEYS);
    const char *claims = "{\"role\":\"service_role\"}";
    char *hs = signer_token(w->secret, "{\"alg\":\"HS256\"}", claims);
    char *es = signer_token(w->ec, "{\"alg\":\"ES256\"}", claims);
    char *other = signer_token(w->stranger, "{\"alg\":\"HS256\"}", claims);
    struct auth *a = make(loop, &config);
    issuer_says(w->published);
    config.service_key = "sb_secret_the_next_one";
    config.jwt_secret = "another secret, also of more than 32 bytes";
    int starts = issuer.starts;
    assert_int_equal(auth_reload(a, &config, NULL), OK);
    assert_int_equal(bear(a, OPAQUE).role, ROLE_NONE);
    assert_int_equal(bear(a, "sb_secret_the_next_one").role, ROLE_OPERATOR);
    assert_int_equal(bear(a, hs).role, ROLE_NONE);
    assert_int_equal(bear(a, other).role, ROLE_OPERATOR);
    /* the same URL: its keys stay */
    assert_int_equal(issuer.starts, starts);
    assert_int_equal(bear(a, es).role, ROLE_OPERATOR);
    /* another one: those of the old issuer count no more */
    config.jwks_url = "https://other.example/jwks.json";
    assert_int_equal(auth_reload(a, &config, NULL), OK);
    assert_int_equal(issuer.starts, starts + 1);
    assert_int_equal(bear(a, es).role, ROLE_NONE);
    issuer_says(w->rotated);
    assert_int_equal(bear(a, es).role, ROLE_NONE);
    /* none at all, while a fetch runs */
    loop_advance(loop, 600 * SEC);
    config.jwks_url = NULL;
    assert_int_equal(auth_reload(a, &config, NULL), OK);
    assert_null(issuer.asking);
    assert_int_equal(bear(a, other).role, ROLE_OPERATOR);
    auth_free(a);
    loop_free(loop);
    free(hs);
    free(es);
    free(other);
}

static void a_reload_that_fails_changes_nothing(void **state)
{
    struct world *w = *state;
    struct auth *a = w->auth[OPAQUE_KEY];
    struct errmsg msg = {{0}};
    struct auth_config bad[] = {{.service_key = NULL},
                                {.service_key = ""},
                                {.service_key = "sb_secret_new", .jwt_secret = "short"},
                                {.service_key = "sb_secret_new", .jwks_url = "ftp://x/"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(auth_reload(a, &bad[i], &msg), ERR_INVALID);
        assert_int_equal(bear(a, OPAQUE).role, ROLE_OPERATOR);
        assert_int_equal(bear(a, "sb_secret_new").role, ROLE_NONE);
    }
    /* without keys before and after, the token that was printed stays */
    char *token = mem_strdup(auth_operator_token(w->auth[NO_KEY]));
    assert_int_equal(auth_reload(w->auth[NO_KEY], &bad[0], &msg), OK);
    assert_int_equal(bear(w->auth[NO_KEY], token).role, ROLE_OPERATOR);
    free(token);
}

static void settings_that_would_open_the_door_are_refused(void **state)
{
    struct world *w = *state;
    char *anon = signer_token(w->secret, "{\"alg\":\"HS256\"}", "{\"role\":\"anon\"}");
    char *pem = signer_pem(w->rsa);
    const struct auth_config bad[] = {
        {.service_key = ""},
        {.service_key = "two words-hush"},
        {.service_key = "with-hush-newline\n"},
        {.service_key = "sb_publishable_hush"},
        {.service_key = anon},
        {.jwt_secret = ""},
        {.jwt_secret = "hush"},
        {.jwt_secret = pem},
        {.jwks_url = ""},
        {.jwks_url = "file:///etc/hush"},
        {.jwks_url = "hush.example/jwks.json"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct auth_config config = bad[i];
        struct errmsg msg = {{0}};
        struct auth *a = NULL;
        config.http = config_of(w, JWKS_ONLY).http;
        assert_int_equal(auth_new(w->loop, &config, &a, &msg), ERR_INVALID);
        assert_null(a);
        assert_int_not_equal(strlen(msg.text), 0);
        assert_null(strstr(msg.text, "hush"));
        assert_null(strstr(msg.text, "eyJ"));
        assert_null(strstr(msg.text, "BEGIN"));
    }
    free(anon);
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_worth_what_its_state_role_and_key_say),
        cmocka_unit_test(a_service_key_is_the_operators_where_it_is_configured),
        cmocka_unit_test(the_bearer_decides_when_there_is_one),
        cmocka_unit_test(garbage_and_oversized_tokens_are_nobody),
        cmocka_unit_test(without_a_key_a_random_token_is_the_only_credential),
        cmocka_unit_test(a_rotated_key_is_fetched_when_its_first_token_comes),
        cmocka_unit_test(only_an_unknown_key_asks_for_keys),
        cmocka_unit_test(issuer_and_audience_bind_tokens_but_not_the_service_key),
        cmocka_unit_test(a_reload_replaces_every_key_at_once),
        cmocka_unit_test(a_reload_that_fails_changes_nothing),
        cmocka_unit_test(settings_that_would_open_the_door_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
