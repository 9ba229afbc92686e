/* kernels -- the filters of one layer, weight by weight. */
#include "weft/spectral.h"

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"

Table *kernels_table(const Network *network, size_t layer, Error *err) {
    const Layer *chosen = &network->layers[layer];
    const LayerKernel kernel = layers_kernel(network, layer);
    const size_t width = kernel.size[2], channel_size = kernel.elements;
    size_t filters, columns;
    float *copy;
    const float *weight = layer_matrix_values(network, chosen, &copy, err);
    if (!weight) return NULL;
    layer_matrix(network, chosen, &filters, &columns);
    size_t channels = channel_size > 0 ? columns / channel_size : 0;
    Table *table = table_new(err);
    static const char *const names[] = {"filter", "channel", "row", "column"};
    for (size_t i = 0; i < 4; i++) table_column(table, names[i], "", COLUMN_INTEGER);
    table_column(table, "weight", "", COLUMN_REAL);
    for (size_t filter = 0; filter < filters; filter++) {
        for (size_t channel = 0; channel < channels; channel++) {
            for (size_t i = 0; i < channel_size; i++) {
                table_integer(table, (int64_t)filter);
                table_integer(table, (int64_t)channel);
                table_integer(table, (int64_t)(i / width));
                table_integer(table, (int64_t)(i % width));
                table_real(table, (double)*weight++);
            }
        }
    }
    mem_free(copy);
    table_note(table, "layer", "%s", chosen->name);
    if (kernel.axes == 3)
        table_note(table, "kernel", "%zux%zux%zu: the rows of all planes, stacked", kernel.size[0], kernel.size[1],
                   kernel.size[2]);
    return table_finish(table, err);
}
