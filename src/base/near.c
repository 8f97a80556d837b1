/* In: two words. Out: how far one is from the other. */
#include "base/near.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

/* How many letters must be changed, left out or added (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], n = strlen(b);
    if (n > WORD_MAX)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            size_t gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < gap ? change : gap;
        }
    }
    return row[n];
}

void near_consider(struct near *n, const char *candidate, size_t len)
{
    char text[WORD_MAX];
    (void)snprintf(text, sizeof text, "%.*s", (int)len, candidate);
    size_t d = distance(n->word, text);
    /* The start of a longer word is a good guess too. */
    if (strncmp(text, n->word, strlen(n->word)) == 0 && strlen(n->word) >= 2)
        d = d < 2 ? d : 2;
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}
