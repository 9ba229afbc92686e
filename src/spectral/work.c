/* work -- what an analysis of each layer will take (weft/spectral/work.h). */
#include "weft/spectral/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "spectral/layers.h"
#include "spectral/squares.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/spectral/histogram.h"

typedef struct Extent {
    double small, large, count;
    size_t rows, columns;
    bool bfloat16, lazy;
} Extent;

static Extent extent_of(const Network *network, size_t layer) {
    const Layer *own = &network->layers[layer];
    const Tensor *weight = layer_weight(network, own);
    Extent shape = {.count = (double)weight->count,
                    .bfloat16 = network->tensors[own->tensor].stored == DTYPE_BF16,
                    .lazy = weight->lazy != NULL};
    layer_matrix(network, own, &shape.rows, &shape.columns);
    shape.small = (double)(shape.rows < shape.columns ? shape.rows : shape.columns);
    shape.large = (double)(shape.rows < shape.columns ? shape.columns : shape.rows);
    return shape;
}

/* Going once through the weights, `nanoseconds` for each where products run at the speed at which this was measured. */
static LayerWork pass(const Extent *shape, double nanoseconds, uint64_t bytes) {
    return (LayerWork){.seconds = nanoseconds * 1e-9 * shape->count / squares_speed(),
                       .bytes = bytes + (shape->lazy ? TENSOR_SPAN * sizeof(float) : 0)};
}

LayerWork work_sratio(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    return (LayerWork){.seconds = squares_seconds(shape.rows, shape.columns),
                       .bytes = squares_plan(shape.rows, shape.columns).bytes,
                       .shares = true};
}

/* dgesdd's singular values of a triangle take 8/3 K^3, half of it at the speed of memory; the triangle is LAPACK's QR.
 */
static double decomposition_seconds(double k, double l) {
    const double triangle = 2 * k * k * l / 45e9;
    return (8.0 / 3 * k * k * k / 13e9 + (k >= 384 ? triangle : 0)) / squares_speed();
}

/* Square matrices have singular values near 0, which the Gram matrix does not tell; others rarely. */
LayerWork work_spectrum(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    const bool gram = shape.small >= 384 && shape.large > 1.3 * shape.small;
    double seconds = shape.small >= 384 ? squares_seconds(shape.rows, shape.columns) : 0;
    if (!gram) seconds += decomposition_seconds(shape.small, shape.large);
    return (LayerWork){.seconds = seconds, .bytes = values_bytes(shape.rows, shape.columns), .shares = gram};
}

/* The power law is tried from every eigenvalue on. */
static double fits_seconds(double eigenvalues) {
    return 2.5e-9 * eigenvalues * eigenvalues / squares_speed();
}

LayerWork work_quality_matrix(const Network *network, size_t layer) {
    LayerWork work = work_spectrum(network, layer);
    const Extent shape = extent_of(network, layer);
    work.seconds += fits_seconds(shape.small);
    work.bytes += 3 * (uint64_t)shape.small * sizeof(double);
    return work;
}

LayerWork work_quality(const Network *network, size_t layer) {
    const LayerKernel kernel = layers_kernel(network, layer);
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    if (kernel.axes == 0) return work_quality_matrix(network, layer);
    const double a = (double)weight->dim[0], b = (double)weight->dim[1], small = a < b ? a : b,
                 count = (double)kernel.elements;
    return (LayerWork){.seconds = count * decomposition_seconds(small, a < b ? b : a) + fits_seconds(small * count),
                       .bytes = layers_bytes(network, layer) +
                                (uint64_t)(a * b + small * small + 3 * small * count) * sizeof(double)};
}

LayerWork work_distance(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    return pass(&shape, shape.lazy ? 1.6 : 0.6, shape.lazy ? TENSOR_SPAN * sizeof(float) : 0);
}

/* bfloat16 numbers take one pass of counting, others three. The counters are those of all layers together. */
LayerWork work_hist(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    return pass(&shape, shape.bfloat16 ? 2.0 : 12, HISTOGRAM_BYTES);
}

/* Reading, transforming, and writing to a temporary file where the network is lazy. */
LayerWork work_lowpass(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    return pass(&shape, shape.lazy ? 34 : 8, 2 * layers_bytes(network, layer));
}

LayerWork work_quantise(const Network *network, size_t layer) {
    return work_lowpass(network, layer);
}

LayerWork work_svscale(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    const double k = shape.small, l = shape.large;
    LayerWork work = pass(&shape, shape.lazy ? 15 : 2, svscale_bytes(network, layer));
    work.seconds += (0.40e-9 * k * k * k + 0.10e-9 * k * k * (l - k)) / squares_speed();
    return work;
}

/* A lazy mixture is made where it is read. */
LayerWork work_mix(const Network *network, size_t layer) {
    const Extent shape = extent_of(network, layer);
    return shape.lazy ? (LayerWork){0} : pass(&shape, 1.2, layers_bytes(network, layer));
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_columns(Table *table) {
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "rows", "", COLUMN_INTEGER);
    table_column(table, "columns", "", COLUMN_INTEGER);
    table_column(table, "memory", "MB", COLUMN_REAL);
    table_column(table, "seconds", "s", COLUMN_REAL);
}

static double megabytes(uint64_t bytes) {
    return (double)bytes / (1 << 20);
}

/* An estimate has three digits. */
static double three_digits(double value) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.3g", value);
    return strtod(digits, NULL);
}

/* "18,080 MB", "3.4 MB". */
static void add_size(Str *text, double size) {
    if (size < 100) {
        str_addf(text, "%.3g MB", size);
        return;
    }
    char digits[32];
    const int length = snprintf(digits, sizeof digits, "%.0f", size);
    for (int i = 0; i < length; i++) str_addf(text, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
    str_add(text, " MB");
}

static void note_memory(Table *table, uint64_t most) {
    Str text = {0};
    add_size(&text, megabytes(most));
    str_add(&text, " for the largest layer, limit ");
    add_size(&text, megabytes(mem_budget()));
    str_add(&text, " (--max-memory)");
    table_note(table, "memory", "%s", str_text(&text));
    if (text.failed) table->failed = true;
    str_done(&text);
}

/* The layers that are analysed: those that `versus` has too, the others are noted. */
static size_t *layers_analysed(const Network *network, const Network *versus, const bool *chosen, size_t *count,
                               Str *unmatched, Error *err) {
    if (!versus) return layers_chosen(network, chosen, false, count, err);
    LayerPair *pairs = layers_match(network, versus, chosen, false, count, unmatched, err);
    size_t *layers = pairs ? mem_alloc(*count, sizeof *layers, err) : NULL;
    for (size_t i = 0; layers && i < *count; i++) layers[i] = pairs[i].a;
    mem_free(pairs);
    return layers;
}

Table *work_table(const Network *network, const Network *versus, const bool *chosen, WorkFunction *work, Error *err) {
    Str unmatched = {0};
    size_t count = 0, *layers = layers_analysed(network, versus, chosen, &count, &unmatched, err);
    const double networks = versus ? 2 : 1;
    double seconds = 0, longest = 0;
    uint64_t most = 0;
    Table *table = layers ? table_new(err) : NULL;
    if (table) add_columns(table);
    for (size_t i = 0; table && i < count; i++) {
        const LayerWork own = work(network, layers[i]);
        size_t rows, columns;
        layer_matrix(network, &network->layers[layers[i]], &rows, &columns);
        if (!own.shares && own.seconds > longest) longest = own.seconds;
        if (own.bytes > most) most = own.bytes;
        seconds += networks * own.seconds;
        table_text(table, network->layers[layers[i]].name);
        table_integer(table, (int64_t)rows);
        table_integer(table, (int64_t)columns);
        table_real(table, three_digits(megabytes(own.bytes)));
        table_real(table, three_digits(networks * own.seconds));
    }
    const unsigned threads = pool_threads();
    if (table) table_note(table, "seconds", "%.3g on %u threads", fmax(seconds / threads, longest), threads);
    if (table) note_memory(table, most);
    if (table && unmatched.length > 0) table_note(table, "unmatched", "%s", str_text(&unmatched));
    str_done(&unmatched);
    mem_free(layers);
    return table ? table_finish(table, err) : NULL;
}
