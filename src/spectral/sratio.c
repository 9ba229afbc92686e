/* sratio -- how much of a layer's energy its larger singular values hold.
 *
 * S_ratio = sum of sigma_i^2 over i <= floor(K/2) / sum of sigma_i^2 over i <= K, K = min(rows, columns) (the paper's
 * definition). The squares of the singular values are the eigenvalues of the smaller Gram matrix, so no decomposition
 * of the whole matrix is needed: products of two float32 weights are exact in double, and an eigenvalue's absolute
 * error, about 1e-16 of the largest, is an error of the same size in the ratio.
 */
#include "weft/spectral.h"

#include <float.h>
#include <math.h>

#include "spectral/lapack.h"
#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

bool spectral_singular_values(const float *matrix, size_t rows, size_t columns, double *sigma, Error *err) {
    uint64_t count = (uint64_t)rows * columns;
    if (!lapack_admits(rows, columns, err) || !layers_check_weights(matrix, count, FLT_MAX, err)) return false;
    double *wide = mem_alloc(count, sizeof *wide, err);
    if (!wide) return false;
    for (uint64_t i = 0; i < count; i++) wide[i] = (double)matrix[i];
    bool done = lapack_singular_values(wide, rows, columns, sigma, err);
    mem_free(wide);
    return done;
}

bool spectral_sratio(const float *matrix, size_t rows, size_t columns, double *ratio, double *energy, Error *err) {
    uint64_t count = (uint64_t)rows * columns;
    size_t values = rows < columns ? rows : columns;
    if (!lapack_admits(rows, columns, err) || !layers_check_weights(matrix, count, FLT_MAX, err)) return false;
    bool done = false;
    double *gram = NULL, *squares = NULL, *wide = mem_alloc(count, sizeof *wide, err);
    if (wide) gram = mem_alloc((uint64_t)values * values, sizeof *gram, err);
    if (gram) squares = mem_alloc(values, sizeof *squares, err);
    if (!squares) goto out;
    for (uint64_t i = 0; i < count; i++) wide[i] = (double)matrix[i];
    lapack_gram(wide, rows, columns, gram);
    if (!lapack_eigenvalues(gram, values, squares, err)) goto out;
    double upper = 0, lower = 0;
    for (size_t i = 0; i < values; i++) { /* ascending; rounding may leave a zero below 0 */
        double square = squares[i] > 0 ? squares[i] : 0;
        *(i < values - values / 2 ? &lower : &upper) += square;
    }
    *energy = upper + lower;
    *ratio = values >= 2 && *energy > 0 ? upper / *energy : NAN;
    done = true;
out:
    mem_free(wide);
    mem_free(gram);
    mem_free(squares);
    return done;
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

typedef struct Measure {
    const Network *network;
    const char *whose; /* for errors */
    size_t layer, rows, columns;
    double ratio, energy;
    const char *fault; /* why there is neither, or NULL */
} Measure;

static bool measure_one(void *context, size_t point, Error *err) {
    Measure *measure = (Measure *)context + point;
    const Layer *layer = &measure->network->layers[measure->layer];
    float *copy;
    measure->ratio = measure->energy = (double)NAN;
    if ((measure->fault = layers_fault(layer_weight(measure->network, layer)))) return true;
    const float *matrix = layer_matrix_values(measure->network, layer, &copy, err);
    const bool done =
        matrix && spectral_sratio(matrix, measure->rows, measure->columns, &measure->ratio, &measure->energy, err);
    mem_free(copy);
    if (done) return true;
    return error_prefix(err, "layer '%s'%s", layer->name, measure->whose);
}

static bool measure_all(Measure *measures, size_t count, const Task *task, Error *err) {
    double *costs = mem_alloc(count, sizeof *costs, err);
    if (!costs) return false;
    for (size_t i = 0; i < count; i++) {
        Measure *measure = &measures[i];
        layer_matrix(measure->network, &measure->network->layers[measure->layer], &measure->rows, &measure->columns);
        costs[i] = layers_cost(measure->network, measure->layer);
    }
    bool done = map_points(count, costs, measure_one, measures, "sratio", task, err);
    mem_free(costs);
    return done;
}

static const char *why_no_ratio(const Measure *measure) {
    if (measure->fault || !isnan(measure->ratio)) return measure->fault;
    return measure->rows < 2 || measure->columns < 2 ? "fewer than 2 singular values" : "all weights are zero";
}

/* Notes mean and mean_last_half, each with `suffix`, over the L values that are numbers; the last half are those from
 * floor(L/2) on. `paper`: also mean_last_half_paper, for which the paper multiplies their sum by 2/L, also where L is
 * odd; a share would then come out above 1, so it is for differences only. */
static void note_means(Table *table, const char *suffix, bool paper, const double *values, size_t count) {
    double sum = 0, last_sum = 0;
    size_t numbers = 0, seen = 0, last = 0;
    Str key = {0};
    for (size_t i = 0; i < count; i++) numbers += isnan(values[i]) ? 0 : 1;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) continue;
        sum += values[i];
        if (seen++ < numbers / 2) continue;
        last_sum += values[i];
        last++;
    }
    const struct {
        const char *name;
        double value;
    } means[] = {{"mean", sum / (double)numbers},
                 {"mean_last_half", last_sum / (double)last},
                 {"mean_last_half_paper", 2 * last_sum / (double)numbers}};
    for (size_t i = 0; numbers > 0 && i < (paper ? 3 : 2); i++) {
        key.length = 0;
        str_addf(&key, "%s%s", means[i].name, suffix);
        table_note(table, str_text(&key), "%.9g", means[i].value);
    }
    if (key.failed && table) table->failed = true;
    str_done(&key);
}

static void note_list(Table *table, const char *key, Str *list) {
    if (list->length > 0) table_note(table, key, "%s", str_text(list));
    if (list->failed && table) table->failed = true;
    str_done(list);
}

/* The means count convolutions, as the paper's do; all layers where none of them is one. `step`: from one measure of a
 * layer to that of the next. Notes it where layers are not counted. */
static bool *counted(Table *table, const Measure *measures, size_t step, size_t count, Error *err) {
    size_t some = 0;
    bool *marks = mem_alloc(count, sizeof *marks, err);
    if (!marks) return NULL;
    for (size_t i = 0; i < count; i++) {
        marks[i] = layers_convolution(measures[i * step].network, measures[i * step].layer);
        some += marks[i];
    }
    for (size_t i = 0; some == 0 && i < count; i++) marks[i] = true;
    if (some > 0 && some < count) table_note(table, "means", "over the %zu convolutions", some);
    return marks;
}

static Table *one_table(const Measure *measures, size_t count, double *ratios, Error *err) {
    Table *table = table_new(err);
    Str skipped = {0};
    bool *means = counted(table, measures, 1, count, err);
    if (!means) {
        table_free(table);
        return NULL;
    }
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "rows", "", COLUMN_INTEGER);
    table_column(table, "columns", "", COLUMN_INTEGER);
    table_column(table, "K", "", COLUMN_INTEGER);
    table_column(table, "s_ratio", "", COLUMN_REAL);
    table_column(table, "energy", "", COLUMN_REAL);
    for (size_t i = 0; i < count; i++) {
        const Measure *measure = &measures[i];
        const char *name = measure->network->layers[measure->layer].name;
        size_t values = measure->rows < measure->columns ? measure->rows : measure->columns;
        table_text(table, name);
        table_integer(table, (int64_t)measure->rows);
        table_integer(table, (int64_t)measure->columns);
        table_integer(table, (int64_t)values);
        table_real(table, measure->ratio);
        table_real(table, measure->energy);
        ratios[i] = means[i] ? measure->ratio : NAN;
        if (isnan(measure->ratio)) layers_list(&skipped, name, why_no_ratio(measure));
    }
    table_note(table, "layers", "%zu", count);
    mem_free(means);
    note_means(table, "", false, ratios, count);
    note_list(table, "skipped", &skipped);
    return table_finish(table, err);
}

/* `measures` holds the pairs one after the other: network, versus, network, versus ... */
static Table *versus_table(const Measure *measures, size_t pairs, Str *unmatched, double *ratios, Error *err) {
    Table *table = table_new(err);
    Str skipped = {0};
    double *first = ratios, *second = ratios + pairs, *difference = ratios + 2 * pairs;
    bool *means = counted(table, measures, 2, pairs, err);
    if (!means) {
        table_free(table);
        return NULL;
    }
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "s_ratio", "", COLUMN_REAL);
    table_column(table, "s_ratio_vs", "", COLUMN_REAL);
    table_column(table, "difference", "", COLUMN_REAL);
    for (size_t i = 0; i < pairs; i++) {
        const Measure *a = &measures[2 * i], *b = a + 1;
        const char *name = a->network->layers[a->layer].name;
        difference[i] = b->ratio - a->ratio;
        table_text(table, name);
        table_real(table, a->ratio);
        table_real(table, b->ratio);
        table_real(table, difference[i]);
        bool both = !isnan(difference[i]); /* all means are over the same layers */
        if (!means[i]) difference[i] = NAN;
        first[i] = both && means[i] ? a->ratio : NAN;
        second[i] = both && means[i] ? b->ratio : NAN;
        if (!both) layers_list(&skipped, name, why_no_ratio(isnan(a->ratio) ? a : b));
    }
    table_note(table, "layers", "%zu", pairs);
    mem_free(means);
    note_means(table, "", false, first, pairs);
    note_means(table, "_vs", false, second, pairs);
    note_means(table, "_difference", true, difference, pairs);
    note_list(table, "skipped", &skipped);
    note_list(table, "unmatched", unmatched);
    return table_finish(table, err);
}

static Table *measure_one_network(const Network *network, const bool *chosen, const Task *task, Error *err) {
    size_t count = 0;
    Table *table = NULL;
    Measure *measures = NULL;
    double *ratios = NULL;
    size_t *layers = layers_chosen(network, chosen, false, &count, err);
    if (layers) measures = mem_alloc(count, sizeof *measures, err);
    if (measures) ratios = mem_alloc(count, sizeof *ratios, err);
    if (!ratios) goto out;
    for (size_t i = 0; i < count; i++) measures[i] = (Measure){.network = network, .whose = "", .layer = layers[i]};
    if (measure_all(measures, count, task, err)) table = one_table(measures, count, ratios, err);
out:
    mem_free(ratios);
    mem_free(measures);
    mem_free(layers);
    return table;
}

static Table *measure_both(const Network *network, const Network *versus, const bool *chosen, const Task *task,
                           Error *err) {
    size_t count = 0;
    Str unmatched = {0};
    Table *table = NULL;
    Measure *measures = NULL;
    double *ratios = NULL;
    LayerPair *pairs = layers_match(network, versus, chosen, false, &count, &unmatched, err);
    if (pairs) measures = mem_alloc(2 * (uint64_t)count, sizeof *measures, err);
    if (measures) ratios = mem_alloc(3 * (uint64_t)count, sizeof *ratios, err);
    if (!ratios) goto out;
    for (size_t i = 0; i < count; i++) {
        measures[2 * i] = (Measure){.network = network, .whose = "", .layer = pairs[i].a};
        measures[2 * i + 1] = (Measure){.network = versus, .whose = " of the second network", .layer = pairs[i].b};
    }
    if (measure_all(measures, 2 * count, task, err)) table = versus_table(measures, count, &unmatched, ratios, err);
out:
    mem_free(ratios);
    mem_free(measures);
    mem_free(pairs);
    str_done(&unmatched);
    return table;
}

Table *sratio_table(const Network *network, const Network *versus, const bool *chosen, const Task *task, Error *err) {
    return versus ? measure_both(network, versus, chosen, task, err) : measure_one_network(network, chosen, task, err);
}
