/* muon -- momentum whose update of each matrix is made nearly orthogonal by Newton-Schulz iterations (K. Jordan et al.,
 * 2024; torch.optim.Muon).
 *
 *     m <- mu m + (1 - mu) g,  u = (1 - mu) g + mu m,  X = u / ||u||_F
 *     n times: A = X X^T,  X <- (a I + b A + c A^2) X
 *     w <- (1 - decay lr) w - lr max(1, rows / columns)^(1/2) X
 *
 * X is kept with its shorter side first, so that A is small; A and A^2 are symmetric, and half of each is computed.
 */
#include <math.h>

#include "train/matrices.h"
#include "weft/base/gemm.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"

enum { STRIP_ROWS = 48 };
static const float A = 3.4445F, B = -4.7750F, C = 2.0315F; /* of the reference */

typedef struct MuonMatrix {
    size_t offset, rows, columns;
    size_t small, large;      /* the shorter and the longer side */
    bool turned;              /* X is the transpose */
    float *x, *next;          /* small x large */
    float *gram, *polynomial; /* small x small */
    double *squares;          /* of u, a strip each */
    size_t strips;            /* how many */
    float grow;               /* max(1, rows / columns)^(1/2) */
} MuonMatrix;

struct Muon {
    MuonMatrix *matrix;
    size_t count, iterations;
    Strips strips; /* of the shorter sides */
    float momentum;
    float *floats; /* all of the matrices' */
    double *squares;
    const MatrixStep *step;
    unsigned iteration;
};

/* ---- strips ------------------------------------------------------------------------------------------------------ */

bool strips_add(Strips *strips, size_t matrix, size_t rows, Error *err) {
    const size_t count = (rows + STRIP_ROWS - 1) / STRIP_ROWS, each = count ? (rows + count - 1) / count : 0;
    if (!mem_grow(&strips->strip, &strips->capacity, strips->count + count, sizeof(Strip), err)) return false;
    for (size_t first = 0; first < rows; first += each)
        strips->strip[strips->count++] = (Strip){matrix, first, rows - first < each ? rows - first : each};
    return true;
}

void strip_mirror(const Strip *strip, float *to, size_t size) {
    for (size_t j = 0; j < strip->first; j++)
        for (size_t i = strip->first; i < strip->first + strip->rows; i++) to[j * size + i] = to[i * size + j];
}

/* ---- phases of a step, a strip each ------------------------------------------------------------------------------ */

/* m and u, into X. */
static void take_momentum(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->strips.strip[index];
    const MuonMatrix *m = &muon->matrix[strip->matrix];
    const float mu = muon->momentum, rest = 1 - mu;
    float *momentum = muon->step->first + m->offset;
    const float *gradient = muon->step->gradient + m->offset;
    const size_t row_step = m->turned ? 1 : m->columns, step = m->turned ? m->columns : 1;
    double sum = 0;
    for (size_t i = strip->first; i < strip->first + strip->rows; i++) {
        float *to = m->x + i * m->large;
        for (size_t j = 0; j < m->large; j++) {
            const size_t at = i * row_step + j * step;
            momentum[at] = mu * momentum[at] + rest * gradient[at];
            to[j] = rest * gradient[at] + mu * momentum[at];
            sum += (double)to[j] * (double)to[j];
        }
    }
    muon->squares[index] = sum;
}

/* What X is still to be multiplied with: 1 / ||u|| in the first iteration. The strips of a matrix are added in order.
 */
static double scale_of(const Muon *muon, const MuonMatrix *m) {
    double sum = 0;
    if (muon->iteration > 0) return 1;
    for (size_t i = 0; i < m->strips; i++) sum += m->squares[i];
    return sum > 0 ? 1 / sqrt(sum) : 0;
}

static void take_gram(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->strips.strip[index];
    const MuonMatrix *m = &muon->matrix[strip->matrix];
    const double scale = scale_of(muon, m);
    gemm_f32(false, true, strip->rows, strip->first + strip->rows, m->large, (float)(scale * scale),
             m->x + strip->first * m->large, m->large, m->x, m->large, 0, m->gram + strip->first * m->small, m->small);
    strip_mirror(strip, m->gram, m->small);
}

static void take_polynomial(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->strips.strip[index];
    const MuonMatrix *m = &muon->matrix[strip->matrix];
    const size_t end = strip->first + strip->rows;
    for (size_t i = strip->first; i < end; i++)
        for (size_t j = 0; j < end; j++) m->polynomial[i * m->small + j] = B * m->gram[i * m->small + j];
    gemm_f32(false, false, strip->rows, end, m->small, C, m->gram + strip->first * m->small, m->small, m->gram,
             m->small, 1, m->polynomial + strip->first * m->small, m->small);
    for (size_t i = strip->first; i < end; i++) m->polynomial[i * m->small + i] += A;
    strip_mirror(strip, m->polynomial, m->small);
}

static void apply_polynomial(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->strips.strip[index];
    const MuonMatrix *m = &muon->matrix[strip->matrix];
    gemm_f32(false, false, strip->rows, m->large, m->small, (float)scale_of(muon, m),
             m->polynomial + strip->first * m->small, m->small, m->x, m->large, 0, m->next + strip->first * m->large,
             m->large);
}

static void take_step(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->strips.strip[index];
    const MuonMatrix *m = &muon->matrix[strip->matrix];
    const float size = (float)(muon->step->rate * (double)m->grow * scale_of(muon, m)), keep = muon->step->keep;
    float *parameters = muon->step->parameters + m->offset;
    const size_t row_step = m->turned ? 1 : m->columns, step = m->turned ? m->columns : 1;
    for (size_t i = strip->first; i < strip->first + strip->rows; i++) {
        const float *x = m->x + i * m->large;
        for (size_t j = 0; j < m->large; j++) {
            float *p = &parameters[i * row_step + j * step];
            *p = *p * keep - size * x[j];
        }
    }
}

void muon_step(Muon *muon, const MatrixStep *step) {
    const size_t strips = muon->strips.count;
    muon->step = step;
    muon->iteration = 0;
    pool_run(strips, take_momentum, muon);
    for (; muon->iteration < muon->iterations; muon->iteration++) {
        pool_run(strips, take_gram, muon);
        pool_run(strips, take_polynomial, muon);
        pool_run(strips, apply_polynomial, muon);
        for (size_t i = 0; i < muon->count; i++) {
            MuonMatrix *m = &muon->matrix[i];
            float *swap = m->x;
            m->x = m->next;
            m->next = swap;
        }
    }
    pool_run(strips, take_step, muon);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool list_matrices(Muon *muon, const ParameterBlock *matrices, Error *err) {
    for (size_t i = 0; i < muon->count; i++) {
        const size_t rows = matrices[i].rows, columns = matrices[i].columns, before = muon->strips.count;
        MuonMatrix *m = &muon->matrix[i];
        *m = (MuonMatrix){.offset = matrices[i].offset,
                          .rows = rows,
                          .columns = columns,
                          .small = rows < columns ? rows : columns,
                          .large = rows < columns ? columns : rows,
                          .turned = rows > columns,
                          .grow = rows > columns ? sqrtf((float)rows / (float)columns) : 1};
        if (!strips_add(&muon->strips, i, m->small, err)) return false;
        m->strips = muon->strips.count - before;
    }
    return true;
}

/* Every matrix begins on a cache line. */
static size_t padded(size_t floats) {
    return (floats + 15) / 16 * 16;
}

static bool place_matrices(Muon *muon, Error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < muon->count; i++) {
        const MuonMatrix *m = &muon->matrix[i];
        total += 2 * padded(m->small * m->large) + 2 * padded(m->small * m->small);
    }
    if (!mem_admit(total * sizeof(float), "the products of its optimiser", err) ||
        !(muon->floats = mem_alloc(total, sizeof *muon->floats, err)) ||
        !(muon->squares = mem_alloc(muon->strips.count, sizeof *muon->squares, err)))
        return false;
    float *at = muon->floats;
    double *squares = muon->squares;
    for (size_t i = 0; i < muon->count; i++) {
        MuonMatrix *m = &muon->matrix[i];
        m->x = at;
        m->next = m->x + padded(m->small * m->large);
        m->gram = m->next + padded(m->small * m->large);
        m->polynomial = m->gram + padded(m->small * m->small);
        at = m->polynomial + padded(m->small * m->small);
        m->squares = squares;
        squares += m->strips;
    }
    return true;
}

Muon *muon_new(const OptimiserConfig *config, const ParameterBlock *matrices, size_t count, Error *err) {
    Muon *muon = mem_alloc(1, sizeof *muon, err);
    if (!muon) return NULL;
    *muon = (Muon){.count = count, .iterations = config->iterations, .momentum = (float)config->momentum};
    if ((muon->matrix = mem_alloc(count, sizeof *muon->matrix, err)) && list_matrices(muon, matrices, err) &&
        place_matrices(muon, err))
        return muon;
    muon_free(muon);
    return NULL;
}

void muon_free(Muon *muon) {
    if (!muon) return;
    mem_free(muon->matrix);
    mem_free(muon->strips.strip);
    mem_free(muon->floats);
    mem_free(muon->squares);
    mem_free(muon);
}
