/* random -- Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * The key is the seed; the counter is (block, stream). Draw number i of a stream is word i mod 4 of block i / 4.
 */
#include "weft/base/random.h"

#include <math.h>

void rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]) {
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c0, product1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ key0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ key1;
        c3 = (uint32_t)product0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The next `count` draws, each block computed once. */
static void draw_words(Rng *rng, uint32_t *out, unsigned count) {
    uint32_t block[4];
    for (unsigned i = 0; i < count; i++, rng->position++) {
        unsigned word = (unsigned)(rng->position % 4);
        if (i == 0 || word == 0) rng_block(rng->seed, rng->stream, rng->position / 4, block);
        out[i] = block[word];
    }
}

uint32_t rng_u32(Rng *rng) {
    uint32_t word;
    draw_words(rng, &word, 1);
    return word;
}

/* Lemire, "Fast random integer generation in an interval", 2019: the high half of a product, and a draw thrown away
 * where the low half shows that it would favour some values. */
uint64_t rng_below(Rng *rng, uint64_t bound) {
    uint64_t threshold = -bound % bound;
    for (;;) {
        uint32_t words[2];
        draw_words(rng, words, 2);
        __uint128_t product = (__uint128_t)((uint64_t)words[0] << 32 | words[1]) * bound;
        if ((uint64_t)product >= threshold) return (uint64_t)(product >> 64);
    }
}

static double uniform_of(const uint32_t words[2]) {
    return (double)((uint64_t)(words[0] >> 5) << 26 | words[1] >> 6) * 0x1p-53;
}

double rng_uniform(Rng *rng) {
    uint32_t words[2];
    draw_words(rng, words, 2);
    return uniform_of(words);
}

double rng_normal(Rng *rng) {
    uint32_t words[4];
    draw_words(rng, words, 4);
    double radius = sqrt(-2.0 * log(1.0 - uniform_of(words))); /* 1 - u is never 0 */
    return radius * cos(2.0 * M_PI * uniform_of(words + 2));
}
