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

enum { STRIP_ROWS = 64, WHOLE_ROWS = 256 }; /* a matrix whose shorter side is not longer than WHOLE_ROWS is one piece */
/* Smaller momenta are 0: those of a unit that is dead would become subnormal numbers and stay, which take the processor
 * several times as long. */
static const float LEAST = 1e-30F;
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
    Strips whole, strips; /* of the shorter sides: matrices that are one piece; those that are cut */
    float momentum;
    float *floats; /* all of the matrices' */
    double *squares;
    const MatrixStep *step;
};

/* ---- strips ------------------------------------------------------------------------------------------------------ */

bool strips_add(Strips *strips, size_t matrix, size_t rows, Error *err) {
    const size_t count = (rows + STRIP_ROWS - 1) / STRIP_ROWS, each = count ? (rows + count - 1) / count : 0;
    if (!mem_grow(&strips->strip, &strips->capacity, strips->count + count, sizeof(Strip), err)) return false;
    for (size_t first = 0, number = 0; first < rows; first += each)
        strips->strip[strips->count++] = (Strip){matrix, first, rows - first < each ? rows - first : each, number++};
    return true;
}

void strip_mirror(const Strip *strip, float *to, size_t size) {
    for (size_t i = strip->first; i < strip->first + strip->rows; i++)
        for (size_t j = 0; j < i; j++) to[j * size + i] = to[i * size + j];
}

/* ---- phases of a step, on a strip; scale: what X is still to be multiplied with -------------------------------------
 */

typedef void Phase(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale);

/* m and u, into X. */
static void take_momentum(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale) {
    (void)scale;
    const float mu = muon->momentum, rest = 1 - mu;
    float *momentum = muon->step->first + m->offset;
    const float *gradient = muon->step->gradient + m->offset;
    const size_t row_step = m->turned ? 1 : m->columns, step = m->turned ? m->columns : 1;
    double sum = 0;
    for (size_t i = strip->first; i < strip->first + strip->rows; i++) {
        float *to = m->x + i * m->large;
        for (size_t j = 0; j < m->large; j++) {
            const size_t at = i * row_step + j * step;
            const float now = mu * momentum[at] + rest * gradient[at];
            momentum[at] = fabsf(now) < LEAST ? 0 : now;
            to[j] = rest * gradient[at] + mu * momentum[at];
            sum += (double)to[j] * (double)to[j];
        }
    }
    m->squares[strip->number] = sum;
}

/* Rows of the lower triangle of factor * from from^T + beta * to, and their mirror. */
static void symmetric_product(const Strip *strip, size_t size, size_t depth, float factor, const float *from,
                              float beta, float *to) {
    const size_t first = strip->first;
    float *out = to + first * size;
    if (first > 0)
        gemm_f32(false, true, strip->rows, first, depth, factor, from + first * depth, depth, from, depth, beta, out,
                 size);
    gemm_gram_f32(strip->rows, depth, factor, from + first * depth, depth, beta, out + first, size);
    strip_mirror(strip, to, size);
}

static void take_gram(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale) {
    (void)muon;
    symmetric_product(strip, m->small, m->large, (float)(scale * scale), m->x, 0, m->gram);
}

static void take_polynomial(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale) {
    (void)muon;
    (void)scale;
    for (size_t i = strip->first; i < strip->first + strip->rows; i++) {
        for (size_t j = 0; j <= i; j++) m->polynomial[i * m->small + j] = B * m->gram[i * m->small + j];
        m->polynomial[i * m->small + i] += A;
    }
    symmetric_product(strip, m->small, m->small, C, m->gram, 1, m->polynomial);
}

static void apply_polynomial(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale) {
    (void)muon;
    gemm_f32(false, false, strip->rows, m->large, m->small, (float)scale, m->polynomial + strip->first * m->small,
             m->small, m->x, m->large, 0, m->next + strip->first * m->large, m->large);
}

static void take_step(const Muon *muon, const MuonMatrix *m, const Strip *strip, double scale) {
    const float size = (float)(muon->step->rate * (double)m->grow * scale), keep = muon->step->keep;
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

/* 1 / ||u||. The strips of a matrix are added in order. */
static double scale_of(const MuonMatrix *m) {
    double sum = 0;
    for (size_t i = 0; i < m->strips; i++) sum += m->squares[i];
    return sum > 0 ? 1 / sqrt(sum) : 0;
}

static void swap(MuonMatrix *m) {
    float *old = m->x;
    m->x = m->next;
    m->next = old;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static Phase *const iteration[] = {take_gram, take_polynomial, apply_polynomial};
enum { PHASES = sizeof iteration / sizeof *iteration };

/* All phases of a matrix that is one piece. */
static void step_whole(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Muon *muon = context;
    const Strip *strip = &muon->whole.strip[index];
    MuonMatrix *m = &muon->matrix[strip->matrix];
    take_momentum(muon, m, strip, 1);
    for (size_t i = 0; i < muon->iterations; i++) {
        for (size_t j = 0; j < PHASES; j++) iteration[j](muon, m, strip, i == 0 ? scale_of(m) : 1);
        swap(m);
    }
    take_step(muon, m, strip, 1);
}

typedef struct Turn {
    const Muon *muon;
    Phase *phase;
    bool first;
} Turn;

static void run_strip(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Turn *turn = context;
    const Strip *strip = &turn->muon->strips.strip[index];
    const MuonMatrix *m = &turn->muon->matrix[strip->matrix];
    turn->phase(turn->muon, m, strip, turn->first ? scale_of(m) : 1);
}

static void run_phase(const Muon *muon, Phase *phase, bool first) {
    Turn turn = {muon, phase, first};
    pool_run(muon->strips.count, run_strip, &turn);
}

void muon_step(Muon *muon, const MatrixStep *step) {
    muon->step = step;
    pool_run(muon->whole.count, step_whole, muon);
    if (muon->strips.count == 0) return;
    run_phase(muon, take_momentum, false);
    for (size_t i = 0; i < muon->iterations; i++) {
        for (size_t j = 0; j < PHASES; j++) run_phase(muon, iteration[j], i == 0);
        for (size_t j = 0; j < muon->count; j++)
            if (muon->matrix[j].strips > 1) swap(&muon->matrix[j]);
    }
    run_phase(muon, take_step, false);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool list_matrices(Muon *muon, const ParameterBlock *matrices, Error *err) {
    for (size_t i = 0; i < muon->count; i++) {
        const size_t rows = matrices[i].rows, columns = matrices[i].columns, before = muon->strips.count;
        Strips *whole = &muon->whole;
        MuonMatrix *m = &muon->matrix[i];
        *m = (MuonMatrix){.offset = matrices[i].offset,
                          .rows = rows,
                          .columns = columns,
                          .small = rows < columns ? rows : columns,
                          .large = rows < columns ? columns : rows,
                          .turned = rows > columns,
                          .grow = rows > columns ? sqrtf((float)rows / (float)columns) : 1};
        if (m->small <= WHOLE_ROWS) {
            m->strips = 1;
            if (!mem_grow(&whole->strip, &whole->capacity, whole->count + 1, sizeof(Strip), err)) return false;
            whole->strip[whole->count++] = (Strip){i, 0, m->small, 0};
            continue;
        }
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
        !(muon->squares = mem_alloc(muon->strips.count + muon->whole.count, sizeof *muon->squares, err)))
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
    mem_free(muon->whole.strip);
    mem_free(muon->strips.strip);
    mem_free(muon->floats);
    mem_free(muon->squares);
    mem_free(muon);
}
