/* kernels -- the filters of one layer, weight by weight; of two networks, with their difference. */
#include "weft/spectral.h"

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"

/* The weights of a layer as the matrix of layer_matrix: filters x channels x elements of the kernel. Only the first
 * filters and channels are listed, `rows` and `columns` of them. */
typedef struct Filters {
    size_t filters, channels, elements, width, rows, columns;
} Filters;

/* A row for each weight; `which` names them, NULL: no such column. */
static void add_rows(Table *table, const Filters *size, const char *which, const float *weight, const float *minus) {
    for (size_t filter = 0; filter < size->rows; filter++) {
        for (size_t channel = 0; channel < size->columns; channel++) {
            const size_t kernel = (filter * size->channels + channel) * size->elements;
            for (size_t i = 0; i < size->elements; i++) {
                if (which) table_text(table, which);
                table_integer(table, (int64_t)filter);
                table_integer(table, (int64_t)channel);
                table_integer(table, (int64_t)(i / size->width));
                table_integer(table, (int64_t)(i % size->width));
                table_real(table, (double)weight[kernel + i] - (minus ? (double)minus[kernel + i] : 0));
            }
        }
    }
}

/* `b`: the second network's weights, NULL: none. */
static Table *table_of(const Network *network, size_t layer, const float *a, const float *b, const char *const names[3],
                       size_t most, Error *err) {
    static const char *const columns[] = {"filter", "channel", "row", "column"};
    const LayerKernel kernel = layers_kernel(network, layer);
    Filters size = {.elements = kernel.elements, .width = kernel.size[2]};
    size_t across;
    layer_matrix(network, &network->layers[layer], &size.filters, &across);
    size.channels = kernel.elements > 0 ? across / kernel.elements : 0;
    size.rows = size.filters < most ? size.filters : most;
    size.columns = size.channels < most ? size.channels : most;
    Table *table = table_new(err);
    if (b) table_column(table, "network", "", COLUMN_TEXT);
    for (size_t i = 0; i < 4; i++) table_column(table, columns[i], "", COLUMN_INTEGER);
    table_column(table, "weight", "", COLUMN_REAL);
    add_rows(table, &size, b ? names[0] : NULL, a, NULL);
    if (b) add_rows(table, &size, names[1], b, NULL);
    if (b && names[2]) add_rows(table, &size, names[2], b, a);
    table_note(table, "layer", "%s", network->layers[layer].name);
    if (kernel.axes == 3)
        table_note(table, "kernel", "%zux%zux%zu: the rows of all planes, stacked", kernel.size[0], kernel.size[1],
                   kernel.size[2]);
    return table_finish(table, err);
}

Table *kernels_table_part(const Network *network, size_t layer, const Network *versus, const char *const names[3],
                          size_t most, Error *err) {
    size_t twin = 0;
    if (versus && !layers_twin(network, layer, versus, &twin, err)) return NULL;
    float *copy = NULL, *copy_vs = NULL;
    const float *a = layer_matrix_values(network, &network->layers[layer], &copy, err), *b = NULL;
    if (a && versus) b = layer_matrix_values(versus, &versus->layers[twin], &copy_vs, err);
    Table *table = a && (b || !versus) ? table_of(network, layer, a, b, names, most, err) : NULL;
    mem_free(copy);
    mem_free(copy_vs);
    return table;
}

Table *kernels_table(const Network *network, size_t layer, const Network *versus, const char *const names[3],
                     Error *err) {
    return kernels_table_part(network, layer, versus, names, SIZE_MAX, err);
}
