/* bench_forward -- images per second and GFLOP/s of engine_forward; the peer is scripts/bench/forward_pytorch.py.
 *
 *   bench_forward NETWORK [BATCH]
 *
 * Multiply and add count as two operations; only convolutions and linear layers are counted.
 */
#include "weft/net.h"

#include <stdio.h>
#include <stdlib.h>

/* Of one image, from the feature maps' sizes as the graph gives them. */
static double operations(const Network *network) {
    const Graph *graph = network->graph;
    double total = 0;
    unsigned *height = calloc(graph->count, sizeof *height), *width = calloc(graph->count, sizeof *width);
    for (size_t i = 0; height && width && i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        height[i] = i > 0 ? height[op->input[0]] : graph->height;
        width[i] = i > 0 ? width[op->input[0]] : graph->width;
        if (op->kind == OP_CONV) {
            height[i] = (height[i] + 2 * op->padding - op->kernel[0]) / op->stride + 1;
            width[i] = (width[i] + 2 * op->padding - op->kernel[1]) / op->stride + 1;
        } else if (op->kind == OP_SHORTCUT_A) {
            height[i] = (height[i] - 1) / op->stride + 1;
            width[i] = (width[i] - 1) / op->stride + 1;
        } else if (op->kind == OP_GLOBAL_POOL || op->kind == OP_LINEAR) {
            height[i] = width[i] = 1;
        }
        if (op->kind == OP_CONV || op->kind == OP_LINEAR)
            total += 2.0 * (double)network->tensors[op->weight].tensor->count * height[i] * width[i];
    }
    free(height);
    free(width);
    return total;
}

static bool measure(const Network *network, unsigned batch, Error *err) {
    const Graph *graph = network->graph;
    const size_t size = (size_t)graph->in_channels * graph->height * graph->width;
    Engine *engine = engine_new(network, batch, graph->height, graph->width, NULL, err);
    float *pixels = mem_alloc(batch * size, sizeof *pixels, err);
    float *logits = mem_alloc((uint64_t)batch * graph->classes, sizeof *logits, err);
    Rng rng = {.seed = 1};
    bool done = engine && pixels && logits;
    for (size_t i = 0; done && i < batch * size; i++) pixels[i] = (float)rng_uniform(&rng);
    double best = 0;
    for (int trial = 0; done && trial < 7; trial++) {
        double start = clock_seconds(), seconds;
        unsigned calls = 0;
        do {
            done = engine_forward(engine, pixels, batch, logits, err);
            calls++;
            seconds = clock_seconds() - start;
        } while (done && seconds < 0.5);
        if (batch * calls / seconds > best) best = batch * calls / seconds;
    }
    if (done)
        printf("%s batch %u threads %u: %.0f images/s, %.1f GFLOP/s\n", network->architecture, batch, pool_threads(),
               best, best * operations(network) / 1e9);
    engine_free(engine);
    mem_free(pixels);
    mem_free(logits);
    return done;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_forward NETWORK [BATCH]\n");
        return 2;
    }
    Error err;
    Network *network = network_load(argv[1], NULL, &err);
    bool done = network != NULL;
    if (done && !network->graph) done = error_set(&err, STATUS_FAILED, "%s", network->why_unknown);
    done = done && measure(network, argc > 2 ? (unsigned)atoi(argv[2]) : 256, &err);
    if (!done) fprintf(stderr, "%s\n", err.text);
    network_free(network);
    return done ? 0 : 1;
}
