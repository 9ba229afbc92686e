/* tiles -- matrix products on the CPU's matrix unit (AMX), at float32's accuracy.
 *
 * The unit multiplies bfloat16 numbers, of 8 bits, and adds the products as float32. A float32 number is the sum of
 * three of them, high, middle and low; of the nine products of two such sums the six that matter are added, the three
 * left out lie below float32's own rounding. That is still twice as fast as vector instructions. Three products are
 * enough for a relative error of up to 2^-15.
 *
 * A packed matrix is cut along its rows (of the left factor; columns of the right one) into strips of 16, a strip into
 * steps of 32 along the dimension that is summed over; a step has three tiles, one for each part. A tile is 16 x 16
 * words of two neighbours along that dimension: in the left factor a row of the tile is a row of the matrix, in the
 * right one a pair. Everything is padded with zeros to whole tiles.
 */
#include "weft/base/tiles.h"

#include <assert.h>

enum {
    SIDE = TILES_SIDE, /* rows of a tile, and words of a row */
    STEP = 2 * SIDE,   /* numbers along the dimension that is summed over */
    TILE = SIDE * STEP,
    PARTS = 3,
    STRIPS = 16 /* of the left factor that stay in the second-level cache while the right one passes */
};

static size_t steps_of(size_t depth) {
    return (depth + STEP - 1) / STEP;
}

size_t tiles_size(size_t rows, size_t depth) {
    return (rows + SIDE - 1) / SIDE * steps_of(depth) * PARTS * TILE;
}

#if defined(__x86_64__) && (!defined(__clang__) || __clang_major__ >= 14)

#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"), noinline))
#define TARGET_INLINE                                                                           \
    static inline __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq," \
                                        "avx512bf16"),                                          \
                                 always_inline))

/* ---- availability ------------------------------------------------------------------------------------------------ */

static bool available;

static void ask(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d, more;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    __asm__("cpuid" : "=a"(more), "=b"(b), "=c"(c) : "a"(7), "c"(1) : "edx");
    const unsigned amx = 1u << 22 | 1u << 24;          /* AMX-BF16, AMX-TILE */
    if ((d & amx) != amx || !(more & 1u << 5)) return; /* AVX512-BF16 */
    available = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

bool tiles_available(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask);
    return available;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* The nearest bfloat16 numbers, as float32 ones. */
TARGET_INLINE __m512 rounded(__m512 value) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(value)), 16));
}

/* Words of two: `first` in the low halves. Both hold bfloat16 numbers. */
TARGET_INLINE __m512i words(__m512 first, __m512 second) {
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(first), 16), _mm512_castps_si512(second));
}

TARGET_INLINE __mmask16 lanes(size_t from, size_t end) {
    const unsigned all = (1u << SIDE) - 1;
    return (__mmask16)(from >= end ? 0 : end - from >= SIDE ? all : (1u << (end - from)) - 1);
}

/* The words of numbers 0, 2, ... and 1, 3, ... of 32 neighbours. */
TARGET_INLINE void neighbours(const float *from, size_t at, size_t end, __m512 *even, __m512 *odd) {
    const __m512 a = _mm512_maskz_loadu_ps(lanes(at, end), from + at);
    const __m512 b = _mm512_maskz_loadu_ps(lanes(at + SIDE, end), from + at + SIDE);
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, evens, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(evens, _mm512_set1_epi32(1)), b);
}

/* Row `row` of the `parts` tiles at `to`; `turned`: its column. */
TARGET_INLINE void put(__m512 first, __m512 second, size_t row, const bool turned, unsigned parts, uint16_t *to) {
    const __m512i places = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
    for (unsigned part = 0; part < parts; part++, to += TILE) {
        const __m512 a = rounded(first), b = rounded(second);
        if (turned)
            _mm512_i32scatter_epi32((int *)(void *)to + row, places, words(a, b), 4);
        else
            _mm512_storeu_si512(to + row * STEP, words(a, b));
        first = _mm512_sub_ps(first, a);
        second = _mm512_sub_ps(second, b);
    }
}

TARGET void tiles_pack(const TilesSource *source, TilesFactor factor, uint16_t *packed) {
    const bool right = factor == TILES_RIGHT;
    const size_t steps = steps_of(source->depth);
    for (size_t strip = 0; strip * SIDE < source->rows; strip++)
        for (size_t step = 0; step < steps; step++, packed += PARTS * TILE)
            for (size_t i = 0; i < SIDE; i++) {
                __m512 first = _mm512_setzero_ps(), second = first;
                const size_t row = strip * SIDE + i, pair = step * STEP + 2 * i;
                if (source->deep) { /* a row of `from` is one of the matrix: its neighbours make words */
                    if (row < source->rows)
                        neighbours(source->from + row * source->step, step * STEP, source->depth, &first, &second);
                } else {
                    const __mmask16 mask = lanes(strip * SIDE, source->rows);
                    const float *from = source->from + pair * source->step + strip * SIDE;
                    if (pair < source->depth) first = _mm512_maskz_loadu_ps(mask, from);
                    if (pair + 1 < source->depth) second = _mm512_maskz_loadu_ps(mask, from + source->step);
                }
                put(first, second, i, source->deep == right, source->rough ? PARTS - 1 : PARTS, packed);
            }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

typedef struct TileConfig {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

TARGET_INLINE void store(const TilesProduct *p, const float *sums, size_t row, size_t column) {
    const __m512 bias = p->bias ? _mm512_loadu_ps(p->bias + column) : _mm512_setzero_ps();
    for (size_t i = 0; i < SIDE && row + i < p->rows; i++) {
        float *out = p->out + (row + i) * p->out_step + column;
        __m512 value = _mm512_add_ps(_mm512_load_ps(sums + i * SIDE), bias);
        if (p->add) value = _mm512_add_ps(value, _mm512_loadu_ps(out));
        if (p->relu) /* a NaN stays one */
            value = _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_LT_OQ),
                                       _mm512_setzero_ps());
        _mm512_storeu_ps(out, value);
    }
}

/* One part of the two left strips, of the two right ones; their products, added to the 2 x 2 tiles of the result. */
#define LEFT(part)                                   \
    _tile_loadd(4, left[0] + (part)*TILE, 2 * STEP); \
    _tile_loadd(5, left[1] + (part)*TILE, 2 * STEP)
#define RIGHT(part)                                   \
    _tile_loadd(6, right[0] + (part)*TILE, 2 * STEP); \
    _tile_loadd(7, right[1] + (part)*TILE, 2 * STEP)
#define MULTIPLY             \
    _tile_dpbf16ps(0, 4, 6); \
    _tile_dpbf16ps(1, 4, 7); \
    _tile_dpbf16ps(2, 5, 6); \
    _tile_dpbf16ps(3, 5, 7)

/* Two strips of either factor (twice the same where there is but one) into 2 x 2 tiles. */
TARGET_INLINE void block(const uint16_t *left[2], const uint16_t *right[2], size_t steps, const bool rough,
                         float *sums) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t step = 0; step < steps; step++) { /* each product after one with a factor in common */
        if (!rough) {
            LEFT(2);
            RIGHT(0);
            MULTIPLY;
            LEFT(1);
            MULTIPLY;
            RIGHT(1);
            MULTIPLY;
            LEFT(0);
            MULTIPLY;
            RIGHT(2);
            MULTIPLY;
            RIGHT(0);
            MULTIPLY;
        } else {
            LEFT(1);
            RIGHT(0);
            MULTIPLY;
            LEFT(0);
            MULTIPLY;
            RIGHT(1);
            MULTIPLY;
        }
        for (unsigned i = 0; i < 2; i++) {
            left[i] += PARTS * TILE;
            right[i] += PARTS * TILE;
        }
    }
    _tile_stored(0, sums, 4 * SIDE);
    _tile_stored(1, sums + SIDE * SIDE, 4 * SIDE);
    _tile_stored(2, sums + 2 * SIDE * SIDE, 4 * SIDE);
    _tile_stored(3, sums + 3 * SIDE * SIDE, 4 * SIDE);
}

/* Rows of the strips first .. end, against all columns. */
TARGET_INLINE void band(const TilesProduct *p, const bool rough, size_t first, size_t end) {
    float sums[4 * SIDE * SIDE] __attribute__((aligned(64)));
    const size_t steps = steps_of(p->depth), strip = steps * PARTS * TILE, columns = p->columns / SIDE;
    for (size_t column = 0; column < columns; column += 2)
        for (size_t row = first; row < end; row += 2) {
            const size_t below = row + 1 < end ? row + 1 : row, beside = column + 1 < columns ? column + 1 : column;
            const uint16_t *left[2] = {p->left + row * strip, p->left + below * strip};
            const uint16_t *right[2] = {p->right + column * strip, p->right + beside * strip};
            block(left, right, steps, rough, sums);
            store(p, sums, row * SIDE, column * SIDE);
            if (beside > column) store(p, sums + SIDE * SIDE, row * SIDE, beside * SIDE);
            if (below > row) store(p, sums + 2 * SIDE * SIDE, below * SIDE, column * SIDE);
            if (below > row && beside > column) store(p, sums + 3 * SIDE * SIDE, below * SIDE, beside * SIDE);
        }
}

TARGET void tiles_multiply(const TilesProduct *p) {
    TileConfig config = {.palette = 1};
    const size_t strips = (p->rows + SIDE - 1) / SIDE;
    for (unsigned tile = 0; tile < 8; tile++) {
        config.bytes[tile] = 4 * SIDE;
        config.rows[tile] = SIDE;
    }
    __asm__ volatile("" ::: "memory"); /* what was packed is in memory before tiles are loaded */
    _tile_loadconfig(&config);
    for (size_t first = 0; first < strips; first += STRIPS) {
        const size_t end = first + STRIPS < strips ? first + STRIPS : strips;
        if (p->rough)
            band(p, true, first, end);
        else
            band(p, false, first, end);
    }
    _tile_release();
}

#else

bool tiles_available(void) {
    return false;
}

void tiles_pack(const TilesSource *source, TilesFactor factor, uint16_t *packed) {
    (void)source, (void)factor, (void)packed;
    assert(!"there are no tiles");
}

void tiles_multiply(const TilesProduct *product) {
    (void)product;
    assert(!"there are no tiles");
}

#endif
