/* fuzz_graph -- any text as a graph over a few tensors; what is read is planned, and written back the same. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "net/internal.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static Network *make_network(Error *err) {
    static const uint64_t shapes[4][4] = {{4, 3, 3, 3}, {4}, {10, 4}, {10}};
    static const unsigned ranks[4] = {4, 1, 2, 1};
    static const char *const names[4] = {"conv.weight", "conv.bias", "fc.weight", "fc.bias"};
    Network *network = mem_alloc(1, sizeof *network, err);
    network->tensors = mem_alloc(4, sizeof *network->tensors, err);
    for (; network->tensor_count < 4; network->tensor_count++)
        network->tensors[network->tensor_count] =
            (NetTensor){.name = mem_copy_text(names[network->tensor_count], err),
                        .tensor = tensor_new(ranks[network->tensor_count], shapes[network->tensor_count], err),
                        .stored = DTYPE_F32};
    network->normalisation = (Normalisation){.channels = 3, .std = {1, 1, 1}};
    return network;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    char *text = mem_copy_bytes((const char *)bytes, length, &err);
    Network *network = make_network(&err);
    network->graph = text ? network_graph_read(network, text, &err) : NULL;
    if (network->graph) {
        Str written = {0};
        assert(network_graph_text(network, &written, &err));
        Graph *again = network_graph_read(network, written.text, &err);
        assert(again && graph_equal(network->graph, again));
        graph_release(again);
        str_done(&written);
        table_free(network_graph_table(network, &err));
        engine_free(engine_new(network, 1, network->graph->height, network->graph->width, NULL, &err));
    }
    network_free(network);
    mem_free(text);
    return 0;
}
