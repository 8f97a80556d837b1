/* In: a word that nobody knows, and words that are known. Out: the one that was probably meant. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

struct near {
    const char *word;
    const char *best; /* borrowed; NULL: nothing is near */
    size_t distance;  /* of the best; begin with one more than may be wrong */
};
/* `len` bytes of the candidate are what the word is held against. */
void near_consider(struct near *n, const char *candidate, size_t len);

#endif
