/* template -- the kernels of the reduction, written once and compiled for each kind of CPU. The including file defines
 *
 *   LANES    doubles per vector (a divisor of SIDE)
 *   ROWS, COLUMNS  vectors of a block of products whose sums are kept in registers (rows, and vectors of a row)
 *   VECTOR_REGISTER  the asm constraint of a vector register, where there are AVX's instructions
 *   TARGET   the function attribute that names the instruction set
 *   NAME, KERNELS  what they are called
 */
#include "spectral/symmetric/kernels.h"
#include "weft/base/vectors.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

enum { VECTORS = SIDE / LANES };

typedef double Vector __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

#define BROADCAST(number) ((number) - (Vector){0}) /* + would have to make 0 of -0 */

/* sum += a * b. Named, because with all vector registers in use GCC copies sums to and fro. */
#ifdef VECTOR_REGISTER
#define ADD_PRODUCT(sum, a, b) \
    __asm__("vfmadd231pd %2, %1, %0" : "+" VECTOR_REGISTER(sum) : VECTOR_REGISTER(a), VECTOR_REGISTER(b))
#else
#define ADD_PRODUCT(sum, a, b) (sum) += (a) * (b)
#endif

INLINE Vector load(const double *from) {
    return *(const Vector *)from;
}

INLINE void store(double *to, Vector value) {
    *(Vector *)to = value;
}

/* Without the first `skip` numbers, which another thread may be writing. */
INLINE Vector load_tail(const double *from, unsigned skip) {
#if LANES == 8 && defined(VECTOR_REGISTER)
    return (Vector)_mm512_maskz_loadu_pd((__mmask8)(0xFFU << skip), from);
#else
    double value[LANES] = {0};
    for (unsigned i = skip; i < LANES; i++) value[i] = from[i];
    return load(value);
#endif
}

INLINE void store_tail(double *to, unsigned skip, Vector value) {
#if LANES == 8 && defined(VECTOR_REGISTER)
    _mm512_mask_storeu_pd(to, (__mmask8)(0xFFU << skip), (__m512d)value);
#else
    for (unsigned i = skip; i < LANES; i++) to[i] = value[i];
#endif
}

INLINE double sum_of(Vector value) {
#if LANES == 8
    const double *v = (const double *)&value;
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#else
    double sum = value[0];
    for (unsigned i = 1; i < LANES; i++) sum += value[i];
    return sum;
#endif
}

/* ---- products of tiles ------------------------------------------------------------------------------------------- */

/* What comes after b and c in memory is used next; it is fetched meanwhile, a little for each step of each block. */
enum { BLOCKS = TILE / (ROWS * COLUMNS * LANES), AHEAD = SIDE * (int)sizeof(double) / BLOCKS };

/* ROWS x COLUMNS vectors of c +- a b; element (r, k) of a is a[r * row + k * step]. */
INLINE void block(size_t depth, const double *a, const size_t row, const size_t step, const double *b, double *c,
                  const char *next_b, const char *next_c, size_t ahead_c, const bool subtract) {
    Vector sum[ROWS * COLUMNS];
    VECTOR_UNROLL for (unsigned i = 0; i < ROWS * COLUMNS; i++) sum[i] = (Vector){0};
    for (size_t k = 0; k < depth; k++, a += step, b += SIDE) {
        Vector right[COLUMNS];
        __builtin_prefetch(next_b + k * AHEAD, 0, 2);
        __builtin_prefetch(next_c + k * ahead_c, 0, 2);
        VECTOR_UNROLL for (unsigned v = 0; v < COLUMNS; v++) right[v] = load(b + v * LANES);
        VECTOR_UNROLL for (unsigned r = 0; r < ROWS; r++) {
            const Vector left = BROADCAST(a[r * row]);
            VECTOR_UNROLL for (unsigned v = 0; v < COLUMNS; v++) ADD_PRODUCT(sum[r * COLUMNS + v], left, right[v]);
        }
    }
    VECTOR_UNROLL for (unsigned r = 0; r < ROWS; r++) {
        VECTOR_UNROLL for (unsigned v = 0; v < COLUMNS; v++) {
            double *out = c + r * SIDE + v * LANES;
            store(out, subtract ? load(out) - sum[r * COLUMNS + v] : load(out) + sum[r * COLUMNS + v]);
        }
    }
}

INLINE void blocks(size_t depth, const double *a, const size_t row, const size_t step, const double *b, double *c,
                   const bool subtract) {
    const char *next_b = (const char *)(b + depth * SIDE), *next_c = (const char *)(c + TILE);
    const size_t ahead_c = TILE * sizeof(double) / BLOCKS / depth;
    for (unsigned j = 0; j < SIDE; j += COLUMNS * LANES)
        for (unsigned i = 0; i < SIDE; i += ROWS) {
            block(depth, a + i * row, row, step, b + j, c + i * SIDE + j, next_b, next_c, ahead_c, subtract);
            next_b += depth * AHEAD;
            next_c += depth * ahead_c;
        }
}

TARGET static void add_product(const double *a, const double *b, double *c) {
    blocks(SIDE, a, SIDE, 1, b, c, false);
}

TARGET static void add_turned(size_t depth, const double *a, const double *b, double *c) {
    blocks(depth, a, 1, SIDE, b, c, false);
}

TARGET static void subtract_turned(size_t depth, const double *a, const double *b, double *c) {
    blocks(depth, a, 1, SIDE, b, c, true);
}

/* ---- QR of a panel ----------------------------------------------------------------------------------------------- */

TARGET static void reflect_rows(double *rows, size_t count, unsigned column, double scale, const double *weights,
                                double *dots) {
    Vector w[VECTORS], dot[VECTORS];
    const unsigned next = column + 1 < SIDE ? column + 1 : column;
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        w[i] = load(weights + i * LANES);
        dot[i] = load(dots + i * LANES);
    }
    for (size_t r = 0; r < count; r++, rows += SIDE) {
        const double v = rows[column] * scale, x = rows[next] - weights[next] * v;
        const Vector vs = BROADCAST(v), xs = BROADCAST(x);
        VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
            const Vector value = load(rows + i * LANES) - w[i] * vs;
            store(rows + i * LANES, value);
            dot[i] += value * xs;
        }
        rows[column] = v;
    }
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) store(dots + i * LANES, dot[i]);
}

/* ---- chasing ----------------------------------------------------------------------------------------------------- */

/* u becomes the reflector that leaves of `x` its first number, which it returns; u[0] = 1. */
INLINE double make_reflector(const double *x, double *u, double *tau) {
    double tail = 0;
    for (unsigned i = 1; i < SIDE; i++) tail += x[i] * x[i];
    const bool some = tail >= LEAST_SQUARES;
    const double norm = sqrt(x[0] * x[0] + tail), beta = x[0] > 0 ? -norm : norm;
    const double scale = some ? 1 / (x[0] - beta) : 0;
    for (unsigned i = 1; i < SIDE; i++) u[i] = x[i] * scale;
    u[0] = 1;
    *tau = some ? (beta - x[0]) / beta : 0;
    return some ? beta : x[0];
}

/* (I - tau u u') D (I - tau u u') of a diagonal block, whose lower triangle is there. */
INLINE void reflect_diagonal(double *d, const double *u, double tau) {
    Vector us[VECTORS], y[VECTORS];
    double w[SIDE] __attribute__((aligned(64))), rest = 0;
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        us[i] = load(u + i * LANES);
        y[i] = (Vector){0};
    }
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            const unsigned c = i * LANES + lane;
            const double *column = d + c * BAND_STEP;
            const Vector weight = BROADCAST(u[c]), top = load_tail(column + i * LANES, lane);
            Vector dot = top * us[i];
            y[i] += top * weight;
            VECTOR_UNROLL for (unsigned j = i + 1; j < VECTORS; j++) {
                const Vector value = load(column + j * LANES);
                dot += value * us[j];
                y[j] += value * weight;
            }
            w[c] = sum_of(dot) - column[c] * u[c];
        }
    }
    Vector product = {0};
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        y[i] = (y[i] + load(w + i * LANES)) * tau;
        product += y[i] * us[i];
    }
    rest = -0.5 * tau * sum_of(product);
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        y[i] += us[i] * rest;
        store(w + i * LANES, y[i]);
    }
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            const unsigned c = i * LANES + lane;
            double *column = d + c * BAND_STEP;
            const Vector a = BROADCAST(w[c]), b = BROADCAST(u[c]);
            store_tail(column + i * LANES, lane, load_tail(column + i * LANES, lane) - us[i] * a - y[i] * b);
            VECTOR_UNROLL for (unsigned j = i + 1; j < VECTORS; j++)
                store(column + j * LANES, load(column + j * LANES) - us[j] * a - y[j] * b);
        }
    }
}

/* The block below, from the right; then the reflector of its first column, which gets that column but for the first
 * number to zero, from the left. */
INLINE void reflect_below(double *b, double *u, double *tau) {
    Vector z[VECTORS], us[VECTORS];
    double first[SIDE] __attribute__((aligned(64))), next[SIDE] __attribute__((aligned(64))), next_tau;
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) z[i] = (Vector){0};
    for (unsigned c = 0; c < SIDE; c++) {
        const Vector weight = BROADCAST(u[c]);
        VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) z[i] += load(b + c * BAND_STEP + i * LANES) * weight;
    }
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
        z[i] *= *tau;
        store(first + i * LANES, load(b + i * LANES) - z[i] * u[0]);
    }
    b[0] = make_reflector(first, next, &next_tau);
    for (unsigned i = 1; i < SIDE; i++) b[i] = 0;
    VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) us[i] = load(next + i * LANES);
    for (unsigned c = 1; c < SIDE; c++) {
        double *column = b + c * BAND_STEP;
        const Vector weight = BROADCAST(u[c]);
        Vector value[VECTORS], dot = {0};
        VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) {
            value[i] = load(column + i * LANES) - z[i] * weight;
            dot += value[i] * us[i];
        }
        const Vector share = BROADCAST(sum_of(dot) * next_tau);
        VECTOR_UNROLL for (unsigned i = 0; i < VECTORS; i++) store(column + i * LANES, value[i] - us[i] * share);
    }
    memcpy(u, next, sizeof next);
    *tau = next_tau;
}

TARGET static void chase_begin(double *column, double *u, double *tau) {
    column[0] = make_reflector(column, u, tau);
    for (unsigned i = 1; i < SIDE; i++) column[i] = 0;
}

TARGET static void chase_step(double *diagonal, double *u, double *tau, bool below) {
    if (*tau != 0) reflect_diagonal(diagonal, u, *tau);
    if (below) reflect_below(diagonal + SIDE, u, tau);
}

const SymmetricKernels KERNELS = {NAME,         add_product, add_turned, subtract_turned,
                                  reflect_rows, chase_begin, chase_step};
