/* kernels -- choosing the kernels for this CPU, and the way back through pools, which is the same for all. */
#include "net/engine/kernels/kernels.h"

#include <stdint.h>

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

const Kernels *kernels_available(size_t index) {
    const Kernels *sets[3];
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        sets[count++] = &kernels_avx512;
    if (avx2) sets[count++] = &kernels_avx2;
#endif
    sets[count++] = &kernels_baseline;
    return index < count ? kernels_checked(sets[index]) : NULL;
}

const Kernels *kernels_best(void) {
    return kernels_available(0);
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

PoolWindow pool_window(const Pool *pool, unsigned y, unsigned x) {
    const unsigned at[2] = {y, x}, size[2] = {pool->in_height, pool->in_width};
    const unsigned out[2] = {pool->out_height, pool->out_width};
    PoolWindow window = {.size = 1};
    for (int i = 0; i < 2; i++) {
        const unsigned start = at[i] * pool->stride[i], before = pool->padding[i]; /* of the padded map */
        const unsigned padded = before + size[i] + pool->padding[i + 2];
        const unsigned end = start + pool->kernel[i] < padded ? start + pool->kernel[i] : padded;
        window.first[i] = start > before ? start - before : 0;
        window.end[i] = end > before ? end - before : 0;
        if (window.end[i] > size[i]) window.end[i] = size[i];
        if (pool->adaptive) {
            window.first[i] = (unsigned)((uint64_t)at[i] * size[i] / out[i]);
            window.end[i] = (unsigned)((((uint64_t)at[i] + 1) * size[i] + out[i] - 1) / out[i]);
        }
        const bool clipped = pool->adaptive || pool->exclude_padding;
        window.size *= (float)(clipped ? window.end[i] - window.first[i] : end - start);
    }
    return window;
}

/* Where the maximum of channel `c` in a window is, as pool_maximum finds it. */
static const float *find_maximum(const Pool *pool, PoolWindow window, unsigned c, size_t *y_at, size_t *x_at) {
    const float *best = NULL;
    for (unsigned y = window.first[0]; y < window.end[0]; y++)
        for (unsigned x = window.first[1]; x < window.end[1]; x++) {
            const float *in = pool->in + y * pool->in_row + x * pool->in_pixel + c;
            if (best && !(*in > *best || *in != *in)) continue;
            best = in;
            *y_at = y;
            *x_at = x;
        }
    return best;
}

void pool_maximum_backward(const Pool *pool, float *gradient, size_t row, size_t pixel) {
    for (unsigned y = 0; y < pool->out_height; y++)
        for (unsigned x = 0; x < pool->out_width; x++)
            for (unsigned c = 0; c < pool->channels; c++) {
                size_t y_at, x_at;
                if (find_maximum(pool, pool_window(pool, y, x), c, &y_at, &x_at))
                    gradient[y_at * row + x_at * pixel + c] += pool->out[y * pool->out_row + x * pool->out_pixel + c];
            }
}

void pool_average_backward(const Pool *pool, float *gradient, size_t row, size_t pixel) {
    for (unsigned y = 0; y < pool->out_height; y++)
        for (unsigned x = 0; x < pool->out_width; x++) {
            const PoolWindow window = pool_window(pool, y, x);
            const float *restrict from = pool->out + y * pool->out_row + x * pool->out_pixel;
            for (unsigned i = window.first[0]; i < window.end[0]; i++)
                for (unsigned j = window.first[1]; j < window.end[1]; j++) {
                    float *restrict to = gradient + i * row + j * pixel;
                    for (unsigned c = 0; c < pool->channels; c++) to[c] += from[c] / window.size;
                }
        }
}
