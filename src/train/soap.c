/* soap -- Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., 2024, arXiv:2409.11321, algorithm 3; the
 * authors' implementation).
 *
 *     G' = Q_L^T G Q_R;  m, v: Adam's moments of G';  N = m / (sqrt(v) + eps) with Adam's corrections
 *     w <- (1 - decay lr) (w - lr Q_L N Q_R^T)
 *     L <- beta2 L + (1 - beta2) G G^T,  R <- beta2 R + (1 - beta2) G^T G
 *     every so many steps: Q <- QR(L Q), its columns sorted, and m and v go over to the new bases
 *
 * The first step only sets L and R, and the bases to their eigenvectors, so that no gradient is projected onto a basis
 * made of itself. m is kept in the basis: it changes only with the bases. A side longer than the limit has no basis of
 * its own, which is the identity.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "train/matrices.h"
#include "weft/base/gemm.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/spectral/basis.h"

/* One side of a matrix that has a basis. */
typedef struct Side {
    size_t matrix, size;
    bool right;
    float *basis, *factor; /* size x size; Q, and L or R */
    uint32_t *order;       /* where each column of the basis was before its last refinement */
} Side;

typedef struct SoapMatrix {
    size_t offset, rows, columns;
    const Side *left, *right; /* NULL: the identity */
    float *half, *whole;      /* rows x columns, results of products */
} SoapMatrix;

struct Soap {
    SoapMatrix *matrix;
    Side *side;
    size_t count, sides, basis_floats, workers, scratch_size; /* of one worker, doubles */
    Strips rows, strips;                                      /* of the matrices; of the sides (matrix: its side) */
    float *floats, *bases, *factors;
    uint32_t *orders;
    double *scratch;
    float beta1, beta2, epsilon;
    double decay1, decay2; /* beta1, beta2 as given */
    unsigned every;
    const MatrixStep *step;
    float size; /* of the step: its rate with Adam's corrections */
};

/* ---- products, a strip of rows each ------------------------------------------------------------------------------ */

/* Rows of Q_L^T from, or with `back` of Q_L from. */
static void left_product(const SoapMatrix *m, const Strip *strip, bool back, const float *from, float *to) {
    const size_t n = m->columns;
    if (!m->left) {
        memcpy(to + strip->first * n, from + strip->first * n, strip->rows * n * sizeof *to);
        return;
    }
    const float *basis = m->left->basis + strip->first * (back ? m->rows : 1);
    gemm_f32(!back, false, strip->rows, n, m->rows, 1, basis, m->rows, from, n, 0, to + strip->first * n, n);
}

/* Rows of from Q_R, or with `back` of from Q_R^T: to = factor * that + beta * to. */
static void right_product(const SoapMatrix *m, const Strip *strip, bool back, float factor, const float *from,
                          float beta, float *to) {
    const size_t n = m->columns, first = strip->first * n;
    if (m->right) {
        gemm_f32(false, back, strip->rows, n, n, factor, from + first, n, m->right->basis, n, beta, to + first, n);
        return;
    }
    for (size_t i = first; i < first + strip->rows * n; i++) to[i] = (beta > 0 ? beta * to[i] : 0) + factor * from[i];
}

static const SoapMatrix *matrix_of(const Soap *soap, size_t index, const Strip **strip) {
    *strip = &soap->rows.strip[index];
    return &soap->matrix[(*strip)->matrix];
}

static void gradient_left(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(soap, index, &strip);
    left_product(m, strip, false, soap->step->gradient + m->offset, m->half);
}

/* The other half of the projection, and Adam's step in the basis. */
static void adam_in_basis(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(soap, index, &strip);
    const size_t first = strip->first * m->columns, count = strip->rows * m->columns;
    float *restrict moment = soap->step->first + m->offset + first, *restrict n = m->whole + first;
    float *restrict square = soap->step->second + m->offset + first;
    right_product(m, strip, false, 1, m->half, 0, m->whole);
    for (size_t i = 0; i < count; i++) {
        moment[i] = soap->beta1 * moment[i] + (1 - soap->beta1) * n[i];
        square[i] = soap->beta2 * square[i] + (1 - soap->beta2) * n[i] * n[i];
        n[i] = soap->size * moment[i] / (sqrtf(square[i]) + soap->epsilon);
    }
}

static void step_left(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(context, index, &strip);
    left_product(m, strip, true, m->whole, m->half);
}

static void step_right(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(soap, index, &strip);
    float *parameters = soap->step->parameters + m->offset;
    right_product(m, strip, true, -1, m->half, 1, parameters);
    float *restrict p = parameters + strip->first * m->columns;
    const float keep = soap->step->keep;
    for (size_t i = 0; keep < 1 && i < strip->rows * m->columns; i++) p[i] *= keep;
}

/* ---- bases ------------------------------------------------------------------------------------------------------- */

/* Rows of L or R: only up to the diagonal, the others are their mirror. */
static void follow_factor(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip = &soap->strips.strip[index];
    const Side *side = &soap->side[strip->matrix];
    const SoapMatrix *m = &soap->matrix[side->matrix];
    const float *gradient = soap->step->gradient + m->offset;
    const size_t end = strip->first + strip->rows, depth = side->right ? m->rows : m->columns;
    gemm_f32(side->right, !side->right, strip->rows, end, depth, 1 - soap->beta2,
             gradient + strip->first * (side->right ? 1 : m->columns), m->columns, gradient, m->columns, soap->beta2,
             side->factor + strip->first * side->size, side->size);
    strip_mirror(strip, side->factor, side->size);
}

static void first_basis(void *context, size_t index, unsigned worker) {
    const Soap *soap = context;
    const Side *side = &soap->side[index];
    assert(worker < soap->workers);
    basis_eigenvectors(side->factor, side->size, side->basis, soap->scratch + worker * soap->scratch_size);
}

static void next_basis(void *context, size_t index, unsigned worker) {
    const Soap *soap = context;
    const Side *side = &soap->side[index];
    assert(worker < soap->workers);
    basis_refine(side->factor, side->size, side->basis, side->order, soap->scratch + worker * soap->scratch_size);
}

static void moment_left(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(soap, index, &strip);
    left_product(m, strip, true, soap->step->first + m->offset, m->half);
}

static void moment_right(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(context, index, &strip);
    right_product(m, strip, true, 1, m->half, 0, m->whole);
}

static void moment_back_left(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(context, index, &strip);
    left_product(m, strip, false, m->whole, m->half);
}

static void moment_back_right(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const Strip *strip;
    const SoapMatrix *m = matrix_of(soap, index, &strip);
    right_product(m, strip, false, 1, m->half, 0, soap->step->first + m->offset);
}

/* The second moments follow the columns of the bases to their new places. */
static void sort_squares(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Soap *soap = context;
    const SoapMatrix *m = &soap->matrix[index];
    float *square = soap->step->second + m->offset;
    memcpy(m->half, square, m->rows * m->columns * sizeof *square);
    for (size_t i = 0; i < m->rows; i++) {
        const float *from = m->half + (m->left ? m->left->order[i] : i) * m->columns;
        for (size_t j = 0; j < m->columns; j++) square[i * m->columns + j] = from[m->right ? m->right->order[j] : j];
    }
}

static void refresh(Soap *soap) {
    pool_run(soap->rows.count, moment_left, soap);
    pool_run(soap->rows.count, moment_right, soap);
    pool_run(soap->sides, next_basis, soap);
    pool_run(soap->rows.count, moment_back_left, soap);
    pool_run(soap->rows.count, moment_back_right, soap);
    pool_run(soap->count, sort_squares, soap);
}

void soap_step(Soap *soap, const MatrixStep *step) {
    const uint64_t number = step->step - 1; /* the first one takes no step */
    const double t = (double)number;
    soap->step = step;
    if (number > 0) {
        soap->size = (float)(step->rate * sqrt(1 - pow(soap->decay2, t)) / (1 - pow(soap->decay1, t)));
        pool_run(soap->rows.count, gradient_left, soap);
        pool_run(soap->rows.count, adam_in_basis, soap);
        pool_run(soap->rows.count, step_left, soap);
        pool_run(soap->rows.count, step_right, soap);
    }
    pool_run(soap->strips.count, follow_factor, soap);
    if (number == 0)
        pool_run(soap->sides, first_basis, soap);
    else if (number % soap->every == 0)
        refresh(soap);
}

void soap_state(Soap *soap, float **bases, float **factors, size_t *size) {
    *bases = soap->bases;
    *factors = soap->factors;
    *size = soap->basis_floats;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool list_sides(Soap *soap, const OptimiserConfig *config, const ParameterBlock *matrices, Error *err) {
    for (size_t i = 0; i < soap->count; i++) {
        const ParameterBlock *block = &matrices[i];
        SoapMatrix *m = &soap->matrix[i];
        *m = (SoapMatrix){.offset = block->offset, .rows = block->rows, .columns = block->columns};
        if (!strips_add(&soap->rows, i, m->rows, err)) return false;
        for (int right = 0; right < 2; right++) {
            const size_t size = right ? m->columns : m->rows;
            if (size > config->basis_limit) continue;
            Side *side = &soap->side[soap->sides];
            *side = (Side){.matrix = i, .size = size, .right = right};
            *(right ? &m->right : &m->left) = side;
            if (!strips_add(&soap->strips, soap->sides++, size, err)) return false;
        }
    }
    return true;
}

static bool place(Soap *soap, Error *err) {
    uint64_t floats = 0, bases = 0, orders = 0, scratch = 0;
    for (size_t i = 0; i < soap->count; i++) floats += 2 * (uint64_t)soap->matrix[i].rows * soap->matrix[i].columns;
    for (size_t i = 0; i < soap->sides; i++) {
        const uint64_t size = soap->side[i].size, own = basis_scratch(size);
        bases += size * size;
        orders += size;
        if (own > scratch) scratch = own;
    }
    const uint64_t workers = soap->workers = pool_threads();
    soap->basis_floats = bases;
    soap->scratch_size = scratch;
    if (!mem_admit((floats + 2 * bases) * sizeof(float) + workers * scratch * sizeof(double),
                   "the bases of its optimiser", err) ||
        !(soap->floats = mem_alloc(floats, sizeof(float), err)) ||
        !(soap->bases = mem_alloc(bases, sizeof(float), err)) ||
        !(soap->factors = mem_alloc(bases, sizeof(float), err)) ||
        !(soap->orders = mem_alloc(orders, sizeof *soap->orders, err)) ||
        !(soap->scratch = mem_alloc(workers * scratch, sizeof(double), err)))
        return false;
    float *at = soap->floats;
    for (size_t i = 0; i < soap->count; i++) {
        SoapMatrix *m = &soap->matrix[i];
        m->half = at;
        m->whole = at += m->rows * m->columns;
        at += m->rows * m->columns;
    }
    for (size_t i = 0, of = 0, to = 0; i < soap->sides; i++) {
        Side *side = &soap->side[i];
        side->basis = soap->bases + of;
        side->factor = soap->factors + of;
        side->order = soap->orders + to;
        of += side->size * side->size;
        to += side->size;
    }
    return true;
}

Soap *soap_new(const OptimiserConfig *config, const ParameterBlock *matrices, size_t count, Error *err) {
    Soap *soap = mem_alloc(1, sizeof *soap, err);
    if (!soap) return NULL;
    *soap = (Soap){.count = count,
                   .beta1 = (float)config->beta1,
                   .beta2 = (float)config->beta2,
                   .epsilon = (float)config->epsilon,
                   .decay1 = config->beta1,
                   .decay2 = config->beta2,
                   .every = config->basis_every};
    if ((soap->matrix = mem_alloc(count, sizeof *soap->matrix, err)) &&
        (soap->side = mem_alloc(2 * (uint64_t)count, sizeof *soap->side, err)) &&
        list_sides(soap, config, matrices, err) && place(soap, err))
        return soap;
    soap_free(soap);
    return NULL;
}

void soap_free(Soap *soap) {
    if (!soap) return;
    void *all[] = {soap->matrix, soap->side,    soap->rows.strip, soap->strips.strip, soap->floats,
                   soap->bases,  soap->factors, soap->orders,     soap->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
    mem_free(soap);
}
