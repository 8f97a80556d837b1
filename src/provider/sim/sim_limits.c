/* In: requests and tokens. Out: continuous token buckets per rate class, and their headers. */
#include "provider/sim/sim_limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define CLASSES_MAX    32
#define CLASS_NAME_MAX 64
#define TOKEN_ROUNDING 1000

static const int64_t scale_tier[LIMITS_FAMILY_MAX] = {
    [LIMITS_REQUESTS] = 10000, [LIMITS_INPUT] = 10000000, [LIMITS_OUTPUT] = 2000000};
static const char *const family_names[LIMITS_FAMILY_MAX] = {
    [LIMITS_REQUESTS] = "requests", [LIMITS_INPUT] = "input", [LIMITS_OUTPUT] = "output"};

struct level {
    double tokens;
    int64_t at_us;
    bool used; /* else full */
};

struct limits {
    double per_us[LIMITS_FAMILY_MAX], capacity[LIMITS_FAMILY_MAX];
    int64_t per_minute[LIMITS_FAMILY_MAX];
    struct {
        char name[CLASS_NAME_MAX];
        struct level levels[LIMITS_FAMILY_MAX];
    } classes[CLASSES_MAX];
    size_t n;
};

struct limits *limits_new(const struct limits_config *config)
{
    struct limits *l = mem_alloc(sizeof(*l));
    int64_t burst_us = config->burst_us > 0 ? config->burst_us : 5 * USEC_PER_SEC;
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++) {
        int64_t limit = config->per_minute[f] > 0 ? config->per_minute[f] : scale_tier[f];
        l->per_minute[f] = llround((double)limit * config->speed);
        l->per_us[f] = (double)l->per_minute[f] / 60e6;
        l->capacity[f] = fmax(1, l->per_us[f] * (double)burst_us / config->speed);
    }
    return l;
}

void limits_free(struct limits *l)
{
    free(l);
}

void limits_reset(struct limits *l)
{
    l->n = 0;
}

/* The class's buckets, refilled until now. Classes past the maximum share the last one. */
static struct level *levels_of(struct limits *l, const char *rate_class, int64_t now_us)
{
    size_t i = 0;
    while (i < l->n && strncmp(l->classes[i].name, rate_class, CLASS_NAME_MAX - 1) != 0)
        i++;
    if (i == CLASSES_MAX)
        i = CLASSES_MAX - 1;
    if (i == l->n) {
        memset(&l->classes[i], 0, sizeof(l->classes[i]));
        snprintf(l->classes[i].name, CLASS_NAME_MAX, "%s", rate_class);
        l->n++;
    }
    struct level *levels = l->classes[i].levels;
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++) {
        double refill =
            levels[f].used ? l->per_us[f] * (double)(now_us - levels[f].at_us) : l->capacity[f];
        levels[f].tokens = fmin(l->capacity[f], levels[f].tokens + refill);
        levels[f].at_us = now_us;
        levels[f].used = true;
    }
    return levels;
}

bool limits_admit(struct limits *l, const char *rate_class, int64_t input_tokens, int64_t now_us,
                  struct limits_refusal *ret_refusal)
{
    struct level *levels = levels_of(l, rate_class, now_us);
    double need[LIMITS_FAMILY_MAX] = {
        [LIMITS_REQUESTS] = 1, [LIMITS_INPUT] = (double)input_tokens, [LIMITS_OUTPUT] = 0};
    struct limits_refusal worst = {.wait_us = -1};
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++) {
        /* What no full bucket holds is let through by a full one, which then owes the rest. */
        double missing = fmin(need[f], l->capacity[f]) - levels[f].tokens;
        int64_t wait_us = missing > 1e-6 ? (int64_t)ceil(missing / l->per_us[f]) : 0;
        if (wait_us > 0 && wait_us > worst.wait_us)
            worst = (struct limits_refusal){.family = (enum limits_family)f, .wait_us = wait_us};
    }
    if (worst.wait_us >= 0) {
        *ret_refusal = worst;
        return false;
    }
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++)
        levels[f].tokens -= need[f];
    return true;
}

void limits_output(struct limits *l, const char *rate_class, int64_t tokens, int64_t now_us)
{
    levels_of(l, rate_class, now_us)[LIMITS_OUTPUT].tokens -= (double)tokens;
}

struct told { /* one family as the headers show it */
    int64_t limit, remaining, reset_us;
};

static struct told tell_one(const struct limits *l, const struct level *levels, int f,
                            const struct limits_refusal *refused, int64_t wall_us)
{
    double level = fmax(0, levels[f].tokens);
    if (refused != NULL && refused->family == (enum limits_family)f)
        level = 0;
    int64_t remaining = (int64_t)level;
    if (f != LIMITS_REQUESTS)
        remaining = llround(level / TOKEN_ROUNDING) * TOKEN_ROUNDING;
    int64_t full_us = llround((l->capacity[f] - levels[f].tokens) / l->per_us[f]);
    return (struct told){
        .limit = l->per_minute[f], .remaining = remaining, .reset_us = wall_us + full_us};
}

static void put_told(struct limits_headers *h, size_t at, const struct told *told)
{
    static const char *const names[LIMITS_HEADERS] = {
        "anthropic-ratelimit-requests-limit",         "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",         "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-output-tokens-limit",    "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",    "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",       "anthropic-ratelimit-tokens-reset"};
    for (size_t i = at; i < at + 3; i++)
        h->names[i] = names[i];
    snprintf(h->values[at], sizeof(h->values[at]), "%lld", (long long)told->limit);
    snprintf(h->values[at + 1], sizeof(h->values[at]), "%lld", (long long)told->remaining);
    clock_iso(told->reset_us, h->values[at + 2]);
}

void limits_tell(struct limits *l, const char *rate_class, const struct limits_refusal *refused,
                 int64_t now_us, int64_t wall_us, struct limits_headers *ret_headers)
{
    const struct level *levels = levels_of(l, rate_class, now_us);
    struct told told[LIMITS_FAMILY_MAX];
    for (int f = 0; f < LIMITS_FAMILY_MAX; f++) {
        told[f] = tell_one(l, levels, f, refused, wall_us);
        put_told(ret_headers, (size_t)f * 3, &told[f]);
    }
    const struct told *in = &told[LIMITS_INPUT], *out = &told[LIMITS_OUTPUT];
    struct told both = {.limit = in->limit + out->limit,
                        .remaining = in->remaining + out->remaining,
                        .reset_us = in->reset_us > out->reset_us ? in->reset_us : out->reset_us};
    put_told(ret_headers, 9, &both);
}

json_t *limits_state(struct limits *l, int64_t now_us)
{
    json_t *state = json_object();
    for (size_t i = 0; i < l->n; i++) {
        const struct level *levels = levels_of(l, l->classes[i].name, now_us);
        json_t *class = json_object();
        for (int f = 0; f < LIMITS_FAMILY_MAX; f++)
            json_object_set_new(class, family_names[f],
                                json_pack("{s:I, s:f, s:f}", "limit", (json_int_t)l->per_minute[f],
                                          "level", levels[f].tokens, "capacity", l->capacity[f]));
        json_object_set_new(state, l->classes[i].name, class);
    }
    return state;
}
