/* create -- new networks: tensors by name and shape, the graph by recognising them (so that an architecture is
 * described once), and the weights that training begins with.
 */
#include "net/internal.h"

#include <math.h>
#include <stdio.h>

/* Each tensor has a stream of its own, by its position. */
static const uint64_t STREAM_WEIGHTS = UINT64_C(0x6e6574) << 40;

enum { NAME_MAX_LENGTH = 128 };

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static bool admit(TensorBuilder *builder, unsigned rank, const uint64_t *dim) {
    uint64_t bytes;
    if (!size_product(dim, rank, &bytes) || !size_mul(bytes, sizeof(float), &bytes) ||
        !size_add(builder->bytes, bytes, &builder->bytes))
        builder->bytes = UINT64_MAX;
    return mem_admit(builder->bytes, "a new network", builder->err);
}

void tensor_add(TensorBuilder *builder, unsigned rank, const uint64_t *dim, const char *name, ...) {
    Network *network = builder->network;
    char text[NAME_MAX_LENGTH];
    va_list args;
    if (builder->failed) return;
    va_start(args, name);
    vsnprintf(text, sizeof text, name, args);
    va_end(args);
    builder->failed = true;
    if (!admit(builder, rank, dim) || !mem_grow(&network->tensors, &builder->capacity, network->tensor_count + 1,
                                                sizeof *network->tensors, builder->err))
        return;
    NetTensor *tensor = &network->tensors[network->tensor_count++];
    *tensor = (NetTensor){.name = mem_copy_text(text, builder->err), .stored = DTYPE_F32};
    if (tensor->name) tensor->tensor = tensor_new(rank, dim, builder->err);
    builder->failed = !tensor->tensor;
}

/* ---- first weights ----------------------------------------------------------------------------------------------- */

static void fill(Network *network, int tensor, float value) {
    if (tensor == NO_TENSOR) return;
    Tensor *to = network->tensors[tensor].tensor;
    for (uint64_t i = 0; i < to->count; i++) to->data[i] = value;
}

/* Of a convolution or linear layer. */
static void draw(Network *network, const Op *op, uint64_t seed) {
    Tensor *weight = network->tensors[op->weight].tensor;
    const double fan_in = (double)(weight->count / weight->dim[0]);
    Rng rng = {.seed = seed, .stream = STREAM_WEIGHTS + (uint64_t)op->weight};
    for (uint64_t i = 0; i < weight->count; i++) weight->data[i] = (float)(sqrt(2 / fan_in) * rng_normal(&rng));
    if (op->bias == NO_TENSOR) return;
    Tensor *bias = network->tensors[op->bias].tensor;
    rng = (Rng){.seed = seed, .stream = STREAM_WEIGHTS + (uint64_t)op->bias};
    for (uint64_t i = 0; i < bias->count; i++) bias->data[i] = (float)((2 * rng_uniform(&rng) - 1) / sqrt(fan_in));
}

static void initialise(Network *network, uint64_t seed) {
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind == OP_CONV || op->kind == OP_LINEAR) draw(network, op, seed);
        if (op->kind != OP_BATCH_NORM) continue;
        fill(network, op->weight, 1);
        fill(network, op->variance, 1);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool check(const ArchitectureRequest *request, Error *err) {
    if (request->in_channels != 1 && request->in_channels != 3)
        return error_set(err, STATUS_USAGE, "%s: images of %u channels, there can be 1 or 3", request->architecture,
                         request->in_channels);
    if (request->classes == 0 || request->classes > CLASSES_MAX)
        return error_set(err, STATUS_USAGE, "%s: %u classes, there can be 1 to %d", request->architecture,
                         request->classes, CLASSES_MAX);
    if (request->normalisation.channels != 0 && request->normalisation.channels != request->in_channels)
        return error_set(err, STATUS_USAGE, "%s: a normalisation of %u channels for images of %u",
                         request->architecture, request->normalisation.channels, request->in_channels);
    return true;
}

Network *network_create(const ArchitectureRequest *request, uint64_t seed, const char *command, Error *err) {
    unsigned depth;
    const Architecture *architecture = architecture_named(request->architecture, &depth, err);
    if (!architecture || !check(request, err)) return NULL;
    Network *network = mem_alloc(1, sizeof *network, err);
    if (network && architecture->make(request, depth, network, err) &&
        architecture_recognise(network, architecture->info.name, &architecture, err) &&
        network_list_layers(network, architecture, err) &&
        key_value_add(&network->lineage, &network->lineage_count, "fit", command, err)) {
        network->normalisation = request->normalisation.channels > 0
                                     ? request->normalisation
                                     : normalisation_usual(request->in_channels, request->classes);
        if (network->normalisation.channels == 0) network->normalisation = request->otherwise;
        initialise(network, seed);
        return network;
    }
    network_free(network);
    return NULL;
}
