/* handmade -- small networks made without a file. */
#include "handmade.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#include <assert.h>

Network *handmade_network(const HandmadeLayer *layers, size_t count, uint64_t seed) {
    Error err;
    Network *network = mem_alloc(1, sizeof *network, &err);
    assert(network);
    network->tensor_count = network->layer_count = count;
    network->tensors = mem_alloc(count, sizeof *network->tensors, &err);
    network->layers = mem_alloc(count, sizeof *network->layers, &err);
    network->why_unknown = mem_copy_text("it was made by hand", &err);
    assert(network->tensors && network->layers && network->why_unknown);
    for (size_t i = 0; i < count; i++) {
        Str name = {0};
        str_addf(&name, "%s.weight", layers[i].name);
        Tensor *tensor = tensor_new(layers[i].rank, layers[i].dim, &err);
        assert(tensor && !name.failed);
        Rng rng = {.seed = seed, .stream = i};
        for (uint64_t j = 0; j < tensor->count; j++) tensor->data[j] = (float)rng_normal(&rng);
        network->tensors[i] = (NetTensor){.name = name.text, .tensor = tensor, .stored = DTYPE_F32};
        network->layers[i] =
            (Layer){.tensor = i, .kind = layers[i].rank == 4 ? LAYER_CONV : LAYER_LINEAR, .stage = -1, .block = -1};
        network->layers[i].name = mem_copy_text(layers[i].name, &err);
        assert(network->layers[i].name);
    }
    return network;
}

float *handmade_weights(Network *network, size_t layer) {
    return network->tensors[network->layers[layer].tensor].tensor->data;
}

bool *handmade_all(const Network *network) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert(chosen);
    for (size_t i = 0; i < network->layer_count; i++) chosen[i] = true;
    return chosen;
}
