/* bench_backward -- a distillation step's engine work: teacher forward, student forward, gradients of all convolutions,
 * or of a seventh of their kernels chosen at random.
 *
 *   bench_backward NETWORK [BATCH]
 */
#include "weft/net.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Bench {
    Engine *teacher, *student;
    float *pixels, *logits;
    bool *marks;
    float **gradients;
    KernelChoice *choices;
    unsigned batch;
} Bench;

/* A seventh of a tensor's kernels. */
static bool choose(KernelChoice *choice, const Tensor *tensor, Rng *rng, Error *err) {
    const uint64_t all = tensor->dim[0] * tensor->dim[1];
    uint32_t *kernels = mem_alloc(all, sizeof *kernels, err);
    choice->kernels = kernels;
    for (uint32_t k = 0; kernels && k < all; k++)
        if (rng_below(rng, 7) == 0) kernels[choice->count++] = k;
    return kernels != NULL;
}

static bool prepare(Bench *bench, const Network *network, Error *err) {
    const Graph *graph = network->graph;
    const size_t size = (size_t)bench->batch * graph->in_channels * graph->height * graph->width;
    Rng rng = {.seed = 1};
    bench->pixels = mem_alloc(size, sizeof *bench->pixels, err);
    bench->logits = mem_alloc((uint64_t)bench->batch * graph->classes, sizeof *bench->logits, err);
    bench->marks = mem_alloc(network->tensor_count, sizeof *bench->marks, err);
    bench->gradients = mem_alloc(network->tensor_count, sizeof *bench->gradients, err);
    bench->choices = mem_alloc(network->tensor_count, sizeof *bench->choices, err);
    if (!bench->choices || !bench->pixels || !bench->logits || !bench->marks || !bench->gradients) return false;
    for (size_t i = 0; i < size; i++) bench->pixels[i] = (float)rng_uniform(&rng);
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t tensor = network->layers[i].tensor;
        if (!network->layers[i].convolution) continue;
        bench->marks[tensor] = true;
        bench->gradients[tensor] = mem_alloc(network->tensors[tensor].tensor->count, sizeof **bench->gradients, err);
        if (!bench->gradients[tensor] || !choose(&bench->choices[tensor], network->tensors[tensor].tensor, &rng, err))
            return false;
    }
    const EngineOptions options = {.gradients = bench->marks};
    bench->teacher = engine_new(network, bench->batch, graph->height, graph->width, NULL, err);
    bench->student = engine_new(network, bench->batch, graph->height, graph->width, &options, err);
    return bench->teacher && bench->student;
}

typedef enum Work { FORWARD, ALL_KERNELS, SOME_KERNELS, WORK_COUNT } Work;

static bool step(const Bench *bench, Work work, Error *err) {
    const Loss loss = {.kd = 1};
    const Gradients gradients = {.tensors = bench->gradients, .kernels = work == SOME_KERNELS ? bench->choices : NULL};
    LossTerms terms;
    if (work == FORWARD) return engine_forward(bench->teacher, bench->pixels, bench->batch, bench->logits, err);
    return engine_backward(bench->student, bench->pixels, NULL, bench->batch, bench->teacher, NULL, &loss, &gradients,
                           NULL, &terms, err);
}

static bool measure(const Bench *bench, const Network *network, Error *err) {
    const EngineOperations operations = engine_operations(bench->student);
    static const char *const names[WORK_COUNT] = {"forward", "distillation", "distillation, some kernels"};
    const double all = 2 * operations.forward + operations.backward_data + operations.backward_weights;
    const double count[WORK_COUNT] = {operations.forward, all, all - operations.backward_weights * 6 / 7};
    for (Work work = FORWARD; work < WORK_COUNT; work++) {
        double best = 1e9;
        for (int trial = 0; trial < 12; trial++) {
            const double start = clock_seconds();
            if (!step(bench, work, err)) return false;
            const double seconds = clock_seconds() - start;
            if (seconds < best) best = seconds;
        }
        printf("%s %s batch %u threads %u: %.1f ms, %.1f GFLOP/s\n", network->architecture, names[work], bench->batch,
               pool_threads(), best * 1e3, bench->batch * count[work] / best / 1e9);
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_backward NETWORK [BATCH]\n");
        return 2;
    }
    Error err;
    Bench bench = {.batch = argc > 2 ? (unsigned)atoi(argv[2]) : 256};
    Network *network = network_load(argv[1], NULL, &err);
    bool done = network != NULL;
    if (done && !network->graph) done = error_set(&err, STATUS_FAILED, "%s", network->why_unknown);
    done = done && prepare(&bench, network, &err) && measure(&bench, network, &err);
    if (!done) fprintf(stderr, "%s\n", err.text);
    engine_free(bench.teacher);
    engine_free(bench.student);
    for (size_t i = 0; network && bench.gradients && i < network->tensor_count; i++) mem_free(bench.gradients[i]);
    mem_free(bench.gradients);
    for (size_t i = 0; network && bench.choices && i < network->tensor_count; i++)
        mem_free((void *)bench.choices[i].kernels);
    mem_free(bench.choices);
    mem_free(bench.marks);
    mem_free(bench.pixels);
    mem_free(bench.logits);
    network_free(network);
    return done ? 0 : 1;
}
