/* fuzz_onnx -- any bytes as an ONNX model: its tensors, its graph, one image through it where there is one, and the
 * file that is saved of it. */
#include "format/checkpoint.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/net.h"

#include <string.h>

enum { SIDE_MAX = 64 };

static void run(const Network *network) {
    Error err;
    const Graph *graph = network->graph;
    if (!graph || graph->height > SIDE_MAX || graph->width > SIDE_MAX || graph->in_channels > 4) return;
    Engine *engine = engine_new(network, 1, graph->height, graph->width, NULL, &err);
    float *pixels = mem_alloc((uint64_t)graph->in_channels * graph->height * graph->width, sizeof *pixels, &err);
    float *logits = mem_alloc(graph->classes, sizeof *logits, &err);
    if (engine && pixels && logits) engine_forward(engine, pixels, 1, logits, &err);
    mem_free(logits);
    mem_free(pixels);
    engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    const NetworkOptions options = {.normalise = "0/1"};
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    Checkpoint *checkpoint = file ? onnx_reader.open(file, &(CheckpointOpening){0}, &err) : NULL;
    Network *network = NULL;
    if (checkpoint && mem_admit(checkpoint_bytes(checkpoint), "the input", &err))
        network = network_from_checkpoint(checkpoint, &options, &err);
    if (network) run(network);
    network_free(network);
    fuzz_read(checkpoint);
    return 0;
}
