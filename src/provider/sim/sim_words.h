/* In: a seed, a topic, a section's title. Out: English sentences that read well and do not repeat
 * each other. The grammar behind the simulated provider's prose. */
#ifndef PROVIDER_SIM_SIM_WORDS_H
#define PROVIDER_SIM_SIM_WORDS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"

enum words_role {
    WORDS_OPEN,   /* names the section's title: the first sentence of a section */
    WORDS_CLAIM,  /* the five a paragraph is made of */
    WORDS_REASON, /* ... */
    WORDS_CASE,
    WORDS_TURN,
    WORDS_ADVICE,
    WORDS_SHORT,  /* three to eight words, to land on a length */
    WORDS_INTRO,  /* after the hook of a script */
    WORDS_ENDING, /* of a script */
    WORDS_VISUAL, /* what the picture shows; a phrase */
    WORDS_FINISH, /* the rest of a sentence that was cut; begins in the middle */
    WORDS_DESCRIBE,
    WORDS_POINT, /* a key point in an outline; a phrase */
    WORDS_ROLE_MAX
};

struct words;
/* Borrows `topic`. Two of the same seed say the same. */
struct words *words_new(uint64_t seed, const char *topic);
void words_free(struct words *w);                     /* takes NULL */
void words_title(struct words *w, const char *title); /* of the section; copied */
struct rng *words_rng(struct words *w);               /* for the caller's own choices */
/* Appends one sentence with its full stop (or phrase without) to `out`. Never the same twice, as
 * long as the grammar lasts. */
void words_say(struct words *w, enum words_role role, struct buf *out);
/* The i-th heading of a topic: each i gives another one (up to words_headings()). */
void words_heading(struct words *w, uint32_t i, struct buf *out);
uint32_t words_headings(void);
int words_in(const char *text, size_t n); /* how many words, by white space */

#endif
