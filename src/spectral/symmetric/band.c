/* band -- a symmetric matrix to a band, panel by panel.
 *
 * The QR decomposition of the tiles below a diagonal tile gives Q = I - V T V'. With Y = A V T and X = Y - 1/2 V T' V'
 * Y the rest A becomes Q' A Q = A - V X' - X V'. The rest is changed only when the next panel takes it for its own
 * product A V: so every tile is fetched once a panel (Dongarra, Sorensen, Hammarling: Block reduction of matrices to
 * condensed forms, 1989).
 */
#include <math.h>
#include <string.h>

#include "spectral/symmetric/symmetric.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"

enum { PIECES_MAX = 8, PIECE_SIDES = 10 };

typedef struct Reduction {
    Symmetric *matrix;
    const SymmetricKernels *kernels;
    size_t first;  /* row of tiles with which the rest begins */
    size_t pieces; /* of the rest */
    bool pending;  /* the rest is to be changed by the last panel's V and X first */
    /* A tile for every row of tiles. The products A V are sums of those of the pieces. */
    double *v, *x, *v_turned, *products[PIECES_MAX];
    double *v_then_x, *x_then_v; /* two tiles for every row of tiles, turned */
    double t[TILE], half[TILE], tau[SIDE];
} Reduction;

static double *tile_of(double *tiles, size_t i) {
    return tiles + i * TILE;
}

static void turn(const double *tile, double *out) {
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) out[j * SIDE + i] = tile[i * SIDE + j];
}

/* ---- the panel --------------------------------------------------------------------------------------------------- */

/* Rows of `panel`, which get V; the first SIDE of them R above V's diagonal. */
static void decompose(Reduction *work, double *panel, size_t rows) {
    double weights[SIDE] = {0}, dots[SIDE] = {0};
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < SIDE; j++) dots[j] += panel[r * SIDE] * panel[r * SIDE + j];
    for (unsigned c = 0; c < SIDE; c++) {
        double *pivot = panel + (size_t)c * SIDE;
        const double x = pivot[c], norm = dots[c] < LEAST_SQUARES ? 0 : sqrt(dots[c]), beta = x > 0 ? -norm : norm;
        const double scale = norm > 0 ? 1 / (x - beta) : 0, tau = norm > 0 ? (beta - x) / beta : 0;
        work->tau[c] = tau;
        memset(weights, 0, sizeof weights);
        for (unsigned j = c + 1; j < SIDE; j++) {
            weights[j] = tau * (pivot[j] + scale * (dots[j] - x * pivot[j]));
            pivot[j] -= weights[j];
        }
        pivot[c] = norm > 0 ? beta : x;
        memset(dots, 0, sizeof dots);
        work->kernels->reflect_rows(pivot + SIDE, rows - c - 1, c, scale, weights, dots);
    }
}

/* T of I - V T V', from V' V and tau. */
static void fill_t(Reduction *work, const double *products) {
    double *t = work->t;
    memset(t, 0, sizeof work->t);
    for (size_t c = 0; c < SIDE; c++) {
        for (size_t i = 0; i < c; i++) {
            double sum = 0;
            for (size_t k = i; k < c; k++) sum += t[i * SIDE + k] * products[k * SIDE + c];
            t[i * SIDE + c] = -work->tau[c] * sum;
        }
        t[c * SIDE + c] = work->tau[c];
    }
}

/* The panel of tile column `column`: V and T; R stays in the matrix. */
static void make_panel(Reduction *work, size_t column) {
    const Symmetric *matrix = work->matrix;
    const size_t rows = matrix->sides - column - 1;
    double *panel = tile_of(work->v, column + 1), products[TILE] = {0};
    for (size_t i = 0; i < rows; i++) {
        const double *tile = symmetric_tile(matrix, column + 1 + i, column, tile_of(panel, i));
        if (tile != tile_of(panel, i)) memcpy(tile_of(panel, i), tile, TILE * sizeof *panel);
    }
    decompose(work, panel, rows * SIDE);
    double room[TILE] __attribute__((aligned(64))), *r = symmetric_tile(matrix, column + 1, column, room);
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            double *v = &panel[i * SIDE + j];
            r[i * SIDE + j] = j >= i ? *v : 0;
            if (j >= i) *v = j == i;
        }
    symmetric_put(matrix, column + 1, column, r);
    for (size_t i = 0; i < rows; i++) {
        work->kernels->add_turned(SIDE, tile_of(panel, i), tile_of(panel, i), products);
        turn(tile_of(panel, i), tile_of(work->v_turned, column + 1 + i));
    }
    fill_t(work, products);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void change_tile(const Reduction *work, size_t i, size_t j, double *tile) {
    work->kernels->subtract_turned(2 * SIDE, tile_of(work->v_then_x, 2 * i), tile_of(work->x_then_v, 2 * j), tile);
    symmetric_put(work->matrix, i, j, tile);
}

/* The row with which a piece begins: all pieces have about as many tiles. */
static size_t piece_begin(const Reduction *work, size_t piece) {
    const double rows = (double)(work->matrix->sides - work->first);
    return work->first + (size_t)(rows * sqrt((double)piece / (double)work->pieces));
}

static size_t piece_end(const Reduction *work, size_t piece) {
    return piece + 1 < work->pieces ? piece_begin(work, piece + 1) : work->matrix->sides;
}

static void multiply_piece(void *context, size_t piece, unsigned worker) {
    const Reduction *work = context;
    const size_t end = piece_end(work, piece);
    double *products = work->products[piece], room[TILE] __attribute__((aligned(64)));
    (void)worker;
    memset(tile_of(products, work->first), 0, (end - work->first) * TILE * sizeof *products);
    for (size_t i = piece_begin(work, piece); i < end; i++)
        for (size_t j = work->first; j <= i; j++) {
            double *tile = symmetric_tile(work->matrix, i, j, room);
            if (work->pending) change_tile(work, i, j, tile);
            work->kernels->add_product(tile, tile_of(work->v, j), tile_of(products, i));
            if (j < i) work->kernels->add_turned(SIDE, tile, tile_of(work->v, i), tile_of(products, j));
        }
}

/* Y of one row of tiles: the sum of what the pieces have of it, times T. */
static void finish_products(void *context, size_t piece, unsigned worker) {
    const Reduction *work = context;
    const size_t i = work->first + piece;
    double sum[TILE] __attribute__((aligned(64))) = {0}, *y = tile_of(work->x, i);
    (void)worker;
    for (size_t p = 0; p < work->pieces; p++) {
        const double *more = tile_of(work->products[p], i);
        if (i >= piece_end(work, p)) continue;
        for (size_t k = 0; k < TILE; k++) sum[k] += more[k];
    }
    memset(y, 0, TILE * sizeof *y);
    work->kernels->add_product(sum, work->t, y);
}

/* X = Y - V `half`. */
static void finish_x(void *context, size_t piece, unsigned worker) {
    const Reduction *work = context;
    const size_t i = work->first + piece;
    (void)worker;
    const double *v = tile_of(work->v_turned, i);
    work->kernels->subtract_turned(SIDE, v, work->half, tile_of(work->x, i));
    turn(tile_of(work->x, i), tile_of(work->x_then_v, 2 * i));
    memcpy(tile_of(work->x_then_v, 2 * i + 1), v, TILE * sizeof *v);
    memcpy(tile_of(work->v_then_x, 2 * i), v, TILE * sizeof *v);
    memcpy(tile_of(work->v_then_x, 2 * i + 1), tile_of(work->x_then_v, 2 * i), TILE * sizeof *v);
}

/* 1/2 T' V' Y. */
static void fill_half(Reduction *work) {
    double inner[TILE] = {0};
    for (size_t i = work->first; i < work->matrix->sides; i++)
        work->kernels->add_turned(SIDE, tile_of(work->v, i), tile_of(work->x, i), inner);
    memset(work->half, 0, sizeof work->half);
    work->kernels->add_turned(SIDE, work->t, inner, work->half);
    for (size_t k = 0; k < TILE; k++) work->half[k] *= 0.5;
}

static void change_row(void *context, size_t piece, unsigned worker) {
    const Reduction *work = context;
    double room[TILE] __attribute__((aligned(64)));
    (void)worker;
    change_tile(work, work->first + piece, work->first,
                symmetric_tile(work->matrix, work->first + piece, work->first, room));
}

static void reduce_column(Reduction *work, size_t column) {
    const size_t rows = work->matrix->sides - column - 1, pieces = rows / PIECE_SIDES;
    work->first = column + 1;
    work->pieces = pieces < 1 ? 1 : pieces > PIECES_MAX ? PIECES_MAX : pieces;
    make_panel(work, column);
    pool_run(work->pieces, multiply_piece, work);
    pool_run(rows, finish_products, work);
    fill_half(work);
    pool_run(rows, finish_x, work);
    work->pending = true;
    pool_run(rows, change_row, work);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

size_t symmetric_band_length(size_t size) {
    return (size + 4 * SIDE) * (BAND_STEP + 1);
}

uint64_t band_bytes(size_t size) {
    const uint64_t sides = (size + SIDE - 1) / SIDE, pieces = sides / PIECE_SIDES;
    return sizeof(Reduction) + (symmetric_band_length(size) +
                                (7 + (pieces < 1            ? 1
                                      : pieces > PIECES_MAX ? PIECES_MAX
                                                            : pieces)) *
                                    sides * TILE +
                                64 * (uint64_t)size) *
                                   sizeof(double);
}

static double *copy_band(const Symmetric *matrix, Error *err) {
    double *band = mem_alloc(symmetric_band_length(matrix->size), sizeof *band, err);
    double room[TILE];
    for (size_t side = 0; band && side < matrix->sides; side++) {
        const double *tile = symmetric_tile(matrix, side, side, room);
        double *to = band + side * SIDE * (BAND_STEP + 1);
        for (size_t i = 0; i < SIDE; i++)
            for (size_t j = 0; j <= i; j++) to[j * BAND_STEP + i] = tile[i * SIDE + j];
        if (side + 1 == matrix->sides) continue;
        tile = symmetric_tile(matrix, side + 1, side, room);
        for (size_t i = 0; i < SIDE; i++)
            for (size_t j = i; j < SIDE; j++) to[j * BAND_STEP + SIDE + i] = tile[i * SIDE + j];
    }
    return band;
}

double *symmetric_to_band(Symmetric *matrix, Error *err) {
    const uint64_t length = (uint64_t)matrix->sides * TILE;
    Reduction *work = mem_alloc(1, sizeof *work, err);
    if (!work) return NULL;
    double *band = NULL, **const arrays[] = {&work->v, &work->x, &work->v_turned, &work->v_then_x, &work->x_then_v};
    bool done = true;
    for (size_t i = 0; done && i < sizeof arrays / sizeof *arrays; i++)
        done = (*arrays[i] = mem_alloc(i < 3 ? length : 2 * length, sizeof(double), err));
    for (size_t i = 0; done && i < PIECES_MAX && (i == 0 || i < matrix->sides / PIECE_SIDES); i++)
        done = (work->products[i] = mem_alloc(length, sizeof(double), err));
    if (!done) goto out;
    work->matrix = matrix;
    work->kernels = matrix->kernels;
    for (size_t column = 0; done && column + 1 < matrix->sides; column++) {
        done = task_step(NULL, "eigenvalues", 0, 0, err);
        if (done) reduce_column(work, column);
    }
    if (done) band = copy_band(matrix, err);
out:
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) mem_free(*arrays[i]);
    for (size_t i = 0; i < PIECES_MAX; i++) mem_free(work->products[i]);
    mem_free(work);
    return band;
}
