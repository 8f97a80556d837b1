/* In: nothing. Out: the word lists and sentence patterns of the simulated provider. A pattern's
 * {name} stands for any item of that list, {topic} and {title} for what the prompt asked for. */
#ifndef PROVIDER_SIM_SIM_GRAMMAR_H
#define PROVIDER_SIM_SIM_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

#include "provider/sim/sim_words.h"

struct grammar_list {
    const char *name;
    const char *const *items;
    uint32_t n;
};

#define GRAMMAR_LISTS_MAX 48
extern const struct grammar_list grammar_lists[];
extern const size_t grammar_n_lists;
extern const struct grammar_list grammar_heading_heads, grammar_heading_tails;

const struct grammar_list *grammar_find(const char *name, size_t n); /* NULL when unknown */
const struct grammar_list *grammar_role(enum words_role role);

#endif
