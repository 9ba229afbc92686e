/* symmetric -- the matrix in tiles, and its eigenvalues. */
#include "spectral/symmetric/symmetric.h"

#include "spectral/lapack.h"
#include "weft/base/memory.h"

static size_t sides_of(size_t size) {
    return (size + SIDE - 1) / SIDE;
}

bool symmetric_init(Symmetric *matrix, size_t size, bool single, Error *err) {
    const uint64_t sides = sides_of(size), count = sides * (sides + 1) / 2 * TILE;
    *matrix = (Symmetric){.size = size, .sides = (size_t)sides, .kernels = symmetric_kernels(0)};
    if (single) return (matrix->single = mem_alloc(count, sizeof *matrix->single, err));
    return (matrix->tiles = mem_alloc(count, sizeof *matrix->tiles, err));
}

void symmetric_done(Symmetric *matrix) {
    mem_free(matrix->tiles);
    mem_free(matrix->single);
    matrix->tiles = NULL;
    matrix->single = NULL;
}

static uint64_t place_of(size_t i, size_t j) {
    return ((uint64_t)i * (i + 1) / 2 + j) * TILE;
}

double *symmetric_tile(const Symmetric *matrix, size_t i, size_t j, double *room) {
    if (matrix->tiles) return matrix->tiles + place_of(i, j);
    const float *single = matrix->single + place_of(i, j);
    for (size_t k = 0; k < TILE; k++) room[k] = (double)single[k];
    return room;
}

void symmetric_put(const Symmetric *matrix, size_t i, size_t j, const double *room) {
    if (matrix->tiles) return;
    float *single = matrix->single + place_of(i, j);
    for (size_t k = 0; k < TILE; k++) single[k] = (float)room[k];
}

uint64_t symmetric_bytes(size_t size, bool single) {
    const uint64_t sides = sides_of(size), stored = sides * (sides + 1) / 2 * TILE;
    return stored * (single ? sizeof(float) : sizeof(double)) + band_bytes(size);
}

double symmetric_roundings(size_t size, size_t rows) {
    return (double)sides_of(size) + (double)((rows + GRAM_PANEL - 1) / GRAM_PANEL);
}

/* ---- eigenvalues ------------------------------------------------------------------------------------------------- */

bool symmetric_eigenvalues(Symmetric *matrix, double *values, Error *err) {
    const size_t size = matrix->size;
    double *band = symmetric_to_band(matrix, err), *below = NULL;
    const bool done = band && (below = mem_alloc(size, sizeof *below, err)) &&
                      symmetric_chase(band, size, matrix->kernels, values, below, err) &&
                      lapack_tridiagonal(values, below, size, err);
    mem_free(band);
    mem_free(below);
    return done;
}
