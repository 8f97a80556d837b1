/* In: a text, or what is known of a cut stream. Out: an estimate of tokens. */
#include <stdbool.h>

#include "base/clock.h"
#include "job/price.h"

/* Tokenizers keep common words whole, split long ones, join a space to the word after it, and runs
 * of punctuation in pairs. Bytes of other scripts count as letters of short words. */
#define BYTES_PER_WORD_TOKEN  5
#define BYTES_PER_DIGIT_TOKEN 3
#define BYTES_PER_OTHER_TOKEN 3
#define BYTES_PER_PUNCT_TOKEN 2

__extension__ typedef __int128 wide; /* tokens per second x microseconds, without overflow */

enum byte_class { BYTE_LETTER, BYTE_DIGIT, BYTE_OTHER, BYTE_PUNCT, BYTE_SPACE, BYTE_NEWLINE };

static enum byte_class class_of(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return BYTE_LETTER;
    if (c >= '0' && c <= '9')
        return BYTE_DIGIT;
    if (c >= 0x80)
        return BYTE_OTHER;
    if (c == '\n' || c == '\r')
        return BYTE_NEWLINE;
    return c <= ' ' ? BYTE_SPACE : BYTE_PUNCT;
}

static int64_t run_tokens(enum byte_class class, size_t n)
{
    size_t per;
    switch (class) {
    case BYTE_LETTER:
        per = BYTES_PER_WORD_TOKEN;
        break;
    case BYTE_DIGIT:
        per = BYTES_PER_DIGIT_TOKEN;
        break;
    case BYTE_OTHER:
        per = BYTES_PER_OTHER_TOKEN;
        break;
    case BYTE_PUNCT:
        per = BYTES_PER_PUNCT_TOKEN;
        break;
    case BYTE_SPACE: /* one joins the word after it; indentation is a token */
        return n > 1 ? 1 : 0;
    case BYTE_NEWLINE:
    default:
        return 1;
    }
    return (int64_t)((n + per - 1) / per);
}

int64_t tokens_estimate(const char *text, size_t n)
{
    int64_t tokens = 0;
    for (size_t i = 0; i < n;) {
        enum byte_class class = class_of((unsigned char)text[i]);
        size_t start = i++;
        while (i < n && class_of((unsigned char)text[i]) == class)
            i++;
        tokens += run_tokens(class, i - start);
    }
    return tokens > 0 ? tokens : 1;
}

int64_t tokens_save_tick_us(int64_t running, int64_t least_us)
{
    int64_t us = running * USEC_PER_SEC / TOKENS_SAVES;
    return us > least_us ? us : least_us;
}

/* The cut fell somewhere between two looks, on average in the middle. */
int64_t tokens_after_cut(int64_t seen, int64_t tokens_per_second, int64_t unseen_us)
{
    wide unseen = (wide)tokens_per_second * unseen_us;
    if (unseen <= 0)
        return seen;
    int64_t half = (int64_t)((unseen + USEC_PER_SEC) / ((wide)2 * USEC_PER_SEC));
    return seen + half;
}
