/* squares -- the squares of a matrix's singular values (spectral/squares.h). Products of two float32 weights are exact
 * in double, and an eigenvalue's absolute error is about 1e-16 of the largest.
 */
#include "spectral/squares.h"

#include <float.h>
#include <math.h>

#include "spectral/lapack.h"
#include "spectral/symmetric/symmetric.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

/* The matrix part by part: some rows of it, or of its transpose where that has fewer columns. The parts depend on the
 * shape alone. */
typedef struct Parts {
    const float *matrix;  /* row-major, or NULL: */
    const Tensor *tensor; /* the matrix is what lies here, taller than wide */
    size_t rows, columns;
    float *room; /* for a part that does not lie in memory as it is needed */
} Parts;

/* From here on the reduction in tiles is faster than LAPACK's, half of which reads the whole matrix for every column.
 */
enum { TILES_FROM = 384 };

static bool is_wide(const Parts *parts) {
    return parts->rows < parts->columns;
}

static size_t small_side(const Parts *parts) {
    return is_wide(parts) ? parts->rows : parts->columns;
}

static size_t large_side(const Parts *parts) {
    return is_wide(parts) ? parts->columns : parts->rows;
}

/* Rows of the one that is taller than wide. */
static size_t part_rows(const Parts *parts) {
    return large_side(parts) < GRAM_ROWS ? large_side(parts) : GRAM_ROWS;
}

static void turn_part(const Parts *parts, size_t first, size_t count) {
    enum { BLOCK = 16 };
    for (size_t j = 0; j < count; j += BLOCK)
        for (size_t i = 0; i < parts->rows; i++)
            for (size_t k = j; k < j + BLOCK && k < count; k++)
                parts->room[k * parts->rows + i] = parts->matrix[i * parts->columns + first + k];
}

/* `count` rows from `first` on; NULL where they cannot be read. */
static const float *read_part(const Parts *parts, size_t first, size_t count, Error *err) {
    const uint64_t columns = parts->columns;
    if (!is_wide(parts) && parts->matrix) return parts->matrix + first * columns;
    if (!is_wide(parts)) return tensor_span(parts->tensor, first * columns, count * columns, parts->room, err);
    turn_part(parts, first, count);
    return parts->room;
}

/* ---- small matrices: LAPACK -------------------------------------------------------------------------------------- */

static bool small_squares(const Parts *parts, double *squares, Error *err) {
    const size_t small = small_side(parts), large = large_side(parts), step = part_rows(parts);
    double *part = NULL, *gram = mem_alloc((uint64_t)small * small, sizeof *gram, err);
    bool done = gram && (part = mem_alloc((uint64_t)step * small, sizeof *part, err));
    for (size_t first = 0; done && first < large; first += step) {
        const size_t count = large - first < step ? large - first : step;
        const float *rows = task_step(NULL, "sratio", 0, 0, err) ? read_part(parts, first, count, err) : NULL;
        for (size_t i = 0; rows && i < count * small; i++) part[i] = (double)rows[i];
        if (rows) lapack_add_gram(part, count, small, gram);
        done = rows != NULL;
    }
    done = done && lapack_eigenvalues(gram, small, squares, err);
    mem_free(part);
    mem_free(gram);
    return done;
}

/* ---- large ones: tiles ------------------------------------------------------------------------------------------- */

/* A power of two that gets the weights near 1, so that float32 holds their products. */
static bool choose_unit(const Parts *parts, double *unit, Error *err) {
    const size_t step = part_rows(parts), large = large_side(parts);
    double most = 0;
    for (size_t first = 0; first < large; first += step) {
        const size_t count = large - first < step ? large - first : step;
        const float *rows = read_part(parts, first, count, err);
        if (!rows) return false;
        for (size_t i = 0; i < count * small_side(parts); i++) most = fmax(most, fabs((double)rows[i]));
    }
    int exponent = 0;
    (void)frexp(most, &exponent);
    *unit = ldexp(1, -exponent);
    return true;
}

static bool fill_gram(const Parts *parts, Gram *gram, Error *err) {
    const size_t large = large_side(parts), step = part_rows(parts);
    if (gram->matrix.single && !choose_unit(parts, &gram->unit, err)) return false;
    for (size_t first = 0; first < large; first += step) {
        const size_t count = large - first < step ? large - first : step;
        const float *rows = task_step(NULL, "sratio", 0, 0, err) ? read_part(parts, first, count, err) : NULL;
        if (!rows) return false;
        gram_add(gram, rows, count);
    }
    return true;
}

static bool large_squares(const Parts *parts, bool single, double *squares, double *error, Error *err) {
    const size_t size = small_side(parts);
    Gram gram;
    bool done = gram_init(&gram, size, single, err) && fill_gram(parts, &gram, err);
    gram_finish(&gram);
    done = done && symmetric_eigenvalues(&gram.matrix, squares, err);
    double norm = 0;
    for (size_t i = 0; done && i < size; i++) {
        norm = hypot(norm, squares[i]);
        squares[i] /= gram.unit * gram.unit;
    }
    if (done && single)
        *error = symmetric_roundings(size, large_side(parts)) * (FLT_EPSILON / 2) * norm / (gram.unit * gram.unit);
    symmetric_done(&gram.matrix);
    return done;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static bool all_squares(const Parts *parts, bool single, double *squares, double *error, Error *err) {
    *error = 0;
    if (small_side(parts) == 0) return true;
    if (small_side(parts) < TILES_FROM) return small_squares(parts, squares, err);
    return large_squares(parts, single, squares, error, err);
}

static bool needs_room(const Parts *parts) {
    return is_wide(parts) || !parts->matrix;
}

static bool squares_of_parts(Parts *parts, bool single, double *squares, double *error, Error *err) {
    const uint64_t room = needs_room(parts) ? (uint64_t)part_rows(parts) * small_side(parts) : 0;
    const bool done = lapack_admits(parts->rows, parts->columns, err) &&
                      (room == 0 || (parts->room = mem_alloc(room, sizeof *parts->room, err))) &&
                      all_squares(parts, single, squares, error, err);
    mem_free(parts->room);
    return done;
}

bool squares_of_matrix(const float *matrix, size_t rows, size_t columns, bool single, double *squares, double *error,
                       Error *err) {
    Parts parts = {.matrix = matrix, .rows = rows, .columns = columns};
    return squares_of_parts(&parts, single, squares, error, err);
}

/* Part by part where the weights lie row after row in a file; else all of them, in *copy where they have to be read. */
static bool open_parts(const Network *network, const Layer *layer, Parts *parts, float **copy, Error *err) {
    *parts = (Parts){.tensor = layer_weight(network, layer)};
    *copy = NULL;
    layer_matrix(network, layer, &parts->rows, &parts->columns);
    if (!is_wide(parts) && parts->tensor->lazy && !layer_kind_transposed(layer->kind)) return true;
    return (parts->matrix = layer_matrix_values(network, layer, copy, err));
}

bool squares_of_layer(const Network *network, const Layer *layer, bool single, double *squares, double *error,
                      Error *err) {
    Parts parts;
    float *copy;
    const bool done =
        open_parts(network, layer, &parts, &copy, err) && squares_of_parts(&parts, single, squares, error, err);
    mem_free(copy);
    return done;
}

/* ---- singular values --------------------------------------------------------------------------------------------- */

/* The triangle R of W = Q R, which has W's singular values; to free. */
static double *triangle_of(const Parts *parts, Error *err) {
    const size_t small = small_side(parts), large = large_side(parts), step = part_rows(parts);
    double *r = mem_alloc((uint64_t)small * small, sizeof *r, err), *part = NULL, *work = NULL;
    bool done = r && (part = mem_alloc((uint64_t)step * small, sizeof *part, err)) &&
                (work = mem_alloc(lapack_add_rows_work(small), sizeof *work, err));
    for (size_t first = 0; done && first < large; first += step) {
        const size_t count = large - first < step ? large - first : step;
        const float *rows = task_step(NULL, "values", 0, 0, err) ? read_part(parts, first, count, err) : NULL;
        for (size_t i = 0; rows && i < count; i++)
            for (size_t j = 0; j < small; j++) part[j * count + i] = (double)rows[i * small + j];
        done = rows && lapack_add_rows(part, count, small, r, work, err);
    }
    mem_free(part);
    mem_free(work);
    if (done) return r;
    mem_free(r);
    return NULL;
}

/* Roots of the squares, if none is so small that it lies in the noise of the largest. */
static bool roots(const double *squares, size_t count, double *sigma) {
    if (!(squares[0] >= 1e-4 * squares[count - 1])) return false;
    for (size_t i = 0; i < count; i++) sigma[i] = sqrt(squares[count - 1 - i]);
    return true;
}

static bool large_values(Parts *parts, double *sigma, Error *err) {
    const size_t small = small_side(parts);
    double error, *squares = mem_alloc(small, sizeof *squares, err);
    bool done = squares && all_squares(parts, false, squares, &error, err);
    if (done && !roots(squares, small, sigma)) {
        double *r = triangle_of(parts, err);
        done = r && lapack_singular_values(r, small, small, sigma, err);
        mem_free(r);
    }
    mem_free(squares);
    return done;
}

static bool small_values(const Parts *parts, double *sigma, Error *err) {
    const uint64_t count = (uint64_t)parts->rows * parts->columns;
    double *matrix = mem_alloc(count, sizeof *matrix, err);
    const float *weights = NULL;
    if (matrix) weights = parts->matrix ? parts->matrix : tensor_span(parts->tensor, 0, count, parts->room, err);
    for (uint64_t i = 0; weights && i < count; i++) matrix[i] = (double)weights[i];
    const bool done = weights && lapack_singular_values(matrix, parts->rows, parts->columns, sigma, err);
    mem_free(matrix);
    return done;
}

bool values_of_layer(const Network *network, const Layer *layer, double *sigma, Error *err) {
    Parts parts;
    float *copy;
    bool done = open_parts(network, layer, &parts, &copy, err) && lapack_admits(parts.rows, parts.columns, err);
    const bool large = done && small_side(&parts) >= TILES_FROM;
    const uint64_t room = !done || (!large && parts.matrix) || (large && !needs_room(&parts)) ? 0
                          : large ? (uint64_t)part_rows(&parts) * small_side(&parts)
                                  : (uint64_t)parts.rows * parts.columns;
    done = done && (room == 0 || (parts.room = mem_alloc(room, sizeof *parts.room, err))) &&
           (large ? large_values(&parts, sigma, err) : small_values(&parts, sigma, err));
    mem_free(parts.room);
    mem_free(copy);
    return done;
}

/* ---- what it will take ------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const Parts *parts, bool single) {
    const uint64_t small = small_side(parts), part = part_rows(parts) * small;
    const uint64_t weights = is_wide(parts) ? small * parts->columns * sizeof(float) : 0;
    const uint64_t lapack = (small * small + part + lapack_eigenvalues_work((size_t)small)) * sizeof(double);
    const uint64_t tiles = symmetric_bytes((size_t)small, single) + gram_bytes((size_t)small, single);
    return weights + part * sizeof(float) + small * sizeof(double) + (small < TILES_FROM ? lapack : tiles);
}

SquaresPlan squares_plan(size_t rows, size_t columns) {
    const Parts parts = {.rows = rows, .columns = columns};
    SquaresPlan plan = {.bytes = bytes_of(&parts, false)};
    if (plan.bytes <= mem_budget() || small_side(&parts) < TILES_FROM) return plan;
    return (SquaresPlan){.bytes = bytes_of(&parts, true), .single = true};
}

/* Multiply-adds per second of one thread in the cache, from a product of tiles. */
static double measured_rate(void) {
    enum { ROUNDS = 5, TIMES = 50 };
    static double panel[GRAM_PANEL * SIDE], tile[TILE];
    const SymmetricKernels *kernels = symmetric_kernels(0);
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const double start = clock_seconds();
        for (int k = 0; k < TIMES; k++) kernels->add_turned(GRAM_PANEL, panel, panel, tile);
        best = fmax(best, (double)TIMES * GRAM_PANEL * TILE / fmax(clock_seconds() - start, 1e-9));
    }
    return best;
}

#define REFERENCE 40e9

double squares_speed(void) {
    static double speed;
    if (speed == 0) speed = measured_rate() / REFERENCE;
    return speed;
}

double squares_seconds(size_t rows, size_t columns) {
    const double k = (double)(rows < columns ? rows : columns), l = (double)(rows < columns ? columns : rows);
    const double rate = squares_speed() * REFERENCE;
    const double reading = 2e-9 * k * l / squares_speed(), gram = 0.5 * k * k * l / rate,
                 cube = 2.0 / 3 * k * k * k / rate;
    /* The shares of that rate which products in memory, chasing, and LAPACK reach; dsterf takes 10 ns a K K. */
    if (k < TILES_FROM) return reading + 1.6 * gram + 8 * cube;
    return reading + (tiles_digits_available() ? 0.75 : 1.25) * gram + 1.4 * cube + 3 * k * k * SIDE / (0.27 * rate) +
           1e-8 * k * k / squares_speed();
}

uint64_t values_bytes(size_t rows, size_t columns) {
    const Parts parts = {.rows = rows, .columns = columns};
    const uint64_t small = small_side(&parts), all = (uint64_t)rows * columns, part = part_rows(&parts) * small;
    const uint64_t lapack = (small * small + 64 * ((uint64_t)rows + columns)) * sizeof(double);
    if (small < TILES_FROM) return all * (sizeof(double) + sizeof(float)) + lapack;
    const uint64_t weights = is_wide(&parts) ? all * sizeof(float) : 0;
    const uint64_t triangle =
        weights + part * (sizeof(float) + sizeof(double)) + lapack + 2 * 64 * small * sizeof(double);
    const uint64_t squares = bytes_of(&parts, false);
    return triangle > squares ? triangle : squares;
}
