/* In: the model catalogue (YAML) and token counts. Out: what a call cost, in integer
 * micro-dollars. Pure. */
#ifndef JOB_PRICE_H
#define JOB_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct usage {     /* tokens of one call, or a sum */
    int64_t input; /* uncached */
    int64_t output;
    int64_t cache_read, cache_write_5m, cache_write_1h;
};
void usage_add(struct usage *sum, const struct usage *u);
int64_t usage_prompt(const struct usage *u); /* input + cache reads + cache writes */

struct price { /* micro-dollars per million tokens */
    int64_t input, output, cache_read, cache_write_5m, cache_write_1h;
};
/* All classes summed, divided once, rounded half up. Counts and prices are not negative. */
int64_t price_usage(const struct price *p, const struct usage *u);

struct catalog;
struct model {
    const char *id, *name, *rate_class; /* rate_class: models that share the provider's buckets */
    const char *api_version;            /* anthropic-version to send */
    bool sampling;                      /* temperature and friends are accepted */
    bool schema;                        /* output_config.format is accepted */
    int64_t context_tokens, max_output_tokens;
};

/* data/models.yaml or the user's own; errors name file and line. Owned. Models that are not allowed
 * are left out of what the next three functions show, but keep their prices. */
enum err catalog_parse(const char *yaml, size_t n, const char *file, struct catalog **ret_catalog,
                       struct errmsg *msg) MUST_CHECK;
void catalog_free(struct catalog *c);
/* By id or alias; NULL when unknown or not allowed. Borrowed. */
const struct model *catalog_model(const struct catalog *c, const char *id_or_alias);
/* ERR_INVALID, with those that there are, when it is none of them. NULL is any. */
enum err catalog_check_model(const struct catalog *catalog, const char *where, const char *name,
                             struct errmsg *msg) MUST_CHECK;
const struct model *catalog_default(const struct catalog *c);
const struct model *catalog_at(const struct catalog *c, size_t i); /* NULL past the end */
/* The price in force at wall_us for a prompt of that many tokens (usage_prompt()); by id or alias.
 * ERR_NOT_FOUND: none is. */
enum err catalog_price(const struct catalog *c, const char *model_id, int64_t wall_us,
                       int64_t prompt_tokens, struct price *ret_price) MUST_CHECK;

/* Tokens of a text before the provider has counted it: an estimate, never 0. For English prose it
 * lies between the two usual rules, 1.33 tokens a word and 4 bytes a token; JSON counts more, for
 * its punctuation. */
int64_t tokens_estimate(const char *text, size_t n);
#define TOKENS_BYTES 4.0 /* bytes of an answer's token, until exact calls have taught better */

/* What a cut call produced by now: `seen` tokens, and half of what its stream makes in the time for
 * which text may go unseen (it is read and saved at ticks; the cut fell somewhere between two);
 * unbiased, for the ledger's estimated calls. */
#define TOKENS_READ_TICK_US ((int64_t)100000) /* between two reads of a stream's socket */
#define TOKENS_WAY_US       ((int64_t)40000) /* from the model to us, and until it notices our end */
#define TOKENS_SAVE_TICK_US ((int64_t)100000) /* between two saves of its text */
int64_t tokens_after_cut(int64_t seen, int64_t tokens_per_second, int64_t unseen_us);

#define TOKENS_SAVES 4000 /* a second at most, of all running calls together */
/* Between two saves of a call's text while so many run: `least_us`, or as long as so many saves
 * take. */
int64_t tokens_save_tick_us(int64_t running, int64_t least_us);

#endif
