/* Seeded random numbers: xoshiro256** seeded by splitmix64 (Blackman, Vigna 2018). Same seed, same
 * numbers, on every machine. */
#ifndef PROFILER_BASE_RNG_H
#define PROFILER_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct mop_rng {
    uint64_t s[4];
} mop_rng;

/* Starts the stream `stream` of `seed`: streams of one seed are independent for our purposes. */
void mop_rng_init(mop_rng *rng, uint64_t seed, uint64_t stream);

uint64_t mop_rng_u64(mop_rng *rng);

/* Uniform in [0, 1) with 53 bits. */
double mop_rng_uniform(mop_rng *rng);

/* Standard normal deviate (Box-Muller, one of the pair). */
double mop_rng_normal(mop_rng *rng);

/* Uniform in [0, n); n > 0. Without modulo bias. */
uint64_t mop_rng_below(mop_rng *rng, uint64_t n);

/* Fisher-Yates shuffle of n indices in place. */
void mop_rng_shuffle(mop_rng *rng, uint32_t *items, size_t n);

#endif
