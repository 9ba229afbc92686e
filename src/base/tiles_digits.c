/* tiles_digits -- exact products of numbers with few significant bits, on the CPU's matrix unit (AMX).
 *
 * A number is scaled by a power of two, one for each column, so that it lies within +-127, and taken as three digits:
 * x = d0 + d1 / 128 + d2 / 128^2 + rest, d1 and d2 within +-64. Products of digits are added as integers, without any
 * rounding; the nine products of two numbers have five weights. The rest is 0 for all but a few of the numbers that
 * come from 16 bits of memory: those are listed (Ozaki, Ogita, Oishi, Rump: Error-free transformations of matrix
 * multiplication, 2012).
 *
 * 16 columns are a strip, 64 numbers of each a step; a step has three tiles of 1024 bytes, one for each digit. In the
 * left factor a row of the tile is a column of the matrix; in the right one it holds four numbers of all columns.
 */
#include "weft/base/tiles.h"

#include <assert.h>

enum { SIDE = TILES_SIDE, STEP = 4 * SIDE, TILE = SIDE * STEP, DIGITS = 3, RADIX = 128, LEVELS = 2 * DIGITS - 1 };

size_t tiles_digits_size(size_t depth) {
    return (depth + STEP - 1) / STEP * DIGITS * TILE;
}

#if defined(__x86_64__) && (!defined(__clang__) || __clang_major__ >= 14)

#include <immintrin.h>

#define TARGET __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq"), noinline))
#define TARGET_INLINE \
    static inline __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq"), always_inline))

bool tiles_digits_available(void) {
    unsigned a, b, c, d;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return tiles_available() && (d & 1u << 25) != 0; /* AMX-INT8 */
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* One number of each column: what is left of it, and its digits, each in a byte of a word. */
TARGET_INLINE __m512 take_digits(__m512 value, unsigned byte, __m512i words[DIGITS]) {
    for (unsigned d = 0; d < DIGITS; d++) {
        const __m512 digit = _mm512_roundscale_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m512i bits = _mm512_and_si512(_mm512_cvtps_epi32(digit), _mm512_set1_epi32(0xFF));
        words[d] = _mm512_or_si512(words[d], _mm512_sll_epi32(bits, _mm_cvtsi32_si128((int)(8 * byte))));
        value = _mm512_sub_ps(value, digit);
        if (d + 1 < DIGITS) value = _mm512_mul_ps(value, _mm512_set1_ps(RADIX));
    }
    return value;
}

TARGET_INLINE size_t note_rests(__m512 rest, size_t row, TilesRest *rests, size_t count, size_t room) {
    float values[SIDE];
    _mm512_storeu_ps(values, rest);
    for (unsigned i = 0; i < SIDE; i++)
        if (values[i] != 0) {
            if (count < room) rests[count] = (TilesRest){(uint32_t)row, (uint32_t)i, values[i] / (RADIX * RADIX)};
            count++;
        }
    return count;
}

TARGET size_t tiles_pack_digits(const TilesStrip *strip, int8_t *left, int8_t *right, TilesRest *rests, size_t room) {
    const __m512i places = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
    const __mmask16 mask = (__mmask16)((1u << strip->columns) - 1);
    const __m512 scale = _mm512_maskz_loadu_ps(mask, strip->scale);
    size_t count = 0;
    for (size_t first = 0; first < strip->depth; first += STEP, left += DIGITS * TILE, right += DIGITS * TILE)
        for (size_t word = 0; word < SIDE; word++) {
            __m512i words[DIGITS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
            for (unsigned byte = 0; byte < 4; byte++) {
                const size_t row = first + 4 * word + byte;
                if (row >= strip->depth) continue;
                const __m512 value = _mm512_maskz_loadu_ps(mask, strip->from + row * strip->step);
                const __m512 rest = take_digits(_mm512_mul_ps(value, scale), byte, words);
                if (_mm512_cmp_ps_mask(rest, _mm512_setzero_ps(), _CMP_NEQ_UQ))
                    count = note_rests(rest, row, rests, count, room);
            }
            for (unsigned d = 0; d < DIGITS; d++) {
                _mm512_storeu_si512(right + d * TILE + word * STEP, words[d]);
                _mm512_i32scatter_epi32((int *)(void *)(left + d * TILE) + word, places, words[d], 4);
            }
        }
    return count;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

typedef struct TileConfig {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

/* The 2 x 2 tiles of sums of one weight: all products of digits whose numbers add up to `level`. */
TARGET_INLINE void sum_level(const TilesDigits *p, unsigned level, int32_t *sums) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t step = 0; step < p->steps; step++)
        for (unsigned d = level < DIGITS ? 0 : level - DIGITS + 1; d <= level && d < DIGITS; d++) {
            const size_t a = (step * DIGITS + d) * TILE, b = (step * DIGITS + level - d) * TILE;
            _tile_loadd(4, p->left[0] + a, STEP);
            _tile_loadd(6, p->right[0] + b, STEP);
            _tile_loadd(5, p->left[1] + a, STEP);
            _tile_loadd(7, p->right[1] + b, STEP);
            _tile_dpbssd(0, 4, 6);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(3, 5, 7);
        }
    _tile_stored(0, sums, STEP);
    _tile_stored(1, sums + SIDE * SIDE, STEP);
    _tile_stored(2, sums + 2 * SIDE * SIDE, STEP);
    _tile_stored(3, sums + 3 * SIDE * SIDE, STEP);
}

TARGET_INLINE __m512d sum_of_levels(int32_t sums[LEVELS][4 * SIDE * SIDE], size_t at) {
    __m512d sum = _mm512_setzero_pd();
    for (unsigned level = LEVELS; level-- > 0;) {
        const __m512i integers =
            _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(void *)(sums[level] + at)));
        sum = _mm512_fmadd_pd(sum, _mm512_set1_pd(1.0 / RADIX), _mm512_cvtepi32_pd(_mm512_castsi512_si256(integers)));
    }
    return sum;
}

TARGET void tiles_add_digits(const TilesDigits *p) {
    int32_t sums[LEVELS][4 * SIDE * SIDE] __attribute__((aligned(64)));
    TileConfig config = {.palette = 1};
    for (unsigned tile = 0; tile < 8; tile++) {
        config.bytes[tile] = STEP;
        config.rows[tile] = SIDE;
    }
    for (unsigned tile = 0; tile < 4; tile++) /* the result is fetched while sums are made */
        for (size_t r = 0; p->out[tile] && r < SIDE; r++) {
            __builtin_prefetch(p->out[tile] + r * p->out_step, 1, 2);
            __builtin_prefetch(p->out[tile] + r * p->out_step + 8, 1, 2);
        }
    __asm__ volatile("" ::: "memory"); /* what was packed is in memory before tiles are loaded */
    _tile_loadconfig(&config);
    for (unsigned level = 0; level < LEVELS; level++) sum_level(p, level, sums[level]);
    _tile_release();
    for (unsigned tile = 0; tile < 4; tile++) {
        const unsigned below = tile / 2, beside = tile % 2;
        if (!p->out[tile]) continue;
        const __m512d columns[2] = {_mm512_loadu_pd(p->column[beside]), _mm512_loadu_pd(p->column[beside] + 8)};
        for (size_t r = 0; r < SIDE; r++)
            for (size_t half = 0; half < 2; half++) {
                double *out = p->out[tile] + r * p->out_step + 8 * half;
                const __m512d sum = sum_of_levels(sums, (tile * SIDE + r) * SIDE + 8 * half);
                const __m512d scale = _mm512_mul_pd(columns[half], _mm512_set1_pd(p->row[below][r]));
                _mm512_storeu_pd(out, _mm512_fmadd_pd(sum, scale, _mm512_loadu_pd(out)));
            }
    }
}

#else

bool tiles_digits_available(void) {
    return false;
}

size_t tiles_pack_digits(const TilesStrip *strip, int8_t *left, int8_t *right, TilesRest *rests, size_t room) {
    (void)strip, (void)left, (void)right, (void)rests, (void)room;
    assert(!"there are no tiles");
    return 0;
}

void tiles_add_digits(const TilesDigits *product) {
    (void)product;
    assert(!"there are no tiles");
}

#endif
