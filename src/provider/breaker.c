/* In: failures in a row and time. Out: when the provider may be asked again. */
#include "provider/breaker.h"

bool breaker_is_open(const struct breaker *b)
{
    return b->failures >= BREAKER_FAILURES;
}

int64_t breaker_when(const struct breaker *b, int64_t unanswered, int64_t now_us)
{
    if (!breaker_is_open(b))
        return now_us;
    if (now_us < b->open_until_us)
        return b->open_until_us;
    return unanswered > 0 ? now_us + BREAKER_LOOK_US : now_us;
}

void breaker_failed(struct breaker *b, int64_t told_us, int64_t now_us)
{
    if (!breaker_is_open(b))
        b->failures++;
    /* What was on its way when it opened is the same trouble, not more of it. */
    if (!breaker_is_open(b) || now_us < b->open_until_us)
        return;
    int64_t wait_us = BREAKER_FIRST_US;
    for (int i = 0; i < b->openings && wait_us < BREAKER_LONGEST_US; i++)
        wait_us *= 2;
    b->openings++;
    b->open_until_us = now_us + (told_us > wait_us ? told_us : wait_us);
}

void breaker_answered(struct breaker *b)
{
    *b = (struct breaker){0};
}

void breaker_doubt(struct breaker *b)
{
    b->failures = BREAKER_FAILURES;
}
