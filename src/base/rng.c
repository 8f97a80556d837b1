/* In: a seed, or the kernel. Out: random numbers. */
#include "base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

struct rng rng_seed(uint64_t seed, uint64_t stream)
{
    struct rng r = {.state = 0, .inc = (stream << 1) | 1};
    (void)rng_u32(&r);
    r.state += seed;
    (void)rng_u32(&r);
    return r;
}

uint32_t rng_u32(struct rng *r)
{
    uint64_t old = r->state;
    r->state = old * 6364136223846793005u + r->inc;
    uint32_t x = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t rot = (uint32_t)(old >> 59);
    return (x >> rot) | (x << ((32 - rot) & 31));
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    if (n == 0)
        return 0;
    uint32_t floor = (0u - n) % n;
    uint32_t x;
    do {
        x = rng_u32(r);
    } while (x < floor);
    return x % n;
}

double rng_unit(struct rng *r)
{
    return (double)rng_u32(r) / 4294967296.0;
}

double rng_normal(struct rng *r)
{
    double u = 1.0 - rng_unit(r), v = rng_unit(r);
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

void rng_secret(void *out, size_t n)
{
    unsigned char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t rng_seed_from_os(void)
{
    uint64_t seed;
    rng_secret(&seed, sizeof seed);
    return seed;
}
