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

#endif
