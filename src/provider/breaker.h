/* In: calls that were refused or never answered, calls that were answered, time. Out: when the
 * provider may be asked again. Where everything fails it is asked less and less, and one call at a
 * time until one is answered. Pure. */
#ifndef PROVIDER_BREAKER_H
#define PROVIDER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES   5 /* in a row, before it opens */
#define BREAKER_FIRST_US   ((int64_t)1000000)
#define BREAKER_LONGEST_US ((int64_t)64000000) /* doubled up to this */
#define BREAKER_LOOK_US    ((int64_t)100000)   /* while the one that was sent is not answered */

struct breaker {
    int failures; /* in a row, with no answer in between */
    int openings; /* the same */
    int64_t open_until_us;
};

/* No call was answered since it opened, or since breaker_doubt(). */
bool breaker_is_open(const struct breaker *b);
/* When one more may be sent; `unanswered` are on their way. now_us when at once. */
int64_t breaker_when(const struct breaker *b, int64_t unanswered, int64_t now_us);
/* told_us: how long the provider asked to wait; < 0: it did not. */
void breaker_failed(struct breaker *b, int64_t told_us, int64_t now_us);
void breaker_answered(struct breaker *b);
/* Nobody was asked for a while, for good reasons: the first call is to show whether they hold. */
void breaker_doubt(struct breaker *b);

#endif
