/* In: documents, time, tokens with unknown keys. Out: when to fetch, and the last good keys. */
#include "api/jwks.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

struct jwks {
    struct loop *loop;
    struct jwks_source source;
    struct jwt_keys *keys; /* the last good ones, or NULL */
    struct rng rng;
    bool fetching;
    bool wanted;             /* the next fetch is by need */
    unsigned failures;       /* in a row */
    int64_t wanted_us;       /* from then on an unknown key may bring a fetch */
    struct loop_timer timer; /* fetching: the end of patience; else: the next fetch */
};

static void on_timer(void *ctx);

static void fetch(struct jwks *jwks)
{
    int64_t now = loop_now(jwks->loop);
    jwks->fetching = true;
    if (jwks->wanted) {
        jwks->wanted = false;
        jwks->wanted_us = now + JWKS_WANT_US;
    }
    timer_set(jwks->loop, &jwks->timer, now + JWKS_FETCH_US, on_timer, jwks);
    jwks->source.start(jwks->source.ctx, jwks);
}

static void on_timer(void *ctx)
{
    struct jwks *jwks = ctx;
    if (!jwks->fetching) {
        fetch(jwks);
        return;
    }
    jwks->source.stop(jwks->source.ctx);
    jwks_arrived(jwks, ERR_TIMEOUT, NULL, 0, "it did not come in time");
}

/* Nodes that were refused together do not come back together. */
static int64_t retry_delay(struct jwks *jwks)
{
    int64_t delay = JWKS_RETRY_US;
    for (unsigned i = 1; i < jwks->failures && delay < JWKS_RETRY_MAX_US; i++)
        delay *= 2;
    if (delay > JWKS_RETRY_MAX_US)
        delay = JWKS_RETRY_MAX_US;
    return (int64_t)((double)delay * (0.5 + rng_unit(&jwks->rng)));
}

static void take(struct jwks *jwks, struct jwt_keys *keys)
{
    if (jwks->keys == NULL || jwks->failures > 0)
        log_info(NULL, "the JWK set is here; usable keys: %zu", jwt_keys_count(keys));
    jwt_keys_free(jwks->keys);
    jwks->keys = keys;
    jwks->failures = 0;
}

/* Said once, not at every attempt. */
static void note_failure(struct jwks *jwks, const char *why)
{
    jwks->failures++;
    if (jwks->failures == 1)
        log_warn(NULL, "the JWK set cannot be had: %s; %s; trying again", why,
                 jwks->keys == NULL ? "no token is accepted by it yet" : "the last good one stays");
}

/* A set without a usable key is a mistake at its source, or the answer of something else there. */
static enum err read_set(const char *text, size_t n, struct jwt_keys **ret_keys, struct errmsg *msg)
{
    struct jwt_keys *keys = NULL;
    enum err e = jwt_keys_parse(text, n, &keys, msg);
    if (e == OK && jwt_keys_count(keys) == 0) {
        jwt_keys_free(keys);
        return err_set(msg, ERR_INVALID, "it has no key for RS256 or ES256");
    }
    if (e == OK)
        *ret_keys = keys;
    return e;
}

void jwks_arrived(struct jwks *jwks, enum err err, const char *text, size_t n, const char *why)
{
    struct jwt_keys *keys = NULL;
    struct errmsg msg = {{0}};
    if (err == OK) {
        err = read_set(text, n, &keys, &msg);
        why = msg.text;
    }
    int64_t delay = JWKS_EVERY_US;
    if (err == OK) {
        take(jwks, keys);
    } else {
        note_failure(jwks, why);
        delay = retry_delay(jwks);
    }
    jwks->fetching = false;
    timer_set(jwks->loop, &jwks->timer, loop_now(jwks->loop) + delay, on_timer, jwks);
}

struct jwks *jwks_new(struct loop *loop, const struct jwks_source *source, uint64_t seed)
{
    struct jwks *jwks = mem_alloc(sizeof *jwks);
    jwks->loop = loop;
    jwks->source = *source;
    jwks->rng = rng_seed(seed, 0);
    fetch(jwks);
    return jwks;
}

void jwks_free(struct jwks *jwks)
{
    if (jwks == NULL)
        return;
    if (jwks->fetching)
        jwks->source.stop(jwks->source.ctx);
    timer_stop(jwks->loop, &jwks->timer);
    jwt_keys_free(jwks->keys);
    free(jwks);
}

const struct jwt_keys *jwks_keys(const struct jwks *jwks)
{
    return jwks->keys;
}

void jwks_want(struct jwks *jwks)
{
    if (jwks->fetching)
        return;
    int64_t at = jwks->wanted_us, now = loop_now(jwks->loop);
    if (at < now)
        at = now;
    if (at >= jwks->timer.node.key)
        return;
    jwks->wanted = true;
    timer_set(jwks->loop, &jwks->timer, at, on_timer, jwks);
}
