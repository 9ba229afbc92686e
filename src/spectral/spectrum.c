/* spectrum -- the singular values of one layer, and the Fourier magnitudes of its kernels.
 *
 * The Fourier table has one row a frequency: mode "1d" is the transform of the kernel flattened to n = kh kw numbers,
 * frequencies 0 .. floor(n/2); mode "2d" (or "3d"), for kernels of several axes and more than one element, that of the
 * kh x kw kernel, its bins grouped by radial frequency sqrt(fi^2 + fj^2), fi = min(i, kh - i), fj likewise. The
 * magnitude is the mean |F| over all kernels and all bins of that frequency.
 */
#include "weft/spectral.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spectral/fourier.h"
#include "spectral/lapack.h"
#include "spectral/layers.h"
#include "spectral/squares.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- singular values --------------------------------------------------------------------------------------------- */

static Table *singular_table(const double *sigma, size_t count, size_t rows, size_t columns, Error *err) {
    double energy = 0, so_far = 0, ratio = NAN;
    Table *table = table_new(err);
    table_column(table, "index", "", COLUMN_INTEGER);
    table_column(table, "sigma", "", COLUMN_REAL);
    table_column(table, "energy_fraction", "", COLUMN_REAL);
    for (size_t i = 0; i < count; i++) energy += sigma[i] * sigma[i];
    for (size_t i = 0; i < count; i++) {
        so_far += sigma[i] * sigma[i];
        double fraction = energy > 0 ? so_far / energy : NAN;
        table_integer(table, (int64_t)i + 1);
        table_real(table, sigma[i]);
        table_real(table, fraction);
        if (i + 1 == count / 2) ratio = fraction;
    }
    table_note(table, "rows", "%zu", rows);
    table_note(table, "columns", "%zu", columns);
    table_note(table, "energy", "%.9g", energy);
    if (!isnan(ratio)) table_note(table, "s_ratio", "%.9g", ratio);
    return table;
}

static Table *singular_values(const Network *network, size_t layer, Error *err) {
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    size_t count = rows < columns ? rows : columns;
    if (!lapack_admits(rows, columns, err)) return NULL;
    const uint64_t bytes = values_bytes(rows, columns);
    if (!mem_work_begin(bytes, LAYERS_WORK, err)) return NULL;
    double *sigma = mem_alloc(count, sizeof *sigma, err);
    Table *table = NULL;
    if (sigma && layers_check(network, layer, err) && values_of_layer(network, &network->layers[layer], sigma, err))
        table = singular_table(sigma, count, rows, columns, err);
    mem_free(sigma);
    mem_work_end(bytes);
    return table;
}

/* ---- Fourier magnitudes ------------------------------------------------------------------------------------------ */

/* What was seen of one frequency; bins of a transform first, groups of equal frequency after sorting. */
typedef struct Frequency {
    size_t square;      /* fi^2 + fj^2 (+ fk^2) */
    double sum, weight; /* of magnitudes; how many went in */
} Frequency;

static int by_square(const void *a, const void *b) {
    size_t x = ((const Frequency *)a)->square, y = ((const Frequency *)b)->square;
    return x < y ? -1 : x > y;
}

static void add_batch(const Fourier *fourier, size_t kernels, Frequency *bins) {
    float(*value)[2] = fourier->spectrum;
    for (size_t k = 0; k < kernels; k++) {
        for (size_t i = 0; i < fourier->bins; i++, value++) {
            bins[i].sum += hypot((double)(*value)[0], (double)(*value)[1]);
        }
    }
}

static void frequency_rows(Table *table, const char *mode, Frequency *bins, size_t count) {
    qsort(bins, count, sizeof *bins, by_square);
    for (size_t i = 0; i < count;) {
        Frequency group = bins[i++];
        for (; i < count && bins[i].square == group.square; i++) {
            group.sum += bins[i].sum;
            group.weight += bins[i].weight;
        }
        table_text(table, mode);
        table_real(table, sqrt((double)group.square));
        table_real(table, group.sum / group.weight);
    }
}

/* The rows of one mode: `count` kernels of this size. */
static bool add_mode(Table *table, const char *mode, const float *kernels, uint64_t count, const size_t size[3],
                     Error *err) {
    Fourier fourier;
    if (!fourier_init(&fourier, size, err)) return false;
    Frequency *bins = mem_alloc(fourier.bins, sizeof *bins, err);
    for (uint64_t first = 0; bins && first < count; first += fourier.batch) {
        size_t batch = count - first < fourier.batch ? (size_t)(count - first) : fourier.batch;
        memcpy(fourier.real, kernels + first * fourier.elements, batch * fourier.elements * sizeof *kernels);
        fourier_forward(&fourier);
        add_batch(&fourier, batch, bins);
    }
    for (size_t i = 0; bins && i < fourier.bins; i++) {
        size_t at[3];
        unsigned twins;
        fourier_bin(&fourier, i, at, &twins);
        bins[i].square = at[0] * at[0] + at[1] * at[1] + at[2] * at[2];
        bins[i].sum *= twins;
        bins[i].weight = (double)count * twins;
    }
    if (bins) frequency_rows(table, mode, bins, fourier.bins);
    bool done = bins != NULL;
    mem_free(bins);
    fourier_done(&fourier);
    return done;
}

static void note_size(Table *table, const LayerKernel *kernel) {
    Str text = {0};
    for (unsigned i = 3 - kernel->axes; i < 3; i++)
        str_addf(&text, "%s%zu", text.length > 0 ? "x" : "", kernel->size[i]);
    table_note(table, "kernel_size", "%s", str_text(&text));
    str_done(&text);
}

static Table *magnitudes(const Network *network, size_t layer, Error *err) {
    const Layer *chosen = &network->layers[layer];
    const Tensor *weight = layer_weight(network, chosen);
    const LayerKernel kernel = layers_kernel(network, layer);
    const size_t elements = kernel.elements;
    if (kernel.axes == 0) {
        error_set(err, STATUS_USAGE, "is of kind %s; only convolutions have kernels to transform",
                  layer_kind_name(chosen->kind));
        return NULL;
    }
    if (weight->count == 0) {
        error_set(err, STATUS_USAGE, "has no weights");
        return NULL;
    }
    float *copy;
    const float *values = layers_weights(network, layer, &copy, err);
    if (!values || !layers_check_weights(values, weight->count, FLT_MAX / (float)elements, err)) {
        mem_free(copy);
        return NULL;
    }
    uint64_t count = weight->count / elements;
    Table *table = table_new(err);
    table_column(table, "mode", "", COLUMN_TEXT);
    table_column(table, "frequency", "", COLUMN_REAL);
    table_column(table, "magnitude", "", COLUMN_REAL);
    table_note(table, "kernels", "%llu", (unsigned long long)count);
    note_size(table, &kernel);
    const bool flat = elements == 1 || kernel.axes == 1;
    const bool done = add_mode(table, "1d", values, count, (const size_t[]){1, 1, elements}, err) &&
                      (flat || add_mode(table, kernel.axes == 2 ? "2d" : "3d", values, count, kernel.size, err));
    mem_free(copy);
    if (done) return table;
    table_free(table);
    return NULL;
}

static Table *spectrum_of(const Network *network, size_t layer, bool fft, const char *whose, Error *err) {
    const char *name = network->layers[layer].name;
    Error reason = {0};
    Table *table = fft ? magnitudes(network, layer, &reason) : singular_values(network, layer, &reason);
    table_note(table, "layer", "%s", name);
    if (table) return table_finish(table, err);
    *err = reason;
    error_prefix(err, "layer '%s'%s", name, whose);
    return NULL;
}

/* ---- two networks ------------------------------------------------------------------------------------------------ */

static bool compared(const Column *column) {
    return column->type == COLUMN_REAL && strcmp(column->name, "frequency") != 0;
}

/* The columns of `a`; what is compared with that of `b` and the difference beside it. */
static void add_columns(Table *table, const Table *a) {
    for (size_t c = 0; c < a->column_count; c++) {
        static const char *const suffixes[] = {"_vs", "_difference"};
        const Column *column = &a->columns[c];
        table_column(table, column->name, column->unit, column->type);
        for (size_t i = 0; i < 2 && compared(column); i++) {
            Str name = {0};
            str_addf(&name, "%s%s", column->name, suffixes[i]);
            if (name.failed) table->failed = true;
            table_column(table, str_text(&name), column->unit, COLUMN_REAL);
            str_done(&name);
        }
    }
}

static void add_row(Table *table, const Table *a, const Table *b, size_t row) {
    for (size_t c = 0; c < a->column_count; c++) {
        const Column *column = &a->columns[c];
        const Cell cell = column->cells[row], other = b->columns[c].cells[row];
        if (column->type == COLUMN_TEXT)
            table_text(table, cell.text);
        else if (column->type == COLUMN_INTEGER)
            table_integer(table, cell.integer);
        else
            table_real(table, cell.real);
        if (!compared(column)) continue;
        table_real(table, other.real);
        table_real(table, other.real - cell.real);
    }
}

/* Two tables of the same rows as one. Takes neither over. */
static Table *beside(const Table *a, const Table *b, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    add_columns(table, a);
    for (size_t row = 0; row < a->rows; row++) add_row(table, a, b, row);
    for (size_t i = 0; i < a->note_count; i++) table_note(table, a->notes[i].key, "%s", a->notes[i].value);
    static const char *const keys[] = {"energy", "s_ratio"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = table_get_note(b, keys[i]);
        if (value) table_note(table, i == 0 ? "energy_vs" : "s_ratio_vs", "%s", value);
    }
    return table_finish(table, err);
}

Table *spectrum_table(const Network *network, size_t layer, const Network *versus, bool fft, Error *err) {
    size_t twin = 0;
    if (versus && !layers_twin(network, layer, versus, &twin, err)) return NULL;
    Table *table = spectrum_of(network, layer, fft, "", err);
    if (!table || !versus) return table;
    Table *second = spectrum_of(versus, twin, fft, " of the second network", err);
    Table *both = second ? beside(table, second, err) : NULL;
    table_free(table);
    table_free(second);
    return both;
}
