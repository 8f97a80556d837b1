/* In: a seed. Out: a reproducible stream of pseudo-random numbers (PCG-XSH-RR 64/32 by
 * M. O'Neill, 2014). Not for secrets: those come from rng_secret(). */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state, inc;
};

struct rng rng_seed(uint64_t seed, uint64_t stream);
uint32_t rng_u32(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n-1, unbiased; 0 when n is 0 */
double rng_unit(struct rng *r);                /* [0, 1) */
double rng_normal(struct rng *r);              /* mean 0, deviation 1 */

void rng_secret(void *out, size_t n); /* from the kernel; aborts when it cannot */
uint64_t rng_seed_from_os(void);

#endif
