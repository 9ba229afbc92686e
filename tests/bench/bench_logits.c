/* bench_logits -- the logits of all images of a dataset, for scripts/bench/logits: a line of numbers an image, the
 * label first. WEFT_CONVOLUTIONS chooses the kernels.
 *
 *   bench_logits NETWORK DATA
 */
#include "net/internal.h"

#include <stdio.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/data.h"
#include "weft/net.h"

enum { BATCH = 64 };

/* Of images [first, first + count). */
static bool print_batch(Engine *engine, const Network *network, const Dataset *data, uint64_t first, unsigned count,
                        float *pixels, float *logits, Error *err) {
    const size_t size = (size_t)data->channels * data->height * data->width;
    const unsigned classes = network->graph->classes;
    for (unsigned i = 0; i < count; i++) dataset_image(data, first + i, pixels + i * size);
    if (!engine_forward(engine, pixels, count, logits, err)) return false;
    for (unsigned i = 0; i < count; i++) {
        printf("%u", data->labels ? data->labels[first + i] : 0);
        for (unsigned c = 0; c < classes; c++) printf(" %.9g", (double)logits[i * classes + c]);
        putchar('\n');
    }
    return true;
}

static bool print_logits(const char *path, const char *spec, Error *err) {
    Network *network = network_load(path, NULL, err);
    Dataset *data = network ? dataset_load(spec, 0, err) : NULL;
    Engine *engine = data ? engine_new(network, BATCH, data->height, data->width, NULL, err) : NULL;
    const size_t size = data ? (size_t)data->channels * data->height * data->width : 0;
    float *pixels = engine ? mem_alloc(BATCH * size, sizeof *pixels, err) : NULL;
    float *logits = pixels ? mem_alloc((uint64_t)BATCH * network->graph->classes, sizeof *logits, err) : NULL;
    bool done = logits;
    for (uint64_t first = 0; done && first < data->count; first += BATCH) {
        const uint64_t left = data->count - first;
        done = print_batch(engine, network, data, first, left < BATCH ? (unsigned)left : BATCH, pixels, logits, err);
    }
    mem_free(logits);
    mem_free(pixels);
    engine_free(engine);
    dataset_free(data);
    network_free(network);
    return done;
}

int main(int argc, char **argv) {
    Error err;
    if (argc < 3) return fputs("usage: bench_logits NETWORK DATA\n", stderr), 2;
    if (print_logits(argv[1], argv[2], &err)) return 0;
    return fprintf(stderr, "bench_logits: %s\n", err.text), 1;
}
