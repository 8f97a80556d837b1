/* In: token counts and a price. Out: micro-dollars, in integers alone. */
#include "job/price.h"

__extension__ typedef unsigned __int128 wide; /* tokens x micro-dollars, without overflow */

#define TOKENS_PER_PRICE 1000000u

void usage_add(struct usage *sum, const struct usage *u)
{
    sum->input += u->input;
    sum->output += u->output;
    sum->cache_read += u->cache_read;
    sum->cache_write_5m += u->cache_write_5m;
    sum->cache_write_1h += u->cache_write_1h;
}

int64_t usage_prompt(const struct usage *u)
{
    return u->input + u->cache_read + u->cache_write_5m + u->cache_write_1h;
}

static wide product(int64_t tokens, int64_t price)
{
    return tokens > 0 && price > 0 ? (wide)tokens * (wide)price : 0;
}

int64_t price_usage(const struct price *p, const struct usage *u)
{
    wide sum = product(u->input, p->input) + product(u->output, p->output) +
               product(u->cache_read, p->cache_read) +
               product(u->cache_write_5m, p->cache_write_5m) +
               product(u->cache_write_1h, p->cache_write_1h);
    wide cost = (sum + TOKENS_PER_PRICE / 2) / TOKENS_PER_PRICE;
    return cost > INT64_MAX ? INT64_MAX : (int64_t)cost;
}
