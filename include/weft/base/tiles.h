/* tiles -- matrix products on the CPU's matrix unit (AMX), several times as fast as gemm_f32.
 *
 * They pay for matrices that are packed once and used often. A float32 number is taken as the exact sum of three
 * bfloat16 ones, so results are as exact as gemm_f32's. Everything runs on the calling thread and allocates nothing.
 */
#ifndef WEFT_TILES_H
#define WEFT_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* tiles_pack and tiles_multiply may be called only where this is true. */
bool tiles_available(void);
enum { TILES_SIDE = 16 };
typedef enum TilesFactor { TILES_LEFT, TILES_RIGHT } TilesFactor;
/* `rows` of the left factor or columns of the right one, with `depth` numbers each; products are summed over the depth.
 * A number is from[row * step + d] where `deep`, else from[d * step + row]. */
typedef struct TilesSource {
    const float *from;
    size_t step, rows, depth;
    bool deep;
    bool rough; /* packed for rough products only */
} TilesSource;
size_t tiles_size(size_t rows, size_t depth); /* of a packed factor, in numbers of 16 bits */
void tiles_pack(const TilesSource *source, TilesFactor factor, uint16_t *packed);
/* out[r][c] = sum over d of left[r][d] right[d][c], + bias[c] (NULL: 0), + out[r][c] where `add`. With `relu` negative
 * results become 0; a NaN stays one. `columns` is a multiple of TILES_SIDE. `rough` is twice as fast: each term has a
 * relative error of up to 2^-15. */
typedef struct TilesProduct {
    const uint16_t *left, *right;
    size_t rows, columns, depth;
    const float *bias;
    bool relu, add, rough;
    float *out;
    size_t out_step;
} TilesProduct;
void tiles_multiply(const TilesProduct *product);

/* ---- exact products of numbers with few bits --------------------------------------------------------------------- */

/* tiles_pack_digits and tiles_add_digits may be called only where this is true. */
bool tiles_digits_available(void);
/* Up to TILES_SIDE neighbouring columns of rows that are `step` numbers apart. A column is multiplied by its scale, a
 * power of two >= 1, after which it must lie within +-127. */
typedef struct TilesStrip {
    const float *from, *scale;
    size_t step, columns, depth;
} TilesStrip;
/* What three digits leave of a number of a strip, after scaling: what lies below 2^-15. */
typedef struct TilesRest {
    uint32_t row, column;
    float value;
} TilesRest;
size_t tiles_digits_size(size_t depth); /* bytes of a packed strip, as a left or a right factor */
/* Packs a strip in both ways, and lists its rests as far as there is room. Returns how many there are. */
size_t tiles_pack_digits(const TilesStrip *strip, int8_t *left, int8_t *right, TilesRest *rests, size_t room);
/* out[t][r][c] += row[t / 2][r] column[t % 2][c] times the exact sum over the depth of left[t / 2] right[t % 2], for
 * the four pairs of strips (out NULL: not for this one); rounded once. Up to 40,000 numbers of each column. */
typedef struct TilesDigits {
    const int8_t *left[2], *right[2];
    size_t steps; /* tiles_digits_size(depth) / tiles_digits_size(1) */
    const double *row[2], *column[2];
    double *out[4];
    size_t out_step;
} TilesDigits;
void tiles_add_digits(const TilesDigits *product);

#endif
