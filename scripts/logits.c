/* logits -- what a network gives for images, for comparing it with other programs (scripts/zoo-check).
 *
 * usage: logits NETWORK IMAGES.npy NORMALISATION [ARCHITECTURE]
 * IMAGES: unsigned bytes, N x C x H x W. Prints to standard output: the architecture and the notes, a line each that
 * begins with #; the multiply-adds of an image; then a line of logits for each image.
 */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/net.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t multiply_adds(const Network *network, unsigned height, unsigned width, Error *err) {
    const Graph *graph = network->graph;
    Shape *shapes = mem_alloc(graph->count, sizeof *shapes, err);
    uint64_t sum = 0;
    if (!shapes || !graph_find_shapes(graph, height, width, shapes, err)) return 0;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if (op->kind != OP_CONV && op->kind != OP_LINEAR) continue;
        const Tensor *weight = network->tensors[op->weight].tensor;
        sum += weight->count * (op->kind == OP_CONV ? (uint64_t)shapes[i].height * shapes[i].width : 1);
    }
    mem_free(shapes);
    return sum;
}

static bool print_logits(const Network *network, const IdxArray *images, Error *err) {
    const unsigned count = (unsigned)images->dim[0], height = (unsigned)images->dim[2],
                   width = (unsigned)images->dim[3];
    const size_t pixels = (size_t)images->dim[1] * height * width;
    Engine *engine = engine_new(network, 1, height, width, NULL, err);
    if (!engine) return false;
    const unsigned classes = network->graph->classes;
    float *one = mem_alloc(pixels, sizeof *one, err), *logits = mem_alloc(classes, sizeof *logits, err);
    bool ok = one && logits;
    printf("# %s\n", network->architecture);
    for (size_t i = 0; i < network->note_count; i++)
        printf("# %s: %s\n", network->notes[i].key, network->notes[i].value);
    if (ok) printf("macs %llu\n", (unsigned long long)multiply_adds(network, height, width, err));
    for (unsigned i = 0; ok && i < count; i++) {
        for (size_t p = 0; p < pixels; p++) one[p] = (float)((const uint8_t *)images->data)[i * pixels + p] / 255.0F;
        ok = engine_forward(engine, one, 1, logits, err);
        for (unsigned c = 0; ok && c < classes; c++) printf("%.9g%c", (double)logits[c], c + 1 < classes ? ' ' : '\n');
    }
    mem_free(one);
    mem_free(logits);
    engine_free(engine);
    return ok;
}

int main(int count, char **words) {
    Error err = {0};
    if (count < 4 || count > 5) {
        fprintf(stderr, "usage: logits NETWORK IMAGES.npy NORMALISATION [ARCHITECTURE]\n");
        return STATUS_USAGE;
    }
    IdxArray images = {0};
    const NetworkOptions options = {.architecture = count > 4 ? words[4] : NULL, .normalise = words[3]};
    Network *network = network_load(words[1], &options, &err);
    bool ok = network && npy_read(words[2], 0, &images, &err);
    if (ok && images.rank != 4) ok = error_set(&err, STATUS_USAGE, "%s: not N x C x H x W", words[2]);
    ok = ok && print_logits(network, &images, &err);
    network_free(network);
    idx_done(&images);
    if (ok) return STATUS_OK;
    fprintf(stderr, "logits: %s\n", err.text);
    return (int)err.status;
}
