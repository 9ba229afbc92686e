/* kernels -- the filters of one layer, weight by weight. */
#include "weft/spectral.h"

#include "spectral/layers.h"

Table *kernels_table(const Network *network, size_t layer, Error *err) {
    const Layer *chosen = &network->layers[layer];
    const float *weight = layer_weight(network, chosen)->data;
    size_t filters, columns, height, width;
    layer_matrix(network, chosen, &filters, &columns);
    layers_kernel(network, layer, &height, &width);
    size_t channels = height * width > 0 ? columns / (height * width) : 0;
    Table *table = table_new(err);
    static const char *const names[] = {"filter", "channel", "row", "column"};
    for (size_t i = 0; i < 4; i++) table_column(table, names[i], "", COLUMN_INTEGER);
    table_column(table, "weight", "", COLUMN_REAL);
    for (size_t filter = 0; filter < filters; filter++) {
        for (size_t channel = 0; channel < channels; channel++) {
            for (size_t i = 0; i < height * width; i++) {
                table_integer(table, (int64_t)filter);
                table_integer(table, (int64_t)channel);
                table_integer(table, (int64_t)(i / width));
                table_integer(table, (int64_t)(i % width));
                table_real(table, (double)*weight++);
            }
        }
    }
    table_note(table, "layer", "%s", chosen->name);
    return table_finish(table, err);
}
