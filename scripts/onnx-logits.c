/* onnx-logits -- logits of a network file on images, for scripts/onnx-check:
 *
 *   onnx-logits FILE IMAGES.npy LOGITS [SAVED.onnx]
 *
 * IMAGES: u1, images x channels x height x width; normalised as pixel / 255, minus 0.5, over 0.25. LOGITS: float32,
 * raw. With SAVED the network is saved too. Notes go to standard error; 3: no network, 5: no graph. */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/net.h"

#include <stdio.h>
#include <string.h>

static int fail(const char *what, int status) {
    fprintf(stderr, "%s\n", what);
    return status;
}

static int run(const Network *network, const IdxArray *images, const char *out) {
    Error err = {0};
    const size_t size = (size_t)(images->count / images->dim[0]);
    const unsigned count = (unsigned)images->dim[0];
    Engine *engine = engine_new(network, 1, (unsigned)images->dim[2], (unsigned)images->dim[3], NULL, &err);
    float *pixels = engine ? mem_alloc(size, sizeof *pixels, &err) : NULL;
    float *logits = pixels ? mem_alloc(network->graph->classes, sizeof *logits, &err) : NULL;
    FILE *file = logits ? fopen(out, "wb") : NULL;
    bool ok = file != NULL;
    for (unsigned i = 0; ok && i < count; i++) {
        for (size_t k = 0; k < size; k++) pixels[k] = (float)((const uint8_t *)images->data)[i * size + k] / 255.0f;
        ok = engine_forward(engine, pixels, 1, logits, &err) &&
             fwrite(logits, sizeof *logits, network->graph->classes, file) == network->graph->classes;
    }
    if (file) fclose(file);
    mem_free(logits);
    mem_free(pixels);
    engine_free(engine);
    return ok ? 0 : fail(err.text, 1);
}

int main(int count, char **argument) {
    const NetworkOptions options = {.normalise = "0.5/0.25"};
    IdxArray images = {0};
    Error err = {0};
    if (count < 4) return fail("usage: onnx-logits FILE IMAGES.npy LOGITS [SAVED.onnx]", 2);
    Network *network = network_load(argument[1], &options, &err);
    if (!network || !npy_read(argument[2], 0, &images, &err)) return fail(err.text, 3);
    for (size_t i = 0; i < network->note_count; i++)
        fprintf(stderr, "%s: %s\n", network->notes[i].key, network->notes[i].value);
    int status = network->graph ? run(network, &images, argument[3]) : fail(network->why_unknown, 5);
    if (status == 0 && count > 4 && !network_save(network, argument[4], true, &err)) status = fail(err.text, 4);
    idx_done(&images);
    network_free(network);
    return status;
}
