/* In: tokens and keys, good, bad and lying. Out: does jwt_verify() believe only the good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jwt_sign.h"
#include "text/jwt.h"

#define SECRET "a shared secret of more than 32 bytes"
#define SUB    "7c0e3a5e-0c5f-4a3b-9f7d-2f1d7e6b5a4c"
#define NOW_S  1800000000 /* of every test that does not say otherwise */
#define ROLE   "\"role\":\"authenticated\""

struct world {
    struct signer *secret, *rsa, *other_rsa, *ec;
    struct jwt_keys *secret_keys, *set; /* set: rsa as "r", ec as "e" */
};

static struct jwt_keys *parse(const char *text)
{
    struct jwt_keys *keys = NULL;
    struct errmsg msg = {{0}};
    if (jwt_keys_parse(text, strlen(text), &keys, &msg) != OK)
        fail_msg("%s", msg.text);
    return keys;
}

/* A set of the key alone. */
static struct jwt_keys *only(const struct signer *s, const char *members)
{
    char *jwk = signer_jwk(s, members), *text = mem_printf("{\"keys\":[%s]}", jwk);
    struct jwt_keys *keys = parse(text);
    free(jwk);
    free(text);
    return keys;
}

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    w->secret = signer_secret(SECRET);
    w->rsa = signer_rsa(2048);
    w->other_rsa = signer_rsa(2048);
    w->ec = signer_p256();
    assert_int_equal(jwt_keys_secret(SECRET, strlen(SECRET), &w->secret_keys, NULL), OK);
    char *r = signer_jwk(w->rsa, ",\"kid\":\"r\",\"use\":\"sig\",\"alg\":\"RS256\"");
    char *e = signer_jwk(w->ec, ",\"kid\":\"e\",\"key_ops\":[\"verify\"]");
    char *text = mem_printf("{\"keys\":[%s,%s]}", r, e);
    w->set = parse(text);
    free(r);
    free(e);
    free(text);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    signer_free(w->secret);
    signer_free(w->rsa);
    signer_free(w->other_rsa);
    signer_free(w->ec);
    jwt_keys_free(w->secret_keys);
    jwt_keys_free(w->set);
    free(w);
    return 0;
}

static enum jwt_verdict verify(const struct world *w, const char *token,
                               const struct jwt_rules *rules, struct jwt_claims *claims)
{
    const struct jwt_keys *sets[] = {w->secret_keys, NULL, w->set};
    struct jwt_claims ignored;
    return jwt_verify(sets, 3, token, strlen(token), rules, claims != NULL ? claims : &ignored);
}

static enum jwt_verdict verify_now(const struct world *w, const char *token)
{
    struct jwt_rules rules = {.now_us = NOW_S * USEC_PER_SEC};
    return verify(w, token, &rules, NULL);
}

/* Signs and verifies. */
static enum jwt_verdict judge(const struct world *w, const struct signer *s, const char *header,
                              const char *claims)
{
    char *token = signer_token(s, header, claims);
    enum jwt_verdict verdict = verify_now(w, token);
    free(token);
    return verdict;
}

/* ---- RFC 7515, appendix A: key, token and signature as printed there ---- */

#define A_CLAIMS                                                                                   \
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV" \
    "lfQ."

static const uint8_t a1_key[] = {3,   35,  53,  75,  43,  15,  165, 188, 131, 126, 6,   101, 119,
                                 123, 166, 143, 90,  179, 40,  230, 240, 84,  201, 40,  169, 15,
                                 132, 178, 210, 80,  46,  191, 211, 251, 90,  146, 210, 6,   71,
                                 239, 150, 138, 180, 195, 119, 98,  61,  34,  61,  46,  33,  114,
                                 5,   46,  79,  8,   192, 205, 154, 245, 103, 208, 128, 163};
static const char a1_token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" A_CLAIMS
                               "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char a2_key[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
    "wWJcyQoTbji9"
    "k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2"
    "jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDT"
    "W9gb54h4FRWyuXpoQ\"}]}";
static const char a2_token[] =
    "eyJhbGciOiJSUzI1NiJ9" A_CLAIMS
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5j"
    "ujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
    "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEU"
    "ipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char a3_key[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
                             "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                             "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char a3_token[] =
    "eyJhbGciOiJFUzI1NiJ9" A_CLAIMS
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static enum jwt_verdict rfc(const struct jwt_keys *keys, const char *token, int64_t now_s,
                            const char *issuer)
{
    struct jwt_rules rules = {.issuer = issuer, .now_us = now_s * USEC_PER_SEC};
    struct jwt_claims claims;
    return jwt_verify(&keys, 1, token, strlen(token), &rules, &claims);
}

static void the_examples_of_rfc_7515_are_valid_until_they_expire(void **state)
{
    (void)state;
    struct jwt_keys *keys[3] = {NULL, parse(a2_key), parse(a3_key)};
    const char *tokens[3] = {a1_token, a2_token, a3_token};
    assert_int_equal(jwt_keys_secret((const char *)a1_key, sizeof a1_key, &keys[0], NULL), OK);
    for (int i = 0; i < 3; i++) {
        /* "exp" is 1300819380; 60 s of leeway */
        assert_int_equal(rfc(keys[i], tokens[i], 1300819380, "joe"), JWT_VALID);
        assert_int_equal(rfc(keys[i], tokens[i], 1300819439, "joe"), JWT_VALID);
        assert_int_equal(rfc(keys[i], tokens[i], 1300819440, "joe"), JWT_EXPIRED);
        assert_int_equal(rfc(keys[i], tokens[i], 1300819380, "jim"), JWT_ISSUER);
        for (int other = 0; other < 3; other++) {
            if (other != i)
                assert_int_equal(rfc(keys[other], tokens[i], 1300819380, "joe"),
                                 i == 0 ? JWT_ALGORITHM : JWT_UNKNOWN_KEY);
        }
    }
    for (int i = 0; i < 3; i++)
        jwt_keys_free(keys[i]);
}

/* ---- claims ---- */

static void a_token_gives_its_role_and_its_subject(void **state)
{
    struct world *w = *state;
    const struct {
        const struct signer *signer;
        const char *header;
    } each[] = {{w->secret, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"},
                {w->secret, "{\"alg\":\"HS256\",\"kid\":\"a name that no secret has\"}"},
                {w->rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}"},
                {w->rsa, "{\"alg\":\"RS256\"}"},
                {w->ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}"},
                {w->ec, "{\"alg\":\"ES256\"}"}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct jwt_rules rules = {.now_us = NOW_S * USEC_PER_SEC};
        struct jwt_claims claims = {.has_sub = false};
        char text[UUID_TEXT_SIZE];
        char *token = signer_token(each[i].signer, each[i].header,
                                   "{" ROLE ",\"sub\":\"" SUB "\",\"exp\":1800000001}");
        assert_int_equal(verify(w, token, &rules, &claims), JWT_VALID);
        assert_string_equal(claims.role, "authenticated");
        assert_true(claims.has_sub);
        assert_string_equal(uuid_text(&claims.sub, text), SUB);
        free(token);
    }
}

static void claims_are_read_strictly(void **state)
{
    struct world *w = *state;
    const struct {
        const char *claims;
        enum jwt_verdict verdict;
    } each[] = {
        {"{}", JWT_VALID},
        {"{" ROLE "}", JWT_VALID}, /* what never ends was meant so by whoever signed it */
        {"{\"exp\":1800000000}", JWT_VALID},
        {"{\"exp\":1799999940.5}", JWT_VALID},
        {"{\"exp\":1799999940}", JWT_EXPIRED},
        {"{\"exp\":0}", JWT_EXPIRED},
        {"{\"exp\":-1e300}", JWT_EXPIRED},
        {"{\"exp\":1e300}", JWT_VALID},
        {"{\"exp\":\"1800000001\"}", JWT_CLAIMS},
        {"{\"exp\":null}", JWT_CLAIMS},
        {"{\"nbf\":1800000060}", JWT_VALID},
        {"{\"nbf\":1800000061}", JWT_NOT_YET},
        {"{\"nbf\":[]}", JWT_CLAIMS},
        {"{\"role\":[\"service_role\"]}", JWT_CLAIMS},
        {"{\"role\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         JWT_CLAIMS},
        {"{\"role\":\"anon\",\"role\":\"service_role\"}", JWT_CLAIMS},
        {"{\"role\":\"service_role\\u0000\"}", JWT_CLAIMS},
        {"[]", JWT_CLAIMS},
        {"\"service_role\"", JWT_CLAIMS},
        {"not json", JWT_CLAIMS},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        enum jwt_verdict verdict = judge(w, w->secret, "{\"alg\":\"HS256\"}", each[i].claims);
        if (verdict != each[i].verdict)
            fail_msg("%s: %s", each[i].claims, jwt_verdict_name(verdict));
    }
}

static void a_subject_that_is_no_uuid_is_none(void **state)
{
    struct world *w = *state;
    const char *each[] = {"{}", "{\"sub\":\"alice\"}", "{\"sub\":7}", "{\"sub\":\"" SUB "0\"}"};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct jwt_rules rules = {.now_us = NOW_S * USEC_PER_SEC};
        struct jwt_claims claims = {.has_sub = true};
        char *token = signer_token(w->secret, "{\"alg\":\"HS256\"}", each[i]);
        assert_int_equal(verify(w, token, &rules, &claims), JWT_VALID);
        assert_false(claims.has_sub);
        assert_string_equal(claims.role, "");
        free(token);
    }
}

static void issuer_and_audience_are_checked_when_given(void **state)
{
    struct world *w = *state;
    const struct {
        const char *claims, *issuer, *audience;
        enum jwt_verdict verdict;
    } each[] = {
        {"{\"iss\":\"a\"}", "a", NULL, JWT_VALID},
        {"{\"iss\":\"A\"}", "a", NULL, JWT_ISSUER},
        {"{\"iss\":[\"a\"]}", "a", NULL, JWT_ISSUER},
        {"{}", "a", NULL, JWT_ISSUER},
        {"{\"aud\":\"x\"}", NULL, "x", JWT_VALID},
        {"{\"aud\":[\"y\",\"x\"]}", NULL, "x", JWT_VALID},
        {"{\"aud\":[\"y\",7]}", NULL, "x", JWT_AUDIENCE},
        {"{\"aud\":{\"x\":\"x\"}}", NULL, "x", JWT_AUDIENCE},
        {"{}", NULL, "x", JWT_AUDIENCE},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct jwt_rules rules = {each[i].issuer, each[i].audience, NOW_S * USEC_PER_SEC};
        char *token = signer_token(w->secret, "{\"alg\":\"HS256\"}", each[i].claims);
        assert_int_equal(verify(w, token, &rules, NULL), each[i].verdict);
        free(token);
    }
}

/* ---- lies about the algorithm and the key ---- */

static void the_header_does_not_choose_how_a_key_is_used(void **state)
{
    struct world *w = *state;
    const struct {
        const struct signer *signer;
        const char *header;
        enum jwt_verdict verdict;
    } each[] = {
        {w->rsa, "{\"alg\":\"HS256\"}", JWT_BAD_SIGNATURE},
        {w->rsa, "{\"alg\":\"ES256\",\"kid\":\"r\"}", JWT_UNKNOWN_KEY},
        {w->secret, "{\"alg\":\"RS256\",\"kid\":\"r\"}", JWT_BAD_SIGNATURE},
        {w->secret, "{\"alg\":\"none\"}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":\"None\"}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":\"\"}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":null}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":[\"HS256\"]}", JWT_ALGORITHM},
        {w->secret, "{}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":\"HS512\"}", JWT_ALGORITHM},
        {w->rsa, "{\"alg\":\"PS256\",\"kid\":\"r\"}", JWT_ALGORITHM},
        {w->secret, "{\"alg\":\"none\",\"alg\":\"HS256\"}", JWT_MALFORMED},
        {w->secret, "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", JWT_MALFORMED},
        {w->secret, "{\"alg\":\"HS256\",\"kid\":7}", JWT_MALFORMED},
        {w->secret, "[\"HS256\"]", JWT_MALFORMED},
        {w->other_rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", JWT_BAD_SIGNATURE},
        {w->other_rsa, "{\"alg\":\"RS256\",\"kid\":\"new\"}", JWT_UNKNOWN_KEY},
        {w->other_rsa, "{\"alg\":\"RS256\"}", JWT_UNKNOWN_KEY},
        {w->ec, "{\"alg\":\"ES256\",\"kid\":\"r\"}", JWT_UNKNOWN_KEY},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        enum jwt_verdict verdict =
            judge(w, each[i].signer, each[i].header, "{\"role\":\"service_role\"}");
        if (verdict != each[i].verdict)
            fail_msg("%s: %s", each[i].header, jwt_verdict_name(verdict));
    }
}

/* The classic: the public key, which everybody has, taken for an HMAC secret. */
static void a_public_key_is_never_a_shared_secret(void **state)
{
    struct world *w = *state;
    char *pem = signer_pem(w->rsa), *jwk = signer_jwk(w->rsa, "");
    const char *texts[] = {pem, jwk};
    for (int i = 0; i < 2; i++) {
        struct signer *liar = signer_secret(texts[i]);
        struct jwt_keys *keys = NULL;
        struct errmsg msg = {{0}};
        assert_int_equal(judge(w, liar, "{\"alg\":\"HS256\",\"kid\":\"r\"}", "{}"),
                         JWT_BAD_SIGNATURE);
        assert_int_equal(jwt_keys_secret(texts[i], strlen(texts[i]), &keys, &msg), ERR_INVALID);
        assert_null(keys);
        signer_free(liar);
    }
    free(pem);
    free(jwk);
}

static void a_token_is_three_parts_of_base64url(void **state)
{
    struct world *w = *state;
    char *good = signer_token(w->secret, "{\"alg\":\"HS256\"}", "{}");
    char *padded = mem_printf("%s=", good), *space = mem_printf("%s ", good);
    char *four = mem_printf("%s.e30", good), *five = mem_printf("%s.e30.e30", good);
    char *unsigned_one = mem_strndup(good, (size_t)(strrchr(good, '.') + 1 - good));
    char *two = mem_strndup(good, strlen(unsigned_one) - 1);
    const char *bad[] = {padded,     space,         four,    five,          unsigned_one, two,
                         "",         ".",           "..",    "...",         "a.b.c",      "null",
                         "{}.{}.{}", "e30.e30.e30", "=.=.=", "\xff\xfe.a.b"};
    assert_int_equal(verify_now(w, good), JWT_VALID);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_not_equal(verify_now(w, bad[i]), JWT_VALID);
    free(good);
    free(padded);
    free(space);
    free(four);
    free(five);
    free(unsigned_one);
    free(two);
}

/* The last character of a signature holds bits that mean nothing: they must be nought, or one token
 * could be written in several ways. */
static void a_token_is_written_in_one_way(void **state)
{
    struct world *w = *state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const struct signer *signers[] = {w->secret, w->ec};
    const char *headers[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"ES256\"}"};
    for (int s = 0; s < 2; s++) {
        char *token = signer_token(signers[s], headers[s], "{}");
        char *last = token + strlen(token) - 1;
        assert_int_equal(verify_now(w, token), JWT_VALID);
        *last = alphabet[(strchr(alphabet, *last) - alphabet) ^ 1];
        assert_int_equal(verify_now(w, token), JWT_MALFORMED);
        free(token);
    }
}

static void one_changed_character_spoils_a_token(void **state)
{
    struct world *w = *state;
    const struct signer *signers[] = {w->secret, w->ec};
    const char *headers[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"ES256\"}"};
    for (int s = 0; s < 2; s++) {
        char *token = signer_token(signers[s], headers[s], "{" ROLE "}");
        size_t n = strlen(token);
        for (size_t i = 0; i < n; i++) {
            char was = token[i];
            token[i] = was == 'A' ? 'B' : 'A';
            assert_int_not_equal(verify_now(w, token), JWT_VALID);
            token[i] = was;
        }
        for (size_t cut = 1; cut < n; cut++) {
            struct jwt_rules rules = {.now_us = NOW_S * USEC_PER_SEC};
            const struct jwt_keys *sets[] = {w->secret_keys, w->set};
            struct jwt_claims claims;
            assert_int_not_equal(jwt_verify(sets, 2, token, n - cut, &rules, &claims), JWT_VALID);
        }
        free(token);
    }
}

static void a_token_past_its_limit_is_not_looked_at(void **state)
{
    struct world *w = *state;
    for (int over = 0; over < 2; over++) {
        /* 20 + 1 + claims * 4 / 3 + 1 + 43 characters */
        size_t room = over ? 12300 : 12200;
        char *filler = mem_alloc(room), *claims;
        memset(filler, 'x', room - 1);
        claims = mem_printf("{\"a\":\"%s\"}", filler);
        char *token = signer_token(w->secret, "{\"alg\":\"HS256\"}", claims);
        assert_int_equal(strlen(token) > JWT_MAX, over);
        assert_int_equal(verify_now(w, token), over ? JWT_MALFORMED : JWT_VALID);
        free(filler);
        free(claims);
        free(token);
    }
}

/* ---- key sets ---- */

static void keys_that_may_not_verify_are_passed_over(void **state)
{
    struct world *w = *state;
    const struct {
        const struct signer *signer;
        const char *members;
        size_t count;
    } each[] = {
        {w->rsa, "", 1},
        {w->rsa, ",\"alg\":\"RS256\",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"]", 1},
        {w->rsa, ",\"alg\":\"RS512\"", 0},
        {w->rsa, ",\"alg\":\"HS256\"", 0},
        {w->rsa, ",\"use\":\"enc\"", 0},
        {w->rsa, ",\"use\":7", 0},
        {w->rsa, ",\"key_ops\":[\"encrypt\"]", 0},
        {w->rsa, ",\"key_ops\":\"verify\"", 0},
        {w->rsa, ",\"kid\":7", 0},
        {w->ec, "", 1},
        {w->ec, ",\"alg\":\"ES256\"", 1},
        {w->ec, ",\"alg\":\"ES384\"", 0},
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct jwt_keys *keys = only(each[i].signer, each[i].members);
        if (jwt_keys_count(keys) != each[i].count)
            fail_msg("%s: %zu keys", each[i].members, jwt_keys_count(keys));
        jwt_keys_free(keys);
    }
}

static void weak_and_broken_keys_are_passed_over(void **state)
{
    (void)state;
    struct signer *weak = signer_rsa(1024);
    struct jwt_keys *keys = only(weak, "");
    assert_int_equal(jwt_keys_count(keys), 0);
    jwt_keys_free(keys);
    signer_free(weak);
    static const char *const each[] = {
        /* a symmetric key, as if it were public */
        "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
        "1qS0gZH75aKtMN3Yj0\"}",
        /* the x of RFC 7515, A.3, with another y: not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWJ5a0\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83O\",\"y\":\"x_FE\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"++++\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\"}",
        "{}",
        "7",
        "null",
    };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        char *text = mem_printf("{\"keys\":[%s]}", each[i]);
        keys = parse(text);
        if (jwt_keys_count(keys) != 0)
            fail_msg("%s", text);
        jwt_keys_free(keys);
        free(text);
    }
}

/* With an exponent of one, every message is its own signature. */
static void an_rsa_key_that_anybody_could_sign_for_is_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *e;
        size_t count;
    } each[] = {{"AQAB", 1}, {"Aw", 1},   {"AAAD", 1}, {"AQ", 0},
                {"AA", 0},   {"AAAB", 0}, {"Ag", 0},   {"AQAAAAAAAAAB", 0}};
    const char *n = strstr(a2_key, "\"n\":"), *end = strchr(n + 5, ']');
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        char *text = mem_printf("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"%s\",%.*s]}", each[i].e,
                                (int)(end - n), n);
        struct jwt_keys *keys = parse(text);
        if (jwt_keys_count(keys) != each[i].count)
            fail_msg("e = %s: %zu keys", each[i].e, jwt_keys_count(keys));
        jwt_keys_free(keys);
        free(text);
    }
}

static char *many_keys(size_t n)
{
    char *text = mem_strdup("{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        char *longer = mem_printf("%s%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%zu\","
                                  "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
                                  text, i == 0 ? "" : ",", i);
        free(text);
        text = longer;
    }
    char *whole = mem_printf("%s]}", text);
    free(text);
    return whole;
}

static void a_set_has_limits(void **state)
{
    (void)state;
    char *most = many_keys(64), *over = many_keys(65);
    struct jwt_keys *keys = parse(most), *none = NULL;
    assert_int_equal(jwt_keys_count(keys), 64);
    jwt_keys_free(keys);
    assert_int_equal(jwt_keys_parse(over, strlen(over), &none, NULL), ERR_TOO_BIG);
    char *large = mem_alloc(JWK_SET_MAX + 2);
    memset(large, ' ', JWK_SET_MAX + 1);
    memcpy(large, "{\"keys\":[]}", 11);
    assert_int_equal(jwt_keys_parse(large, JWK_SET_MAX + 1, &none, NULL), ERR_TOO_BIG);
    assert_int_equal(jwt_keys_parse(large, JWK_SET_MAX, &keys, NULL), OK);
    assert_int_equal(jwt_keys_count(keys), 0);
    jwt_keys_free(keys);
    static const char *const bad[] = {"", "{", "[]", "{}", "{\"keys\":{}}", "<html>", "null"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(jwt_keys_parse(bad[i], strlen(bad[i]), &none, NULL), ERR_INVALID);
    assert_null(none);
    free(most);
    free(over);
    free(large);
}

/* Eight guesses for a token without a name; a key's name leads straight to it. */
static void a_token_without_a_name_tries_a_bounded_number_of_keys(void **state)
{
    struct world *w = *state;
    for (size_t others = 7; others < 9; others++) {
        char *list = many_keys(others), *jwk = signer_jwk(w->ec, ",\"kid\":\"me\"");
        char *text = mem_printf("%.*s,%s]}", (int)strlen(list) - 2, list, jwk);
        struct jwt_keys *keys = parse(text);
        char *bare = signer_token(w->ec, "{\"alg\":\"ES256\"}", "{}");
        char *named = signer_token(w->ec, "{\"alg\":\"ES256\",\"kid\":\"me\"}", "{}");
        assert_int_equal(rfc(keys, bare, 0, NULL), others == 7 ? JWT_VALID : JWT_UNKNOWN_KEY);
        assert_int_equal(rfc(keys, named, 0, NULL), JWT_VALID);
        jwt_keys_free(keys);
        free(list);
        free(jwk);
        free(text);
        free(bare);
        free(named);
    }
}

static void the_role_can_be_read_without_belief(void **state)
{
    struct world *w = *state;
    char role[JWT_ROLE_SIZE] = "as before";
    char *token = signer_token(w->other_rsa, "{\"alg\":\"none\"}", "{\"role\":\"anon\"}");
    assert_true(jwt_unverified_role(token, strlen(token), role));
    assert_string_equal(role, "anon");
    assert_false(jwt_unverified_role("sb_secret_x", 11, role));
    assert_false(jwt_unverified_role("e30.e30.e30", 11, role));
    assert_false(jwt_unverified_role("", 0, role));
    assert_string_equal(role, "anon");
    free(token);
}

static void a_secret_is_long_enough_and_never_quoted(void **state)
{
    (void)state;
    struct jwt_keys *keys = NULL;
    struct errmsg msg = {{0}};
    assert_int_equal(jwt_keys_secret("hush-hush-of-only-31-characters", 31, &keys, &msg),
                     ERR_INVALID);
    assert_null(strstr(msg.text, "hush"));
    assert_null(keys);
    assert_int_equal(jwt_keys_secret("hush-hush--of--just-32-characters", 32, &keys, &msg), OK);
    jwt_keys_free(keys);
    jwt_keys_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_7515_are_valid_until_they_expire),
        cmocka_unit_test(a_token_gives_its_role_and_its_subject),
        cmocka_unit_test(claims_are_read_strictly),
        cmocka_unit_test(a_subject_that_is_no_uuid_is_none),
        cmocka_unit_test(issuer_and_audience_are_checked_when_given),
        cmocka_unit_test(the_header_does_not_choose_how_a_key_is_used),
        cmocka_unit_test(a_public_key_is_never_a_shared_secret),
        cmocka_unit_test(a_token_is_three_parts_of_base64url),
        cmocka_unit_test(a_token_is_written_in_one_way),
        cmocka_unit_test(one_changed_character_spoils_a_token),
        cmocka_unit_test(a_token_past_its_limit_is_not_looked_at),
        cmocka_unit_test(keys_that_may_not_verify_are_passed_over),
        cmocka_unit_test(weak_and_broken_keys_are_passed_over),
        cmocka_unit_test(an_rsa_key_that_anybody_could_sign_for_is_passed_over),
        cmocka_unit_test(a_set_has_limits),
        cmocka_unit_test(a_token_without_a_name_tries_a_bounded_number_of_keys),
        cmocka_unit_test(the_role_can_be_read_without_belief),
        cmocka_unit_test(a_secret_is_long_enough_and_never_quoted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
