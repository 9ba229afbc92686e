/* random -- counter-based random numbers, the same for any number of threads. */
#ifndef WEFT_RANDOM_H
#define WEFT_RANDOM_H

#include <stdint.h>

/* Philox 4x32-10 (Salmon et al., 2011): number i depends on (seed, stream) and i alone, so results repeat whatever the
 * number of threads. A stream is any 64-bit label: a purpose, a step, a layer. */
typedef struct Rng {
    uint64_t seed, stream, position; /* position counts 32-bit draws */
} Rng;
void rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]);
uint32_t rng_u32(Rng *rng);
uint64_t rng_below(Rng *rng, uint64_t bound); /* uniform on [0, bound), no modulo bias; bound > 0 */
double rng_uniform(Rng *rng);                 /* [0, 1), 53 bits */
double rng_normal(Rng *rng);                  /* Box-Muller, two 53-bit draws, nothing cached */

#endif
