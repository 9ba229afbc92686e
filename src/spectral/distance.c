/* distance -- how far two networks' weights are apart, layer by layer. */
#include "weft/spectral.h"

#include <math.h>

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* Sums over pairs of weights (w, v), in double. */
typedef struct Sums {
    double count, absolute, square, first, second, product; /* |w-v|, (w-v)^2, w^2, v^2, w v */
} Sums;

static Sums sums_of(const float *w, const float *v, uint64_t count) {
    Sums sums = {.count = (double)count};
    for (uint64_t i = 0; i < count; i++) {
        double a = (double)w[i], b = (double)v[i], difference = a - b;
        sums.absolute += fabs(difference);
        sums.square += difference * difference;
        sums.first += a * a;
        sums.second += b * b;
        sums.product += a * b;
    }
    return sums;
}

static void sums_add(Sums *total, const Sums *sums) {
    total->count += sums->count;
    total->absolute += sums->absolute;
    total->square += sums->square;
    total->first += sums->first;
    total->second += sums->second;
    total->product += sums->product;
}

static void add_row(Table *table, const char *name, const Sums *sums) {
    double cosine = sums->product / (sqrt(sums->first) * sqrt(sums->second)); /* NaN for a zero vector */
    table_text(table, name);
    table_real(table, sums->absolute / sums->count);
    table_real(table, sqrt(sums->square / sums->count));
    table_real(table, sums->first > 0 ? sqrt(sums->square / sums->first) : NAN);
    table_real(table, cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
}

/* Adds the rows; layers with weights that are not finite have none, and are listed. */
static void add_rows(Table *table, const Network *a, const Network *b, const LayerPair *pairs, size_t count,
                     Str *skipped) {
    Sums total = {0};
    for (size_t i = 0; i < count; i++) {
        const char *name = a->layers[pairs[i].a].name;
        const Tensor *first = layer_weight(a, &a->layers[pairs[i].a]);
        const Tensor *second = layer_weight(b, &b->layers[pairs[i].b]);
        const char *fault = layers_fault(first), *other = layers_fault(second);
        if (fault || other) {
            layers_list(skipped, name, fault ? fault : other);
            continue;
        }
        Sums sums = sums_of(first->data, second->data, first->count);
        add_row(table, name, &sums);
        sums_add(&total, &sums);
    }
    add_row(table, "all", &total);
}

Table *distance_table(const Network *a, const Network *b, const bool *chosen, Error *err) {
    size_t count = 0;
    Str unmatched = {0}, skipped = {0};
    Table *table = NULL;
    LayerPair *pairs = layers_match(a, b, chosen, false, &count, &unmatched, err);
    if (!pairs) goto out;
    table = table_new(err);
    if (!table) goto out;
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "mean_abs", "", COLUMN_REAL);
    table_column(table, "rms", "", COLUMN_REAL);
    table_column(table, "relative", "", COLUMN_REAL);
    table_column(table, "cosine", "", COLUMN_REAL);
    add_rows(table, a, b, pairs, count, &skipped);
    if (skipped.failed) table->failed = true;
    table_note(table, "layers", "%zu", count);
    if (skipped.length > 0) table_note(table, "skipped", "%s", str_text(&skipped));
    if (unmatched.length > 0) table_note(table, "unmatched", "%s", str_text(&unmatched));
    table = table_finish(table, err);
out:
    mem_free(pairs);
    str_done(&unmatched);
    str_done(&skipped);
    return table;
}
