/* gram -- the Gram matrix R' R of rows of float32 numbers, added up part by part.
 *
 * Two ways. The products of two float32 numbers are exact in double, and are added there by the tile kernels. Where the
 * CPU has a matrix unit for integers, numbers that come from 16 bits are multiplied as three digits
 * (weft/base/tiles.h), five times as fast and without rounding; the few numbers of which digits leave a rest E are put
 * right in double, by E' (R - E/2) and its transpose. If there are many (float32 weights), the first way takes over for
 * good.
 */
#include <math.h>
#include <string.h>

#include "spectral/symmetric/symmetric.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/vectors.h"

enum {
    STRIP = TILES_SIDE,
    GROUP = 4, /* pairs of strips whose left factors stay in the second-level cache */
    RESTS = 64 /* of a strip and a part, at most */
};

uint64_t gram_bytes(size_t size, bool single) {
    const uint64_t strips = (size + STRIP - 1) / STRIP + 1;
    const uint64_t digits = !single && tiles_digits_available() ? 2 * tiles_digits_size(GRAM_ROWS) : 0;
    return (uint64_t)GRAM_PANEL * (size + SIDE) * sizeof(double) +
           strips * (digits + RESTS * sizeof(TilesRest) + sizeof(size_t) + STRIP * (sizeof(float) + sizeof(double)));
}

bool gram_init(Gram *gram, size_t size, bool single, Error *err) {
    const uint64_t strips = (size + STRIP - 1) / STRIP + 1; /* one more: they are taken in pairs */
    *gram = (Gram){.unit = 1, .strips = (size_t)strips - 1, .digits = !single && tiles_digits_available()};
    if (!symmetric_init(&gram->matrix, size, single, err)) return false;
    if (!(gram->panels = mem_alloc((uint64_t)gram->matrix.sides * SIDE * GRAM_PANEL, sizeof(double), err)))
        return false;
    if (!gram->digits) return true;
    const uint64_t bytes = strips * tiles_digits_size(GRAM_ROWS);
    return (gram->left = mem_alloc(bytes, 1, err)) && (gram->right = mem_alloc(bytes, 1, err)) &&
           (gram->rests = mem_alloc(strips * RESTS, sizeof *gram->rests, err)) &&
           (gram->rest_count = mem_alloc(strips, sizeof *gram->rest_count, err)) &&
           (gram->scale = mem_alloc(strips * STRIP, sizeof *gram->scale, err)) &&
           (gram->inverse = mem_alloc(strips * STRIP, sizeof *gram->inverse, err));
}

/* All but the matrix. */
void gram_finish(Gram *gram) {
    mem_free(gram->panels);
    mem_free(gram->left);
    mem_free(gram->right);
    mem_free(gram->rests);
    mem_free(gram->rest_count);
    mem_free(gram->scale);
    mem_free(gram->inverse);
    gram->panels = gram->inverse = NULL;
    gram->left = gram->right = NULL;
    gram->rests = NULL;
    gram->rest_count = NULL;
    gram->scale = NULL;
}

void gram_done(Gram *gram) {
    gram_finish(gram);
    symmetric_done(&gram->matrix);
}

/* ---- in double --------------------------------------------------------------------------------------------------- */

static void fill_panel(void *context, size_t piece, unsigned worker) {
    const Gram *gram = context;
    const size_t first = piece * SIDE, size = gram->matrix.size, width = size - first < SIDE ? size - first : SIDE;
    double *panel = gram->panels + first * gram->depth;
    (void)worker;
    for (size_t k = 0; k < gram->depth; k++)
        for (size_t j = 0; j < SIDE; j++)
            panel[k * SIDE + j] = j < width ? gram->unit * (double)gram->rows[k * size + first + j] : 0;
}

static void add_row(void *context, size_t piece, unsigned worker) {
    const Gram *gram = context;
    const Symmetric *matrix = &gram->matrix;
    const size_t i = matrix->sides - 1 - piece, step = gram->depth * SIDE; /* long rows first */
    (void)worker;
    double room[TILE] __attribute__((aligned(64)));
    for (size_t j = 0; j <= i; j++) {
        double *tile = symmetric_tile(matrix, i, j, room);
        matrix->kernels->add_turned(gram->depth, gram->panels + i * step, gram->panels + j * step, tile);
        symmetric_put(matrix, i, j, tile);
    }
}

static void add_doubles(Gram *gram, const float *rows, size_t count) {
    for (size_t first = 0; first < count; first += GRAM_PANEL) {
        gram->rows = rows + first * gram->matrix.size;
        gram->depth = count - first < GRAM_PANEL ? count - first : GRAM_PANEL;
        pool_run(gram->matrix.sides, fill_panel, gram);
        pool_run(gram->matrix.sides, add_row, gram);
    }
}

/* ---- in digits --------------------------------------------------------------------------------------------------- */

VECTOR_PLAIN static void find_most(const float *from, size_t step, size_t columns, size_t depth, float *most) {
    for (size_t k = 0; columns == STRIP && k < depth; k++, from += step)
        for (size_t j = 0; j < STRIP; j++) most[j] = fabsf(from[j]) > most[j] ? fabsf(from[j]) : most[j];
    for (size_t k = 0; columns < STRIP && k < depth; k++, from += step)
        for (size_t j = 0; j < columns; j++) most[j] = fabsf(from[j]) > most[j] ? fabsf(from[j]) : most[j];
}

/* Scales that get a strip's columns within +-127. False if there is none from 1 to 2^100. */
static bool choose_scales(const Gram *gram, size_t strip, size_t columns) {
    float most[STRIP] = {0};
    find_most(gram->rows + strip * STRIP, gram->matrix.size, columns, gram->depth, most);
    for (size_t j = 0; j < columns; j++) {
        int exponent = 0;
        (void)frexpf(most[j], &exponent); /* most < 2^exponent */
        if (most[j] > 0 && ldexpf(most[j], 7 - exponent) > 127) exponent++;
        const int power = most[j] > 0 ? 7 - exponent : 0;
        if (power < 0 || power > 100) return false;
        gram->scale[strip * STRIP + j] = ldexpf(1, power);
        gram->inverse[strip * STRIP + j] = ldexp(1, -power);
    }
    return true;
}

static void pack_strip(void *context, size_t strip, unsigned worker) {
    const Gram *gram = context;
    const size_t left = gram->matrix.size - strip * STRIP, size = tiles_digits_size(GRAM_ROWS);
    const TilesStrip source = {.from = gram->rows + strip * STRIP,
                               .scale = gram->scale + strip * STRIP,
                               .step = gram->matrix.size,
                               .columns = left < STRIP ? left : STRIP,
                               .depth = gram->depth};
    (void)worker;
    gram->rest_count[strip] = RESTS + 1;
    if (!choose_scales(gram, strip, source.columns)) return;
    gram->rest_count[strip] = tiles_pack_digits(&source, gram->left + strip * size, gram->right + strip * size,
                                                gram->rests + strip * RESTS, RESTS);
}

/* Where the products of two strips go; NULL: their tile lies above the diagonal, or outside. */
static double *place_of(const Gram *gram, size_t i, size_t j) {
    enum { EACH = SIDE / STRIP };
    if (i >= gram->strips || j >= gram->strips || j / EACH > i / EACH) return NULL;
    return symmetric_tile(&gram->matrix, i / EACH, j / EACH, NULL) + i % EACH * STRIP * SIDE + j % EACH * STRIP;
}

static void add_pair(const Gram *gram, size_t i, size_t j) {
    const size_t size = tiles_digits_size(GRAM_ROWS);
    TilesDigits product = {.steps = tiles_digits_size(gram->depth) / tiles_digits_size(1), .out_step = SIDE};
    for (size_t k = 0; k < 2; k++) {
        product.left[k] = gram->left + (i + k) * size;
        product.right[k] = gram->right + (j + k) * size;
        product.row[k] = gram->inverse + (i + k) * STRIP;
        product.column[k] = gram->inverse + (j + k) * STRIP;
        product.out[2 * k] = place_of(gram, i + k, j);
        product.out[2 * k + 1] = place_of(gram, i + k, j + 1);
    }
    tiles_add_digits(&product);
}

/* Strips of rows from piece * 2 GROUP on, against all that are not right of the diagonal's tiles. */
static void add_strips(void *context, size_t piece, unsigned worker) {
    const Gram *gram = context;
    const size_t groups = (gram->strips + 2 * GROUP - 1) / (2 * GROUP), first = (groups - 1 - piece) * 2 * GROUP;
    (void)worker;
    for (size_t j = 0; j < first + 2 * GROUP + 2 && j < gram->strips; j += 2)
        for (size_t i = first; i < first + 2 * GROUP && i < gram->strips; i += 2)
            if (j <= i + 2) add_pair(gram, i, j);
}

/* Adds `value` times a row of numbers where the products of column i with all stand. */
static void add_products(const Symmetric *matrix, size_t i, double value, const float *row) {
    for (size_t side = 0; side < matrix->sides; side++) {
        const size_t first = side * SIDE, own = i / SIDE, left = matrix->size - first, end = left < SIDE ? left : SIDE;
        double *beside = side <= own ? symmetric_tile(matrix, own, side, NULL) + i % SIDE * SIDE : NULL;
        double *below = side >= own ? symmetric_tile(matrix, side, own, NULL) + i % SIDE : NULL;
        for (size_t j = 0; beside && j < end; j++) beside[j] += value * (double)row[first + j];
        for (size_t j = 0; below && j < end; j++) below[j * SIDE] += value * (double)row[first + j];
    }
}

static void add_value(const Symmetric *matrix, size_t i, size_t j, double value) {
    if (i / SIDE >= j / SIDE) symmetric_tile(matrix, i / SIDE, j / SIDE, NULL)[i % SIDE * SIDE + j % SIDE] += value;
    if (j / SIDE >= i / SIDE) symmetric_tile(matrix, j / SIDE, i / SIDE, NULL)[j % SIDE * SIDE + i % SIDE] += value;
}

static double rest_value(const Gram *gram, const TilesRest *rest, size_t strip) {
    return (double)rest->value * gram->inverse[strip * STRIP + rest->column];
}

/* Adds E' (R - E/2) and its transpose for the rests of one strip. */
static void add_rests(Gram *gram, size_t strip) {
    const size_t size = gram->matrix.size;
    for (size_t k = 0; k < gram->rest_count[strip]; k++) {
        const TilesRest *rest = &gram->rests[strip * RESTS + k];
        const float *row = gram->rows + rest->row * size;
        const double value = rest_value(gram, rest, strip);
        const size_t i = strip * STRIP + rest->column;
        add_products(&gram->matrix, i, value, row);
        for (size_t s = 0; s < gram->strips; s++)
            for (size_t m = 0; m < gram->rest_count[s]; m++) {
                const TilesRest *other = &gram->rests[s * RESTS + m];
                if (other->row != rest->row) continue;
                add_value(&gram->matrix, i, s * STRIP + other->column, -0.5 * value * rest_value(gram, other, s));
            }
    }
}

/* False where these rows have too many rests, or numbers out of range: nothing was added. */
static bool add_digits(Gram *gram, const float *rows, size_t count) {
    gram->rows = rows;
    gram->depth = count;
    pool_run(gram->strips, pack_strip, gram);
    for (size_t i = 0; i < gram->strips; i++)
        if (gram->rest_count[i] > RESTS) return false;
    pool_run((gram->strips + 2 * GROUP - 1) / (2 * GROUP), add_strips, gram);
    for (size_t i = 0; i < gram->strips; i++) add_rests(gram, i);
    return true;
}

void gram_add(Gram *gram, const float *rows, size_t count) {
    for (size_t first = 0; first < count; first += GRAM_ROWS) {
        const size_t some = count - first < GRAM_ROWS ? count - first : GRAM_ROWS;
        const float *from = rows + first * gram->matrix.size;
        gram->digits = gram->digits && add_digits(gram, from, some);
        if (!gram->digits) add_doubles(gram, from, some);
    }
}
